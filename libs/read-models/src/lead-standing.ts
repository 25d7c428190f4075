import type { LeadStatus } from '#libs/lead/src/state.js';
import { CYCLE_ENDING } from '#libs/lead/src/states.js';
import { BANDS, GRADES, type INTENTS, type LeadNote } from './lead-notes.js';
import { isOnHold, type LeadRow, type Visit } from './lead-row.js';

/** What a lead was at an instant beside its path: how it scored, what it wanted, how it was nurtured, under which versions. */

export interface Standing {
  /** Milli-points as they were recorded last; null: never. */
  readonly totalMp: number | null;
  /** Who was never scored, or never anything else, is cold and of grade U, as libs/lead has it. */
  readonly band: (typeof BANDS)[number];
  readonly grade: (typeof GRADES)[number];
  /** `<model>/<version>` of that score. */
  readonly modelVersion: string | null;
  readonly buyingIntent: (typeof INTENTS)[number] | null;
  /** The track it was enrolled in last, whether or not it is still on it. */
  readonly nurtureTrack: string | null;
  /** The audience segment it was enrolled as last. */
  readonly segment: string | null;
  /** Of its lead type's pipeline, at its latest transition. */
  readonly pipelineVersion: number | null;
}

/** By `atMs`. An enrolment counts up to `trackMs`, which is `atMs` unless given. */
export function standingAt({ notes, visits }: LeadRow, atMs: number, trackMs = atMs): Standing {
  let score: LeadNote | null = null;
  let intent: LeadNote | null = null;
  let track: LeadNote | null = null;
  let segment: LeadNote | null = null;
  for (const note of notes) {
    if (note.atMs > atMs) continue;
    // Of two at one instant the later recorded one stands.
    if (note.kind === 'score') score = later(score, note);
    else if (note.kind === 'intent') intent = later(intent, note);
    else if (note.kind === 'track' && note.says[0] !== null) {
      if (note.atMs <= trackMs) track = later(track, note);
      if (note.says[1] !== null) segment = later(segment, note);
    }
  }
  let { pipeline = 0 } = (visits[0] ?? {}) as Partial<Visit>;
  for (const visit of visits) if (visit.enteredMs <= atMs) ({ pipeline } = visit);
  const code = score === null ? GRADES.indexOf('U') : (score.says[1] as number);
  return {
    totalMp: score === null ? null : (score.says[0] as number),
    band: BANDS[Math.floor(code / GRADES.length)] ?? 'cold',
    grade: GRADES[code % GRADES.length] ?? 'U',
    modelVersion: score === null ? null : (score.says[2] as string),
    buyingIntent: intent === null ? null : (intent.says[0] as (typeof INTENTS)[number]),
    nurtureTrack: track === null ? null : (track.says[0] as string),
    segment: segment === null ? null : (segment.says[1] as string),
    pipelineVersion: pipeline === 0 ? null : pipeline,
  };
}

const later = (one: LeadNote | null, other: LeadNote): LeadNote =>
  one === null || other.atMs >= one.atMs ? other : one;

/**
 * As it is now. A track it was put on after it left the funnel explains nothing of what it did before: such a track counts once
 * the lead has come back.
 */
export function presentStanding(row: LeadRow): Standing {
  let out: Visit | null = null;
  for (let index = row.visits.length - 1; index >= 0; index -= 1) {
    const visit = row.visits[index] as Visit;
    if (!CYCLE_ENDING.has(visit.state) && visit.state !== 'MERGED') break;
    out = visit;
  }
  return standingAt(row, Infinity, out?.enteredMs ?? Infinity);
}

/** The track it is on now; null: none. */
export function presentTrack({ notes }: LeadRow): string | null {
  let track: string | null = null;
  for (const { kind, says } of notes) {
    if (kind !== 'track') continue;
    if (says[0] !== null) track = says[0] as string;
    else if (says[2] === track) track = null;
  }
  return track;
}

/** Enrolments as they happened. */
export function enrolmentsOf({ notes }: LeadRow): { readonly atMs: number; readonly trackId: string }[] {
  const found: { readonly atMs: number; readonly trackId: string }[] = [];
  for (const { atMs, kind, says } of notes)
    if (kind === 'track' && says[0] !== null) found.push({ atMs, trackId: says[0] as string });
  return found.sort((a, b) => a.atMs - b.atMs);
}

/** As libs/lead's `leadStatus` has it (spec §3.2). */
export function rowStatus(row: LeadRow): LeadStatus | null {
  const last = row.visits.at(-1);
  switch (last?.state) {
    case undefined:
      return null;
    case 'MERGED':
    case 'JUNK':
    case 'DISQUALIFIED':
    case 'LOST':
    case 'CUSTOMER':
      return last.state.toLowerCase() as Lowercase<typeof last.state>;
    case 'RECYCLED':
      return last.type === 'RejectedBySales' ? 'returned_rejected' : 'recycled_not_ready';
    default:
      return workingStatus(row);
  }
}

function workingStatus(row: LeadRow): LeadStatus {
  if (isOnHold(row)) return 'on_hold';
  const sinceMs = cycleSinceMs(row);
  const responded = row.notes.some(({ atMs, kind }) => (kind === 'response' || kind === 'met') && atMs >= sinceMs);
  if (row.visits.at(-1)?.state === 'SAL') {
    if (!row.contacts.attempts.some(([atMs]) => atMs >= sinceMs)) return 'new';
    if (!responded) return 'attempting';
  }
  if (responded || (row.twoWaySinceMs !== null && row.twoWaySinceMs >= sinceMs)) return 'connected';
  return presentTrack(row) === null ? 'open' : 'nurturing';
}

/** Since the lead last left the funnel: from then on facts belong to the present cycle. */
function cycleSinceMs({ visits }: LeadRow): number {
  let sinceMs = -Infinity;
  visits.forEach(({ enteredMs, state }, index) => {
    const before = visits[index - 1]?.state;
    if (CYCLE_ENDING.has(state) && (before === undefined || !CYCLE_ENDING.has(before))) sinceMs = enteredMs;
  });
  return sinceMs;
}
