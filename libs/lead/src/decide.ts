import { commandActions, requireRole, type CommandBody, type CommandName, type LeadCommand } from './commands.js';
import { captureRules } from './decide-capture.js';
import { contactRules } from './decide-contact.js';
import { correctionRules } from './decide-correction.js';
import { dealRules } from './decide-deal.js';
import { holdRules } from './decide-hold.js';
import { leavingRules } from './decide-leaving.js';
import { merged, mergeRules } from './decide-merge.js';
import { nurtureRules } from './decide-nurture.js';
import { profileRules } from './decide-profile.js';
import { promotionRules } from './decide-promotion.js';
import { qualificationRules } from './decide-qualification.js';
import { scoreAfter, scoringRules } from './decide-scoring.js';
import { Decision, iso, type DecideContext } from './decision.js';
import { LeadError } from './errors.js';
import type { LeadEvent } from './events.js';
import { disqualifyByIcp } from './icp.js';
import { moveMappedDeal } from './pipeline-stages.js';
import type { Rule, Rules } from './rule.js';
import { clockEventIdName, settleClocks, type StoppingFact } from './sla-clocks.js';
import { goStale } from './staleness.js';
import type { LeadState } from './state.js';
import type { LeadStateName } from './states.js';

export type { DecideContext } from './decision.js';

/** Every command by the file of its family. */
const rules: Rules<CommandName> = {
  ...captureRules,
  ...profileRules,
  ...contactRules,
  ...nurtureRules,
  ...promotionRules,
  ...qualificationRules,
  ...dealRules,
  ...leavingRules,
  ...holdRules,
  ...correctionRules,
  ...mergeRules,
  ...scoringRules,
  /** What is due is settled before any command is decided: this one has nothing to add. */
  SettleClocks: { decide: () => undefined },
};

/** Who settles for a refused command of somebody else; any other settler is a sweeper. */
export const SETTLE_ON_WRITE = 'system:settle-on-write';

/** What still reaches a lead that was merged away (spec §2.6). */
const AFTER_MERGE: ReadonlySet<CommandName> = new Set(['CompleteMerge', 'RevertMerge', 'SettleClocks']);

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const FUTURE_TOLERANCE_MS = 5 * MINUTE_MS;
/** How far back one may date (spec §4.4). */
const BACKDATE_DAYS = { user: 7, ops: 90, import: 3650 } as const;

/**
 * The events a command brings about on a lead, to be appended in one piece: first the clock settlements due by now, then the
 * command's own; empty when it changes nothing (a fact recorded already). Pure: the same arguments give the same events.
 *
 * Checks in the order of spec §4.4, after schema: role → lead exists → time → settle overdue clocks → hold → table of
 * transitions → guards.
 * @throws LeadError; then only `SettleClocks` may still be decided and appended (spec §4.5)
 */
export function decide(lead: LeadState, command: LeadCommand, context: DecideContext): LeadEvent[] {
  return decideAndFold(lead, command, context).events;
}

export interface Decided {
  readonly events: LeadEvent[];
  /** The lead with them, when that is what folding them from the log gives; null: only the log can tell. */
  readonly after: LeadState | null;
}

/** As `decide`, with the fold that deciding took anyway. */
export function decideAndFold(lead: LeadState, command: LeadCommand, context: DecideContext): Decided {
  try {
    // Who may import history was asked when the import was created: its rows are other people's acts.
    if (context.import === undefined) requireRole(command.name, context.actor);
    if (lead.state === null && command.name !== 'CaptureLead') {
      throw new LeadError('LEAD_NOT_FOUND', 'there is no such lead');
    }
    if (lead.mergedInto !== null && !AFTER_MERGE.has(command.name)) throw merged(lead.mergedInto.survivorLeadId);
    return decideBy(rules[command.name] as Rule<CommandName>, lead, command, context);
  } catch (error) {
    if (!(error instanceof LeadError)) throw error;
    const where = { leadId: lead.leadId, currentState: lead.state, currentRevision: lead.revision };
    throw new LeadError(error.code, error.message, { ...where, ...error.facts });
  }
}

function decideBy<N extends CommandName>(
  rule: Rule<N>,
  lead: LeadState,
  command: LeadCommand,
  context: DecideContext,
): Decided {
  const body = command.body as CommandBody<N>;
  const { atMs, claimedAtMs } = timeOf(command, lead, context, rule.transition === true);
  const decision = new Decision(lead, context, atMs, claimedAtMs);
  decision.recordAll(settlement(decision, rule.stops?.(decision, body) ?? []));
  moveMappedDeal(decision);
  goStale(decision);

  const { onHold, state } = decision.lead;
  if (onHold !== null && rule.advances === true) {
    throw new LeadError('LEAD_ON_HOLD', `on hold since ${iso(onHold.sinceMs)}`, { reasonCode: onHold.reasonCode });
  }
  if (state !== null && !mayBeGiven(rule, decision.lead, state, decision.isImport)) {
    throw new LeadError('INVALID_TRANSITION', `${command.name} is not possible in ${state}`, {
      from: state,
      command: command.name,
      allowed: allowedFor(decision.lead, state),
    });
  }
  rule.decide(decision, body);
  disqualifyByIcp(decision);
  scoreAfter(decision, lead);
  return { events: decision.events, after: isFoldedAsStored(decision) ? decision.lead : null };
}

/** A once-only event gets an id of its own when it is written, and an absorption keeps when that was. */
const isFoldedAsStored = ({ events, isImport }: Decision): boolean =>
  !isImport && events.every((event) => event.type !== 'DuplicateAbsorbed' && clockEventIdName(event) === null);

/** Overdue clocks, but those that this command's own fact stops in time (spec §6.6.3). */
function settlement(decision: Decision, stops: readonly ({ readonly clockId: string } | undefined)[]): LeadEvent[] {
  const { atMs, context, lead } = decision;
  const clockIds = stops.flatMap((clock) => clock?.clockId ?? []);
  const except: StoppingFact | undefined = clockIds.length === 0 ? undefined : { clockIds, occurredAtMs: atMs };
  return settleClocks({
    clocks: lead.clocks,
    policies: context.policies,
    nowMs: context.nowMs,
    recordedBy: context.actor.type === 'system' && context.actor.id !== SETTLE_ON_WRITE ? 'sweeper' : 'settle_on_write',
    ...(except === undefined ? {} : { except }),
  });
}

function mayBeGiven<N extends CommandName>(
  { from, importFrom, where }: Rule<N>,
  lead: LeadState,
  state: LeadStateName,
  isImport: boolean,
): boolean {
  if (from === undefined) return true;
  if (isImport) return from.includes(state) || importFrom?.includes(state) === true;
  return from.includes(state) && where?.(lead) !== false;
}

/** The commands of the table of transitions that a lead may be given now. */
const allowedFor = (lead: LeadState, state: LeadStateName): CommandName[] =>
  (Object.keys(rules) as CommandName[]).filter((name) => {
    const rule: Rule<CommandName> = rules[name];
    return rule.from !== undefined && mayBeGiven(rule, lead, state, false);
  });

/** What a lead may be given now, by its state and hold; roles and guards are asked when a command comes. */
export function possibleCommands(lead: LeadState): CommandName[] {
  const { onHold, state } = lead;
  if (state === null || state === 'MERGED') return [];
  return (Object.keys(rules) as CommandName[]).filter((name) => {
    if (name === 'CaptureLead' || commandActions[name].systemOnly === true) return false;
    const rule: Rule<CommandName> = rules[name];
    const onlyAfterHold = onHold !== null && rule.advances === true;
    return mayBeGiven(rule, lead, state, false) && !onlyAfterHold && rule.offered?.(lead) !== false;
  });
}

/** Spec §4.4 and §9.4: facts come in any order inside the limit, transitions keep theirs. */
function timeOf(
  { name, body }: LeadCommand,
  lead: LeadState,
  { actor, import: importing, nowMs }: DecideContext,
  isTransition: boolean,
): { readonly atMs: number; readonly claimedAtMs?: number } {
  const closedAt = name === 'WinDeal' ? body.closedAt : undefined;
  if (closedAt !== undefined && body.occurredAt !== undefined && closedAt !== body.occurredAt) {
    throw new LeadError('VALIDATION_FAILED', 'a deal is closed when it is won', {
      fields: [{ field: 'closedAt', rule: 'the same as occurredAt' }],
    });
  }
  const given = body.occurredAt ?? closedAt;
  const atMs = given === undefined ? nowMs : Date.parse(given);
  const field = { field: 'occurredAt' };
  if (atMs > nowMs + FUTURE_TOLERANCE_MS) {
    throw new LeadError('OCCURRED_IN_FUTURE', `now is ${iso(nowMs)}`, { ...field, now: iso(nowMs) });
  }
  const isOps = actor.role === 'ops' || actor.role === 'admin' || actor.role === 'system';
  const limitDays = BACKDATE_DAYS[importing !== undefined ? 'import' : isOps ? 'ops' : 'user'];
  if (atMs < nowMs - limitDays * DAY_MS) {
    throw new LeadError('BACKDATE_LIMIT_EXCEEDED', `at most ${limitDays} days back`, { ...field, limitDays });
  }
  if (!isTransition || atMs >= lead.lastTransitionAtMs) return { atMs };
  if (importing?.outOfOrder === 'clamp') return { atMs: lead.lastTransitionAtMs, claimedAtMs: atMs };
  // Without a time of his own nobody claims an order: the server's clock is a little behind a client's.
  if (given === undefined) return { atMs: lead.lastTransitionAtMs };
  throw new LeadError('OUT_OF_ORDER', `the last transition was at ${iso(lead.lastTransitionAtMs)}`, field);
}
