import type { AsOf } from './as-of.js';
import type { LeadRow, Visit } from './lead-row.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import { enrolmentsOf } from './lead-standing.js';
import { enteredMsOf } from './merges.js';

/** What a path's visits do not say: why the lead left the funnel, whether it had been called on, when it answered. */
export interface PathMarks {
  /** First two-way contact by asOf. */
  readonly twoWayMs: number | null;
  /** Nurture touches by asOf, ascending. */
  readonly nurtureMs: readonly number[];
  /** By index of a visit off the funnel. */
  readonly exits: ReadonlyMap<number, ExitMark>;
  /** Enrolments in nurture tracks by asOf, ascending. */
  readonly tracks: readonly { readonly atMs: number; readonly trackId: string }[];
}

export interface ExitMark {
  readonly reason: string | null;
  /** Between the handoff (else the beginning of the cycle) and the exit. */
  readonly attempted: boolean;
  /** Of a lost deal: nurture touches as its closing recorded them. */
  readonly nurtureTouches: number;
}

/** Times relative to the path's first entry. */
export type PackedMarks = [
  twoWay: number | null,
  nurture: number[],
  exits: [visit: number, reason: string | null, attempted: 0 | 1, nurtureTouches?: number][],
  tracks?: [at: number, trackId: string][],
];

const OFF_FUNNEL: ReadonlySet<LeadStateName> = new Set(['RECYCLED', 'LOST', 'DISQUALIFIED', 'JUNK']);

/** Undefined when there is nothing to say, as of most leads. */
export function packMarks(row: LeadRow, base: number): PackedMarks | undefined {
  const exits: PackedMarks[2] = [];
  row.visits.forEach(({ more, state }, index) => {
    if (!OFF_FUNNEL.has(state)) return;
    const touches = more?.nurtureTouches ?? 0;
    const attempted = wasAttempted(row, index) ? 1 : 0;
    const exit: PackedMarks[2][number] = [index, more?.reason ?? null, attempted];
    if (touches > 0) exit.push(touches);
    exits.push(exit);
  });
  const nurture = row.contacts.nurture.map(([atMs]) => atMs - base).sort((a, b) => a - b);
  const tracks = enrolmentsOf(row).map(({ atMs, trackId }): [number, string] => [atMs - base, trackId]);
  if (row.twoWaySinceMs === null && nurture.length + exits.length + tracks.length === 0) return undefined;
  const marks: PackedMarks = [row.twoWaySinceMs === null ? null : row.twoWaySinceMs - base, nurture, exits];
  if (tracks.length > 0) marks.push(tracks);
  return marks;
}

function wasAttempted(row: LeadRow, exit: number): boolean {
  if (row.contacts.attempts.length === 0) return false;
  const untilMs = enteredMsOf(row, exit);
  const { cycle } = row.visits[exit] as Visit;
  const first = row.visits.findIndex((visit) => visit.cycle === cycle);
  let sinceMs = enteredMsOf(row, first);
  for (const { offeredIn, offeredMs } of row.handoffs) if (offeredIn >= first && offeredIn < exit) sinceMs = offeredMs;
  return row.contacts.attempts.some(([atMs]) => atMs >= sinceMs && atMs <= untilMs);
}

const NONE: PathMarks = { twoWayMs: null, nurtureMs: [], exits: new Map(), tracks: [] };

export function loadMarks(packed: PackedMarks | undefined, base: number, asOf: AsOf): PathMarks {
  if (packed === undefined) return NONE;
  const [twoWay, nurture, exits, tracks = []] = packed;
  if (twoWay !== null) asOf.sees(base + twoWay);
  for (const at of nurture) asOf.sees(base + at);
  for (const [at] of tracks) asOf.sees(base + at);
  return {
    twoWayMs: twoWay === null || base + twoWay > asOf.ms ? null : base + twoWay,
    nurtureMs: nurture.map((at) => base + at).filter((atMs) => atMs <= asOf.ms),
    exits: new Map(
      exits.map(([visit, reason, attempted, nurtureTouches = 0]) => [
        visit,
        { reason, attempted: attempted === 1, nurtureTouches },
      ]),
    ),
    tracks: tracks.map(([at, trackId]) => ({ atMs: base + at, trackId })).filter(({ atMs }) => atMs <= asOf.ms),
  };
}
