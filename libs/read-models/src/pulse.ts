import type { Fact } from '#libs/projections/src/projection.js';
import { mayGoStale, silentFromMs } from '#libs/lead/src/silence.js';
import { LEAD_STATES, type LeadStateName } from '#libs/lead/src/states.js';
import type { ActKind } from './activity.js';
import { AsOf } from './as-of.js';
import { dimensionText, type Dims, LAST_PART, utcDay } from './dimensions.js';
import { HOUR_MS } from './figures.js';
import { dimensionFilter } from './grouping.js';
import { holdEndMs, type LeadRow, stateIndex, type Visit } from './lead-row.js';
import { enteredMsOf, firstEnteredMs } from './merges.js';
import type { ReportParams } from './report-params.js';
import { type FactRow, factValue, orNull } from './fact-row.js';
import { openPart, ownText, scanDecoded } from './scan.js';
import type { ReadView } from './store/read-store.js';

/**
 * One fact per lead: where it stood and when something was done about it, what staleness (7.19) is counted from. It lies in
 * the partition of the day the lead came to rest (won, lost, disqualified, junk), or among the open ones of the day it began.
 */
const PULSE_TABLE = 'pulse';
/** Acts closer together than this are told by the first and the last of them: no limit is as short. */
const CLOSE_MS = HOUR_MS;

const FROM_SAL: ReadonlySet<LeadStateName> = new Set(['SAL', 'SQL', 'OPPORTUNITY']);
const counts = (state: LeadStateName, kind: ActKind): boolean => kind === 2 || FROM_SAL.has(state) === (kind === 1);

/**
 * Numbers, times relative to the capture: capture; count and [state, entered]…; count and [hold since, until]…; count and
 * [deferral from, until]…; count and acts…; then [stage, entered]…. The rest: stage codes.
 */
export function pulseFacts(row: LeadRow): Fact[] {
  const { visits } = row;
  const last = visits[visits.length - 1];
  if (last === undefined || last.state === 'MERGED') return [];
  // Where a merge extends the first visit back, the lead stood there from then on (spec §2.6).
  const base = firstEnteredMs(row);
  const numbers: (number | string)[] = [base, visits.length];
  visits.forEach(({ state }, index) => numbers.push(stateIndex(state), enteredMsOf(row, index) - base));
  numbers.push(row.holds.length);
  for (const hold of row.holds) {
    const endMs = holdEndMs(row, hold);
    numbers.push(hold.sinceMs - base, endMs === null ? '' : endMs - base);
  }
  numbers.push(row.activities.deferrals.length);
  for (const [fromMs, untilMs] of row.activities.deferrals) numbers.push(fromMs - base, untilMs - base);
  const acts = actsOf(row);
  numbers.push(acts.length, ...acts.map((atMs) => atMs - base));
  const stages: string[] = [];
  for (const { history, openedIn } of row.deals) {
    const openedMs = (visits[openedIn] as Visit).enteredMs;
    for (const { atMs, kind, value, visit } of history.entries) {
      if (kind !== 'stage') continue;
      let place = stages.indexOf(value as string);
      if (place < 0) place = stages.push(value as string) - 1;
      // A change whose time was corrected to before the opening says nothing about the deal before this one.
      numbers.push(place, Math.max(atMs ?? (visits[visit] as Visit).enteredMs, openedMs) - base);
    }
  }
  return [
    {
      kind: 'row',
      table: PULSE_TABLE,
      part: mayGoStale(last.state) ? openPart(base) : utcDay(last.enteredMs),
      key: row.leadId,
      value: factValue(
        dimensionText(row, row.team, row.owner),
        numbers.join(','),
        stages.length === 0 ? undefined : stages,
      ),
    },
  ];
}

/** The acts that count in the state they happened in, ascending; the void of a transition is a change of state too. */
function actsOf(row: LeadRow): number[] {
  const acts: number[] = [];
  let index = 0;
  for (const { atMs, kind } of row.activities.acts) {
    while (row.visits[index + 1] !== undefined && (row.visits[index + 1] as Visit).enteredMs <= atMs) index += 1;
    const { state } = row.visits[index] as Visit;
    if (atMs >= enteredMsOf(row, index) && counts(state, kind)) acts.push(atMs);
  }
  // A merge that was taken back was no activity.
  for (const { type, voidedAtMs } of row.voided) if (type !== 'MergedInto') acts.push(voidedAtMs);
  if (row.voided.length > 0) acts.sort((a, b) => a - b);
  const kept: number[] = [];
  for (const atMs of acts) {
    const first = kept[kept.length - 2];
    if (first !== undefined && atMs - first < CLOSE_MS) kept.pop();
    kept.push(atMs);
  }
  return kept;
}

/** Where a lead stood at an instant, and since when nothing has been done about it. */
export interface Pulse {
  readonly leadId: string;
  readonly dims: Dims;
  readonly state: LeadStateName;
  /** In OPPORTUNITY. */
  readonly dealStage: string | null;
  /** Last activity in the sense of 7.19. */
  readonly lastActivityMs: number;
  /** From when the limit counts: later by ended holds and deferrals by the lead. */
  readonly silentFromMs: number;
  readonly onHold: boolean;
}

/** Bytes of one. */
const PULSE_BYTES = 200;

/** The leads that pass the filters and were open at asOf. */
export async function scanPulses(view: ReadView, params: ReportParams, use: (pulse: Pulse) => void): Promise<void> {
  const passes = dimensionFilter(params);
  const asOf = new AsOf(params.asOfMs);
  const tell = (fact: FactRow): Pulse | null => pulseAt(fact, asOf);
  // One call and no two: a lead that comes to rest in between would be counted twice or not at all.
  await scanDecoded(view, PULSE_TABLE, utcDay(params.asOfMs), LAST_PART, '', asOf, tell, PULSE_BYTES, (pulse) => {
    if (passes(pulse.dims)) use(pulse);
  });
}

/** Null: not open then. */
function pulseAt(fact: FactRow, asOf: AsOf): Pulse | null {
  const { dims, key, numbers } = fact;
  const base = numbers[0] as number;
  const hasCome = (atMs: number): boolean => {
    asOf.sees(atMs);
    return atMs <= asOf.ms;
  };
  if (!hasCome(base)) return null;
  let index = 1;
  const next = (): number => numbers[index++] as number;
  let state: LeadStateName = 'LEAD';
  let lastActivityMs = base;
  for (let left = next(); left > 0; left -= 1) {
    const code = next();
    const enteredMs = base + next();
    if (!hasCome(enteredMs)) continue;
    state = LEAD_STATES[code] as LeadStateName;
    lastActivityMs = enteredMs;
  }
  if (!mayGoStale(state)) return null;
  const pauses: [number, number][] = [];
  let onHold = false;
  for (let left = next(); left > 0; left -= 1) {
    const sinceMs = base + next();
    const until = orNull(next());
    if (!hasCome(sinceMs)) continue;
    if (until === null || !hasCome(base + until)) onHold = true;
    else pauses.push([sinceMs, base + until]);
  }
  for (let left = next(); left > 0; left -= 1) {
    const fromMs = base + next();
    const untilMs = base + next();
    if (hasCome(fromMs)) pauses.push([fromMs, untilMs]);
  }
  for (let left = next(); left > 0; left -= 1) {
    const atMs = base + next();
    if (hasCome(atMs) && atMs > lastActivityMs) lastActivityMs = atMs;
  }
  let dealStage: string | null = null;
  if (state === 'OPPORTUNITY') {
    let place = -1;
    for (; index < numbers.length; index += 2) {
      if (hasCome(base + (numbers[index + 1] as number))) place = numbers[index] as number;
    }
    dealStage = place < 0 ? null : ((fact.rest as string[])[place] as string);
  }
  return {
    leadId: ownText(key),
    dims,
    state,
    dealStage,
    lastActivityMs,
    silentFromMs:
      pauses.length === 0 ? lastActivityMs : silentFromMs({ sinceMs: lastActivityMs, pauses, wentStale: false }),
    onHold,
  };
}
