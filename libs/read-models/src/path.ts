import type { Fact } from '#libs/projections/src/projection.js';
import { LEAD_STATUSES, type LeadStatus } from '#libs/lead/src/state.js';
import { LEAD_STATES, RANK, type LeadStateName } from '#libs/lead/src/states.js';
import { AsOf } from './as-of.js';
import { dimensionText, type Dims, LAST_PART, utcDay } from './dimensions.js';
import { dimensionFilter, type Groups } from './grouping.js';
import { holdMsOf, type LeadRow, stateIndex, type Visit } from './lead-row.js';
import { rowStatus } from './lead-standing.js';
import { enteredMsOf, firstEnteredMs } from './merges.js';
import { loadMarks, packMarks, type PackedMarks, type PathMarks } from './path-marks.js';
import type { ReportParams } from './report-params.js';
import { factValue, type FactRow } from './fact-row.js';
import { scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/**
 * One fact per lead: its standing visits in order, what stock (7.1), funnel (7.2), flow (7.3), stage durations (7.4) and
 * the lead list are counted from. It lies in the partition of the lead's last change, so a report over a period reads
 * the leads that changed since the period began, and no others.
 */
export const PATH_TABLE = 'path';

/** Beside the states: RECYCLED by a rejection, told apart as an exit kind. */
const REJECTED = LEAD_STATES.length;

/** Numbers: last change, first entry, state + 16 · lead status, count of holds, [visit, hold ms]…, [code + 16 · cycle, ms since the entry before]…. */
const LAST_CHANGE = 0;
const BASE = 1;
const STATE = 2;
const HOLDS = 3;

export interface PathVisit {
  readonly state: LeadStateName;
  readonly rejected: boolean;
  readonly cycle: number;
  readonly enteredMs: number;
}

export interface Path {
  readonly leadId: string;
  readonly dims: Dims;
  readonly lastChangeMs: number;
  /** Those entered by the asked asOf, in order. */
  readonly visits: readonly PathVisit[];
  /** By visit index; 0 is left out. */
  readonly holdMs: ReadonlyMap<number, number>;
  /** What else the reports know about it: read when asked for. */
  readonly marks: PathMarks;
}

const codeOf = (visit: Visit): number =>
  (visit.type === 'RejectedBySales' ? REJECTED : stateIndex(visit.state)) + 16 * visit.cycle;

export function pathFacts(row: LeadRow): Fact[] {
  const { visits } = row;
  const first = visits[0];
  if (first === undefined) return [];
  let text = '';
  let holds = '';
  let held = 0;
  const firstMs = firstEnteredMs(row);
  let before = firstMs;
  for (let index = 0; index < visits.length; index += 1) {
    const visit = visits[index] as Visit;
    const enteredMs = enteredMsOf(row, index);
    text += `,${codeOf(visit)},${enteredMs - before}`;
    before = enteredMs;
    const holdMs = holdMsOf(row, index);
    if (holdMs > 0) {
      held += 1;
      holds += `,${index},${holdMs}`;
    }
  }
  const status = LEAD_STATUSES.indexOf(rowStatus(row) as LeadStatus);
  const state = stateIndex((visits[visits.length - 1] as Visit).state) + 16 * status;
  return [
    {
      kind: 'row',
      table: PATH_TABLE,
      part: utcDay(row.lastChangeMs),
      key: row.leadId,
      value: factValue(
        dimensionText(row, row.team, row.owner),
        `${row.lastChangeMs},${firstMs},${state},${held}${holds}${text}`,
        packMarks(row, firstMs),
      ),
    },
  ];
}

/** What a path fact says without its visits. */
export const lastChangeOf = ({ numbers }: FactRow): number => numbers[LAST_CHANGE] as number;
export const presentStateOf = ({ numbers }: FactRow): LeadStateName =>
  LEAD_STATES[(numbers[STATE] as number) & 15] as LeadStateName;
export const presentStatusOf = ({ numbers }: FactRow): LeadStatus =>
  LEAD_STATUSES[(numbers[STATE] as number) >> 4] as LeadStatus;

/** What a lead is in that has left the funnel for good or for now. */
export const OFF_FUNNEL_EXITS = ['rejected', 'recycled', 'lost', 'disqualified', 'junk'] as const;
export type OffFunnelExit = (typeof OFF_FUNNEL_EXITS)[number];

/** How the lead left the funnel to come to this visit; null: it is in it. */
export function offFunnel({ rejected, state }: PathVisit): OffFunnelExit | null {
  switch (state) {
    case 'RECYCLED':
      return rejected ? 'rejected' : 'recycled';
    case 'LOST':
      return 'lost';
    case 'DISQUALIFIED':
      return 'disqualified';
    case 'JUNK':
      return 'junk';
    default:
      return null;
  }
}

const NO_HOLDS: ReadonlyMap<number, number> = new Map();

class DecodedPath implements Path {
  #marks: PathMarks | null = null;

  constructor(
    private readonly fact: FactRow,
    readonly visits: readonly PathVisit[],
    readonly holdMs: ReadonlyMap<number, number>,
    private readonly asOf: AsOf,
  ) {}

  get leadId(): string {
    return this.fact.key;
  }
  get dims(): Dims {
    return this.fact.dims;
  }
  get lastChangeMs(): number {
    return this.fact.numbers[LAST_CHANGE] as number;
  }
  get marks(): PathMarks {
    return (this.#marks ??= loadMarks(
      this.fact.rest as PackedMarks | undefined,
      this.fact.numbers[BASE] as number,
      this.asOf,
    ));
  }
}

function decode(fact: FactRow, asOf: AsOf): Path {
  const { numbers } = fact;
  const visits: PathVisit[] = [];
  const held = numbers[HOLDS] as number;
  let enteredMs = numbers[BASE] as number;
  for (let index = HOLDS + 1 + 2 * held; index < numbers.length; index += 2) {
    const code = numbers[index] as number;
    enteredMs += numbers[index + 1] as number;
    asOf.sees(enteredMs);
    if (enteredMs > asOf.ms) break;
    const rejected = (code & 15) === REJECTED;
    visits.push({
      state: rejected ? 'RECYCLED' : (LEAD_STATES[code & 15] as LeadStateName),
      rejected,
      cycle: code >> 4,
      enteredMs,
    });
  }
  let holdMs = NO_HOLDS;
  if (held > 0) {
    const map = new Map<number, number>();
    for (let index = HOLDS + 1; index <= HOLDS + 2 * held; index += 2) {
      map.set(numbers[index] as number, numbers[index + 1] as number);
    }
    holdMs = map;
  }
  return new DecodedPath(fact, visits, holdMs, asOf);
}

/**
 * The paths of leads that pass the filters and changed since `sinceMs` (null: ever), cut at the asked asOf; leads not
 * yet captured by then are left out, merged-away ones too (spec §7.0).
 */
export async function scanPaths(
  view: ReadView,
  params: ReportParams,
  sinceMs: number | null,
  use: (path: Path) => void,
  /** Keeps what each partition adds to them. */
  groups?: Groups<unknown>,
): Promise<void> {
  const passes = dimensionFilter(params);
  const asOf = groups?.asOf ?? new AsOf(params.asOfMs);
  const fromPart = sinceMs === null ? '' : utcDay(sinceMs);
  const take = (fact: FactRow): void => {
    // Whoever knows of the merge never counts the duplicate, not even in a time before it (spec §2.6).
    if (!passes(fact.dims) || presentStateOf(fact) === 'MERGED') return;
    const path = decode(fact, asOf);
    if (path.visits.length > 0) use(path);
  };
  await scanFacts(view, PATH_TABLE, fromPart, LAST_PART, take, { params, groups });
}

/** How a visit ended, in the words of spec §3.3's diagram, with the ways out told apart. */
export const EXIT_KINDS = [
  'forward',
  'back',
  'rejected',
  'recycled',
  'again',
  'lost',
  'disqualified',
  'junk',
  'merged',
] as const;
export type ExitKind = (typeof EXIT_KINDS)[number];

export function exitKind(from: PathVisit, to: PathVisit): ExitKind {
  const out = offFunnel(to);
  if (out !== null) return out;
  if (to.state === 'MERGED') return 'merged';
  if (to.cycle !== from.cycle) return 'again';
  return RANK[to.state] > RANK[from.state] ? 'forward' : 'back';
}
