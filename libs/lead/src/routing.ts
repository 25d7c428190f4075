import type { Rep } from '#libs/policy/src/rep.js';
import type { RoutingDocument } from '#libs/policy/src/routing.js';
import type { Decision } from './decision.js';
import type { RoutingDesk } from './routing-desk.js';
import type { LeadState } from './state.js';

export interface Routed {
  readonly teamId: string;
  readonly ownerId: string;
  /** Everybody has as many leads of the week as agreed: it goes to somebody all the same. */
  readonly overCapacity: boolean;
}

export const ROUTING_POLICY = 'system:routing';
export const CAPACITY_EXCEEDED = 'CAPACITY_EXCEEDED';

const WEEK_MS = 7 * 86_400_000;
/** 1970-01-05, the first Monday. */
const MONDAY_MS = 4 * 86_400_000;

/** Capacities are leads a week; a week begins on Monday, UTC. */
export const weekStartMs = (atMs: number): number => Math.floor((atMs - MONDAY_MS) / WEEK_MS) * WEEK_MS + MONDAY_MS;

/** Whether the person has as many leads this week as agreed, or is away. */
export function isFull({ repId, weeklyLeadCapacity }: Rep, desk: RoutingDesk, nowMs: number): boolean {
  return weeklyLeadCapacity !== undefined && desk.load(repId, weekStartMs(nowMs)).leads >= weeklyLeadCapacity;
}

/**
 * Who gets a lead that is offered to a team without naming anybody. Null: the team has no routing rules, nobody is there, or it
 * comes back to the owner it has. What is full in the team goes to the fallback team, while that one has room and may be handed
 * leads; else to the team all the same, with a warning.
 */
export function routeTo(decision: Decision, teamId: string): Routed | null {
  const { context, isImport, lead } = decision;
  const desk = context.routing;
  if (isImport || desk === undefined || keepsOwner(decision, teamId)) return null;
  const { nowMs, policies } = context;
  const rules = policies.routing(teamId, nowMs);
  if (rules === null) return null;
  const reps = policies.reps(teamId, nowMs);
  const own = choose(lead, rules, reps, desk, nowMs);
  if (own !== null && !own.overCapacity) return { teamId, ...own };
  const { fallbackTeamId } = rules;
  if (fallbackTeamId !== undefined && mayBeOffered(decision, fallbackTeamId)) {
    const otherRules = policies.routing(fallbackTeamId, nowMs) ?? ROUND_ROBIN;
    const other = choose(lead, otherRules, policies.reps(fallbackTeamId, nowMs), desk, nowMs);
    if (other !== null && (own === null || !other.overCapacity)) return { teamId: fallbackTeamId, ...other };
  }
  return own === null ? null : { teamId, ...own };
}

const ROUND_ROBIN: Pick<RoutingDocument, 'strategies' | 'territories'> = {
  strategies: ['round_robin'],
  territories: [],
};

/** A lead that was the team's before goes on with whoever had it. */
function keepsOwner({ context, lead }: Decision, teamId: string): boolean {
  const isTheirs = lead.teamId === null || lead.teamId === teamId;
  return lead.ownerId !== null && isTheirs && context.policies.rep(lead.ownerId)?.active !== false;
}

const mayBeOffered = ({ context: { nowMs, policies } }: Decision, teamId: string): boolean =>
  policies.agreementForTeam(teamId, nowMs) !== null && policies.missing(nowMs, teamId).length === 0;

/** The first strategy that names somebody with room decides; if none does, the first that names anybody. */
function choose(
  lead: LeadState,
  { strategies, territories }: Pick<RoutingDocument, 'strategies' | 'territories'>,
  reps: readonly Rep[],
  desk: RoutingDesk,
  nowMs: number,
): Omit<Routed, 'teamId'> | null {
  // Out of office is a capacity of none.
  const there = reps.filter(({ weeklyLeadCapacity }) => weeklyLeadCapacity !== 0);
  let full: string | null = null;
  for (const strategy of strategies) {
    if (strategy === 'account_owner') {
      // One company, one person: it stays so in a week that is full.
      const owner = desk.accountOwnerIds.flatMap((id) => there.find(({ repId }) => repId === id) ?? [])[0];
      if (owner !== undefined) return { ownerId: owner.repId, overCapacity: isFull(owner, desk, nowMs) };
      continue;
    }
    const serving = strategy === 'territory' ? territoryOf(lead, territories) : null;
    const named = there.filter(({ repId }) => serving?.includes(repId) !== false);
    const inTurn = byTurn(named, desk, weekStartMs(nowMs));
    const free = inTurn.find((rep) => !isFull(rep, desk, nowMs));
    if (free !== undefined) return { ownerId: free.repId, overCapacity: false };
    full ??= inTurn[0]?.repId ?? null;
  }
  return full === null ? null : { ownerId: full, overCapacity: true };
}

/** Whoever has the least of what was agreed comes first; among equals, whose last lead is the longest ago. */
function byTurn(reps: readonly Rep[], desk: RoutingDesk, sinceMs: number): Rep[] {
  const most = Math.max(1, ...reps.map(({ weeklyLeadCapacity = 1 }) => weeklyLeadCapacity));
  return reps
    .map((rep) => ({ rep, ...desk.load(rep.repId, sinceMs) }))
    .map((one) => ({ ...one, share: one.leads / (one.rep.weeklyLeadCapacity ?? most) }))
    .sort((a, b) => a.share - b.share || a.lastMs - b.lastMs || (a.rep.repId < b.rep.repId ? -1 : 1))
    .map(({ rep }) => rep);
}

function territoryOf(lead: LeadState, territories: RoutingDocument['territories']): readonly string[] {
  const country = lead.scoredFields.country ?? lead.icpFit?.firmographics.country;
  if (typeof country !== 'string') return [];
  return territories.find(({ countries }) => countries.includes(country))?.repIds ?? [];
}
