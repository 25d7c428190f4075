import type { Pipeline } from '#libs/policy/src/documents.js';
import type { LeadEventData, LeadEventType } from './events.js';
import type { LeadStateName } from './states.js';

/**
 * How long nothing has happened about a lead (spec §7.19), and when it goes stale by that: a timer derived from the lead's own
 * events, no clock (spec §6.1 stagnation). Imported history starts none: only what happens here can be awaited here.
 */

const DAY_MS = 86_400_000;

export interface Silence {
  /** The last activity. */
  readonly sinceMs: number;
  /** Holds that have ended, and deferrals by the lead: they do not count (spec §6.4). May overlap; none ends before `sinceMs`. */
  readonly pauses: readonly (readonly [fromMs: number, toMs: number])[];
  /** Told by LeadWentStale: once per silence. */
  readonly wentStale: boolean;
}

/** States in which a lead may go stale. */
const BEFORE_SAL: ReadonlySet<LeadStateName> = new Set(['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'RECYCLED']);
const FROM_SAL: ReadonlySet<LeadStateName> = new Set(['SAL', 'SQL', 'OPPORTUNITY']);
export const mayGoStale = (state: LeadStateName): boolean => BEFORE_SAL.has(state) || FROM_SAL.has(state);

/** What keeps a lead from going stale, beside a change of its state: before SAL, from SAL on, or in either. */
const ACTIVITY: Readonly<Partial<Record<LeadEventType, 'before_sal' | 'from_sal' | 'any'>>> = {
  BehaviourRecorded: 'before_sal',
  CaptureRepeated: 'before_sal',
  LeadResponded: 'any',
  ContactAttempted: 'from_sal',
  MeetingBooked: 'from_sal',
  MeetingHeld: 'from_sal',
  ProposalSent: 'from_sal',
  DealStageChanged: 'from_sal',
  DealAmountChanged: 'from_sal',
  DealValueVerified: 'from_sal',
  DealCloseDateChanged: 'from_sal',
};

/** An event as its payload lies in the log. */
export interface ToldFact {
  readonly type: string;
  readonly data: object;
}

function isActivity({ type, data }: ToldFact, state: LeadStateName | null): boolean {
  // Whoever takes a merge back finds the silence as it was.
  if (type === 'MergedInto') return false;
  if ('toState' in data && 'fromState' in data) return data.toState !== data.fromState;
  const counts = Object.hasOwn(ACTIVITY, type) ? ACTIVITY[type as LeadEventType] : undefined;
  if (counts === undefined || state === null) return false;
  return counts === 'any' || (counts === 'before_sal' ? BEFORE_SAL : FROM_SAL).has(state);
}

/** The silence after an event; `state` is the lead's before it. The same object when the event is no matter of it. */
export function evolveSilence(
  silence: Silence | null,
  fact: ToldFact,
  state: LeadStateName | null,
  imported: boolean,
): Silence | null {
  if (imported) return silence;
  if (isActivity(fact, state)) return broken(silence, occurredMs(fact));
  if (silence === null) return null;
  switch (fact.type) {
    case 'LeadWentStale':
      return { ...silence, wentStale: true };
    case 'ResumedFromHold': {
      const toMs = occurredMs(fact);
      return paused(silence, toMs - (fact.data as LeadEventData<'ResumedFromHold'>).heldForS * 1000, toMs);
    }
    case 'ContactDeferred': {
      const { requestedBy, until } = fact.data as LeadEventData<'ContactDeferred'>;
      return requestedBy === 'lead' ? paused(silence, occurredMs(fact), Date.parse(until)) : silence;
    }
    default:
      return silence;
  }
}

const occurredMs = ({ data }: ToldFact): number => Date.parse((data as { occurredAt: string }).occurredAt);

/** A fact of before the last activity breaks nothing that is not broken already. */
function broken(silence: Silence | null, atMs: number): Silence {
  if (silence === null) return { sinceMs: atMs, pauses: [], wentStale: false };
  if (atMs <= silence.sinceMs) return silence;
  return { sinceMs: atMs, pauses: silence.pauses.filter(([, toMs]) => toMs > atMs), wentStale: false };
}

const paused = (silence: Silence, fromMs: number, toMs: number): Silence =>
  toMs > Math.max(fromMs, silence.sinceMs) ? { ...silence, pauses: [...silence.pauses, [fromMs, toMs]] } : silence;

/** From when the limit counts: the last activity, later by what was paused since. */
export function silentFromMs({ pauses, sinceMs }: Silence): number {
  let pausedMs = 0;
  let coveredMs = sinceMs;
  for (const [fromMs, toMs] of pauses.toSorted((a, b) => a[0] - b[0])) {
    const startMs = Math.max(fromMs, coveredMs);
    if (toMs <= startMs) continue;
    pausedMs += toMs - startMs;
    coveredMs = toMs;
  }
  return sinceMs + pausedMs;
}

/** Where the pipeline says how long silence may last: a state, or a deal stage of OPPORTUNITY. Null: no limit. */
export function staleLimitMs(
  pipeline: Pick<Pipeline, 'dealStages' | 'staleDays'>,
  state: LeadStateName,
  dealStage: string | null,
): number | null {
  const stage = state === 'OPPORTUNITY' ? pipeline.dealStages.find(({ code }) => code === dealStage) : undefined;
  const days = stage?.staleDays ?? pipeline.staleDays[state];
  return days === undefined || !mayGoStale(state) ? null : Math.round(days * DAY_MS);
}

/**
 * The instant after which the lead is stale (spec §7.19: strictly later than it), unless something happens before; null: it
 * cannot go stale, has gone stale already, or is on hold.
 */
export function staleAfterMs(silence: Silence | null, onHold: boolean, limitMs: number | null): number | null {
  if (silence === null || silence.wentStale || onHold || limitMs === null) return null;
  return silentFromMs(silence) + limitMs;
}
