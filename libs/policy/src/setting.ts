import {
  configEventSchemas,
  type ConfigEvent,
  type ConfigEventData,
  type ConfigEventType,
  isConfigEventType,
  teamDocument,
} from './documents.js';
import { PolicyError } from './errors.js';
import { zoneOffset } from './local-time.js';
import type { PolicyBook } from './policy-book.js';
import { type Rep, repAt, type RepEvent } from './rep.js';
import type { RoutingDocument } from './routing.js';
import type { BenchmarkDocument, TargetDocument } from './target.js';
import type { DecidedEvent, StoredEvent } from './versioned-document.js';

/**
 * What has no versions and holds from when it is said: teams, people, routing, targets, benchmarks (spec §4.3). Each is decided on
 * the events of its own stream. Pure.
 */

export type SettingCommand =
  | { readonly act: 'define-team'; readonly document: Readonly<Record<string, unknown>> }
  | { readonly act: 'set-routing'; readonly teamId: string; readonly document: RoutingDocument }
  | {
      readonly act: 'join';
      readonly repId: string;
      readonly teamId: string;
      readonly weeklyLeadCapacity?: number | undefined;
      readonly skills: readonly string[];
    }
  | {
      readonly act: 'change-capacity';
      readonly repId: string;
      readonly weeklyLeadCapacity: number;
      readonly until?: string | undefined;
    }
  | { readonly act: 'train'; readonly repId: string; readonly topic: string }
  | { readonly act: 'leave'; readonly repId: string; readonly successorId?: string | undefined }
  | { readonly act: 'set-target'; readonly document: TargetDocument; readonly reason?: string | undefined }
  | { readonly act: 'set-benchmark'; readonly document: BenchmarkDocument };

export interface SettingContext {
  readonly policies: PolicyBook;
  readonly nowMs: number;
  readonly by: string;
}

/**
 * The events of one act on a team, a person, a target or a benchmark; empty when it is so already.
 * @throws PolicyError, and ZodError for a document of a wrong shape
 */
export function decideSetting(
  stream: readonly StoredEvent[],
  command: SettingCommand,
  context: SettingContext,
): DecidedEvent[] {
  const occurredAt = new Date(context.nowMs).toISOString();
  const events = stream.flatMap(understood);
  const event = (type: ConfigEventType, data: object): DecidedEvent[] => [{ type, data: { occurredAt, ...data } }];
  switch (command.act) {
    case 'define-team': {
      const team = teamDocument.parse(command.document);
      checkTeam(team, context.policies);
      const before = lastOf(events, 'TeamDefined');
      return before !== null && same(teamDocument.strip().parse(before), team) ? [] : event('TeamDefined', team);
    }
    case 'set-routing': {
      const { document, teamId } = command;
      checkRouting(document, teamId, context);
      const { occurredAt: _, ...before } = lastOf(events, 'RoutingRuleSet') ?? {};
      return same(before, document) ? [] : event('RoutingRuleSet', document);
    }
    case 'join': {
      const { act: _, ...rep } = command;
      if (context.policies.team(rep.teamId) === null)
        throw new PolicyError('UNKNOWN_TEAM', `there is no team ${rep.teamId}`, 'teamId');
      const before = repOf(events, context.nowMs);
      const isSo =
        before?.active === true &&
        before.teamId === rep.teamId &&
        before.weeklyLeadCapacity === rep.weeklyLeadCapacity &&
        same(before.skills, rep.skills);
      return isSo ? [] : event('RepJoined', rep);
    }
    case 'change-capacity': {
      const { repId, until, weeklyLeadCapacity } = command;
      requireActive(events, repId, context.nowMs);
      if (until !== undefined && Date.parse(until) <= context.nowMs)
        throw new PolicyError('VALIDATION_FAILED', 'must lie ahead', 'until');
      return event('RepCapacityChanged', { repId, weeklyLeadCapacity, ...(until === undefined ? {} : { until }) });
    }
    case 'train': {
      const { repId, topic } = command;
      const rep = requireActive(events, repId, context.nowMs);
      return rep.trained.includes(topic) ? [] : event('RepTrained', { repId, topic });
    }
    case 'leave': {
      const { repId, successorId } = command;
      if (repOf(events, context.nowMs)?.active === false) return [];
      requireActive(events, repId, context.nowMs);
      const successor = successorId === undefined ? null : context.policies.rep(successorId);
      if (successorId !== undefined && (successor?.active !== true || successorId === repId))
        throw new PolicyError('UNKNOWN_REP', `${successorId} works in no team`, 'successorId');
      return event('RepLeft', { repId, ...(successorId === undefined ? {} : { successorId }) });
    }
    case 'set-target':
      return targetEvents(events, command, context, event);
    case 'set-benchmark': {
      const before = lastOf(events, 'BenchmarkSet');
      return before?.value === command.document.value ? [] : event('BenchmarkSet', { ...command.document, by: context.by }); // prettier-ignore
    }
  }
}

function targetEvents(
  events: readonly ConfigEvent[],
  { document, reason = '' }: Extract<SettingCommand, { act: 'set-target' }>,
  { by }: SettingContext,
  event: (type: ConfigEventType, data: object) => DecidedEvent[],
): DecidedEvent[] {
  const { amount, period, scope } = document;
  const changed = lastOf(events, 'RevenueTargetChanged')?.new;
  const before = changed ?? lastOf(events, 'RevenueTargetSet')?.amount ?? null;
  if (before === null) return event('RevenueTargetSet', { period, scope, amount, by });
  if (same(before, amount)) return [];
  if (before.currency !== amount.currency)
    throw new PolicyError('VALIDATION_FAILED', `the target is in ${before.currency}`, 'amount.currency');
  if (reason.trim() === '') throw new PolicyError('VALIDATION_FAILED', 'a changed target says why', 'reason');
  return event('RevenueTargetChanged', { period, scope, old: before, new: amount, reason, by });
}

function checkTeam(team: ReturnType<typeof teamDocument.parse>, policies: PolicyBook): void {
  zoneOffset(team.timeZone);
  if (!policies.knows('agreement', team.agreementId))
    throw new PolicyError('UNKNOWN_AGREEMENT', `there is no agreement ${team.agreementId}`, 'agreementId');
  const calendars = Object.entries(team.clockCalendars ?? {}).map(([type, id]) => [`clockCalendars.${type}`, id]);
  for (const [field, calendarId] of [['calendarId', team.calendarId], ...calendars] as [string, string][])
    if (!policies.knows('calendar', calendarId))
      throw new PolicyError('UNKNOWN_CALENDAR', `there is no calendar ${calendarId}`, field);
}

function checkRouting({ fallbackTeamId, territories }: RoutingDocument, teamId: string, context: SettingContext): void {
  const { nowMs, policies } = context;
  if (policies.team(teamId) === null) throw new PolicyError('UNKNOWN_TEAM', `there is no team ${teamId}`);
  if (fallbackTeamId !== undefined && (fallbackTeamId === teamId || policies.team(fallbackTeamId) === null))
    throw new PolicyError('UNKNOWN_TEAM', `there is no other team ${fallbackTeamId}`, 'fallbackTeamId');
  const members = new Set(policies.reps(teamId, nowMs).map(({ repId }) => repId));
  for (const [n, { repIds }] of territories.entries()) {
    const unknown = repIds.find((repId) => !members.has(repId));
    if (unknown !== undefined)
      throw new PolicyError('UNKNOWN_REP', `${unknown} is not in team ${teamId}`, `territories.${n}.repIds`);
  }
}

function requireActive(events: readonly ConfigEvent[], repId: string, nowMs: number): Rep {
  const rep = repOf(events, nowMs);
  if (rep?.active === true) return rep;
  throw new PolicyError('UNKNOWN_REP', `${repId} works in no team`, 'repId');
}

// Events of the stream itself, in its order: their time is not asked, so that a clock set back loses none.
const repOf = (events: readonly ConfigEvent[], nowMs: number): Rep | null =>
  repAt(events as readonly RepEvent[], Math.max(nowMs, ...events.map(({ data }) => Date.parse(data.occurredAt))));

function understood({ type, data }: StoredEvent): ConfigEvent[] {
  if (!isConfigEventType(type)) return [];
  const parsed = configEventSchemas[type].safeParse(data);
  return parsed.success ? [{ type, data: parsed.data } as ConfigEvent] : [];
}

function lastOf<T extends ConfigEventType>(events: readonly ConfigEvent[], type: T): ConfigEventData<T> | null {
  return (events.findLast((event) => event.type === type)?.data as ConfigEventData<T> | undefined) ?? null;
}

const same = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
