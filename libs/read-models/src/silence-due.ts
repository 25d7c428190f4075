import { mayGoStale, silentFromMs, staleLimitMs } from '#libs/lead/src/silence.js';
import { LEAD_STATES, type LeadStateName } from '#libs/lead/src/states.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { Fact } from '#libs/projections/src/projection.js';
import { isOnHold, type LeadRow } from './lead-row.js';

/**
 * When leads go stale, for the sweeper: one set for each state and deal stage, for how long silence may last there the
 * configuration says, and it may say otherwise tomorrow. Only leads whose silence has not been told yet are in.
 */

/** Names of sets hold no colon. */
const setOf = (state: LeadStateName, dealStage: string | null): string =>
  dealStage === null ? `silent-${state}` : `silent-${state}-${encodeURIComponent(dealStage)}`;

export function silenceFacts(row: LeadRow): Fact[] {
  const { silence, visits } = row;
  const state = visits[visits.length - 1]?.state;
  if (silence === null || silence.wentStale || state === undefined || !mayGoStale(state) || isOnHold(row)) return [];
  const dealStage =
    state === 'OPPORTUNITY' ? (row.deals.findLast(({ closed }) => closed === null)?.stage ?? null) : null;
  return [{ kind: 'score', set: setOf(state, dealStage), member: row.leadId, score: silentFromMs(silence) }];
}

export interface SilenceLimit {
  /** Members: leads; scores: the instant from which their silence counts. */
  readonly set: string;
  readonly limitMs: number;
}

/** Where leads go stale by the pipelines in force at `atMs`; a set is named once for each limit that some pipeline has there. */
export function silenceLimits(policies: PolicyBook, atMs: number): SilenceLimit[] {
  const limits = new Map<string, SilenceLimit>();
  const add = (set: string, limitMs: number | null): void => {
    if (limitMs !== null) limits.set(`${set} ${limitMs}`, { set, limitMs });
  };
  for (const { pipeline, stages } of policies.pipelinesWithStages(atMs)) {
    for (const state of LEAD_STATES) add(setOf(state, null), staleLimitMs(pipeline, state, null));
    for (const stage of stages) {
      const now = policies.stageNow(stage, pipeline.leadTypes[0] ?? '', atMs);
      add(setOf('OPPORTUNITY', stage), staleLimitMs(pipeline, 'OPPORTUNITY', now));
    }
  }
  return [...limits.values()];
}
