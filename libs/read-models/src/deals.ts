import type { Fact } from '#libs/projections/src/projection.js';
import type { AsOf } from './as-of.js';
import { dimensionText, type Dims, LAST_PART, utcDay, valueOf } from './dimensions.js';
import { dimensionFilter, type Groups } from './grouping.js';
import { closedMsOf, DEAL_CLOSINGS, type Deal, holdEndMs, type LeadRow, type Money, type Visit } from './lead-row.js';
import { notesOf } from './lead-notes.js';
import type { ReportParams } from './report-params.js';
import { factValue, orNull } from './fact-row.js';
import { leadOfKey, openPart, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/**
 * One fact per deal with its dated past: what forecast (7.15), coverage (7.16), stage benchmarks (7.18), bottlenecks
 * (7.20), balance (7.23), forecast accuracy (7.25) and continuity (7.29) are counted from. It lies in the partition of the
 * day the deal ended, or among the open ones of the day it was opened, so a report as of a day reads the deals that were
 * open then or ended since. Team and owner are those at the end; of an open deal the lead's present ones.
 */
const DEAL_TABLE = 'deal';

/** `left`: its lead went elsewhere without an end of the deal on record. */
export const DEAL_ENDS = [...DEAL_CLOSINGS, 'left'] as const;
export type DealEnd = (typeof DEAL_ENDS)[number];

const STAGE = 0;
const AMOUNT = 1;
const VERIFIED = 2;
const CLOSE_DATE = 3;
const HOLD = 4;
const REQUALIFYING = 5;
const OWNER = 6;

const DAY_MS = 86_400_000;

/**
 * Numbers: opened, end, kind of end, its amount, its rate, long; then [code, ms since the opening, value]… in the order of the
 * log, spans with their end. The rest: currency, the end's currency, stage codes.
 */
export function dealFacts(row: LeadRow): Fact[] {
  if (row.deals.length === 0 || row.visits[row.visits.length - 1]?.state === 'MERGED') return [];
  return row.deals.map((deal, index) => {
    const { history } = deal;
    const openedMs = (row.visits[deal.openedIn] as Visit).enteredMs;
    const left = leftIn(row, deal);
    const endMs = closedMsOf(row, deal) ?? (left === null ? null : (row.visits[left] as Visit).enteredMs);
    const end = deal.closed?.kind ?? 'left';
    const stages: string[] = [];
    let text = '';
    const add = (code: number, atMs: number, value: number | string): void => {
      text += `,${code},${atMs - openedMs},${value}`;
    };
    const lastIn = deal.closed?.in ?? left ?? row.visits.length;
    let visit = deal.openedIn + 1;
    // Its returns to qualification have their place among the entries: they may be of the same instant.
    const returnsBy = (place: number): void => {
      for (; visit < lastIn && visit <= place; visit += 1) {
        const { enteredMs, state } = row.visits[visit] as Visit;
        if (state === 'SQL') add(REQUALIFYING, enteredMs, sinceOpening(row.visits[visit + 1]?.enteredMs, openedMs));
      }
    };
    for (const entry of history.entries) {
      returnsBy(entry.visit);
      const atMs = entry.atMs ?? (row.visits[entry.visit] as Visit).enteredMs;
      switch (entry.kind) {
        case 'stage': {
          let place = stages.indexOf(entry.value as string);
          if (place < 0) place = stages.push(entry.value as string) - 1;
          add(STAGE, atMs, place);
          break;
        }
        case 'amount':
          add(AMOUNT, atMs, entry.value);
          break;
        case 'verified':
          add(VERIFIED, atMs, entry.value);
          break;
        case 'closeDate':
          add(CLOSE_DATE, atMs, Date.parse(entry.value as string) / DAY_MS);
          break;
      }
    }
    returnsBy(lastIn);
    for (const { atMs, says } of notesOf(row.notes, 'owner')) {
      const [owner, before] = says;
      if (before !== null && before !== owner && atMs >= openedMs && atMs < (endMs ?? Infinity)) add(OWNER, atMs, '');
    }
    for (const hold of row.holds) {
      const untilMs = holdEndMs(row, hold);
      if (untilMs === null || untilMs > openedMs) add(HOLD, hold.sinceMs, sinceOpening(untilMs, openedMs));
    }
    const { closed } = deal;
    const numbers = [
      openedMs,
      endMs ?? '',
      DEAL_ENDS.indexOf(end),
      closed?.amount?.amountMinor ?? '',
      history.fxPpm ?? '',
      history.horizon === 'long' ? 1 : 0,
    ];
    return {
      kind: 'row',
      table: DEAL_TABLE,
      part: endMs === null ? openPart(openedMs) : utcDay(endMs),
      key: `${row.leadId}/${index}`,
      value: factValue(
        dimensionText(
          row,
          closed === null ? row.team : closed.team,
          closed === null ? row.owner : closed.owner,
          closed === null ? null : endMs,
        ),
        `${numbers.join(',')}${text}`,
        [deal.dealId, history.currency, closed?.amount?.currency ?? null, ...stages],
      ),
    };
  });
}

const sinceOpening = (ms: number | null | undefined, openedMs: number): number | string =>
  ms === null || ms === undefined ? '' : ms - openedMs;

/** The first visit in which the deal is none of the lead's any more, without having been closed; null: it is or was closed. */
function leftIn(row: LeadRow, deal: Deal): number | null {
  if (deal.closed !== null) return null;
  for (let index = deal.openedIn + 1; index < row.visits.length; index += 1) {
    const { state, type } = row.visits[index] as Visit;
    if (state !== 'OPPORTUNITY' && type !== 'OpportunityReturnedToQualification') return index;
    if (type === 'OpportunityOpened') return index;
  }
  return null;
}

/** The deal as it stood at an instant at which it was open. */
export interface OpenDeal {
  readonly stage: string;
  readonly amountMinor: number;
  /** Day number since 1970 of the local date it should close on. */
  readonly closeDay: number | null;
  /** Since when its amount has not been verified; null: it is. */
  readonly unverifiedSinceMs: number | null;
  readonly onHold: boolean;
  readonly requalifying: boolean;
  /** Since when it has been in its stage. */
  readonly stageSinceMs: number;
}

export interface StageSpan {
  readonly stage: string;
  readonly enteredMs: number;
  /** Null: in it at the asked instant. */
  readonly exitedMs: number | null;
  /** How it left the stage; null: not yet. `requalifying`: back to SQL. */
  readonly exit: 'stage' | 'requalifying' | DealEnd | null;
  /** The stage it went to. */
  readonly to: string | null;
}

/** A deal and its past. */
export class DealPast {
  constructor(
    readonly leadId: string,
    readonly dims: Dims,
    private readonly numbers: readonly number[],
    private readonly rest: readonly (string | null)[],
  ) {}

  get dealId(): string {
    return this.rest[0] as string;
  }
  get openedMs(): number {
    return this.numbers[0] as number;
  }
  get currency(): string | null {
    return this.rest[1] as string | null;
  }
  get horizon(): 'short' | 'long' {
    return this.numbers[5] === 1 ? 'long' : 'short';
  }
  get leadType(): string | null {
    return valueOf(this.dims, 'leadType');
  }

  /** How it ended by `atMs`; null while it was open. */
  endBy(atMs: number): { readonly kind: DealEnd; readonly atMs: number } | null {
    const endMs = orNull(this.numbers[1]);
    if (endMs === null || endMs > atMs) return null;
    return { kind: DEAL_ENDS[this.numbers[2] as number] as DealEnd, atMs: endMs };
  }

  /** What it was won, lost or recycled for; null when history says none. */
  get closingAmount(): Money | null {
    const amountMinor = orNull(this.numbers[3]);
    return amountMinor === null ? null : { amountMinor, currency: this.rest[2] as string };
  }
  /** Millionths of the reporting currency for one unit of the sale's. */
  get fxPpm(): number {
    return orNull(this.numbers[4]) ?? 1_000_000;
  }

  /** Null when the deal was not open at `atMs`. */
  at(atMs: number): OpenDeal | null {
    const { numbers, openedMs } = this;
    if (openedMs > atMs || this.endBy(atMs) !== null) return null;
    let stage = '';
    let stageSinceMs = openedMs;
    let amountMinor = 0;
    let closeDay: number | null = null;
    let unverifiedSinceMs: number | null = openedMs;
    let onHold = false;
    let requalifying = false;
    for (let index = 6; index < numbers.length; index += 3) {
      const entryMs = openedMs + (numbers[index + 1] as number);
      if (entryMs > atMs) continue;
      const value = numbers[index + 2] as number;
      switch (numbers[index]) {
        case STAGE:
          stage = this.rest[3 + value] as string;
          stageSinceMs = entryMs;
          break;
        case AMOUNT:
          amountMinor = value;
          // A new amount is one that nobody has verified; the first one never was.
          unverifiedSinceMs ??= entryMs;
          break;
        case VERIFIED:
          amountMinor = value;
          unverifiedSinceMs = null;
          break;
        case CLOSE_DATE:
          closeDay = value;
          break;
        case HOLD:
          onHold ||= Number.isNaN(value) || openedMs + value > atMs;
          break;
        case REQUALIFYING:
          requalifying ||= Number.isNaN(value) || openedMs + value > atMs;
          break;
        default:
      }
    }
    return { stage, amountMinor, closeDay, unverifiedSinceMs, onHold, requalifying, stageSinceMs };
  }

  /** When it was taken from an owner and given to another one, up to `atMs`. */
  ownerChangesBy(atMs: number): number[] {
    const changes: number[] = [];
    for (let index = 6; index < this.numbers.length; index += 3) {
      const changedMs = this.openedMs + (this.numbers[index + 1] as number);
      if (this.numbers[index] === OWNER && changedMs <= atMs) changes.push(changedMs);
    }
    return changes;
  }

  /** Its stays in deal stages up to `atMs`, in order. */
  stagesBy(atMs: number): StageSpan[] {
    const { numbers, openedMs } = this;
    const marks: { atMs: number; stage: string | null }[] = [];
    for (let index = 6; index < numbers.length; index += 3) {
      const entryMs = openedMs + (numbers[index + 1] as number);
      if (entryMs > atMs) continue;
      if (numbers[index] === STAGE)
        marks.push({ atMs: entryMs, stage: this.rest[3 + (numbers[index + 2] as number)]! });
      else if (numbers[index] === REQUALIFYING) marks.push({ atMs: entryMs, stage: null });
    }
    marks.sort((a, b) => a.atMs - b.atMs);
    const end = this.endBy(atMs);
    const spans: StageSpan[] = [];
    marks.forEach(({ atMs: enteredMs, stage }, index) => {
      if (stage === null) return;
      const next = marks[index + 1];
      if (next !== undefined) {
        const exit = next.stage === null ? 'requalifying' : 'stage';
        spans.push({ stage, enteredMs, exitedMs: next.atMs, exit, to: next.stage });
      } else {
        spans.push({ stage, enteredMs, exitedMs: end?.atMs ?? null, exit: end?.kind ?? null, to: null });
      }
    });
    return spans;
  }
}

/** The deals that pass the filters and were open at `sinceMs` or ended since (null: all), opened by `asOf`. */
export async function scanDeals(
  view: ReadView,
  params: ReportParams,
  sinceMs: number | null,
  use: (deal: DealPast) => void,
  /** Keeps what each partition adds to them. */
  groups?: Groups<unknown>,
  /** Keeps also what open deals add: nothing of it, such as an age, may change with asOf alone. */
  openToo = false,
): Promise<void> {
  const passes = dimensionFilter(params);
  await scanFacts(
    view,
    DEAL_TABLE,
    sinceMs === null ? '' : utcDay(sinceMs),
    LAST_PART,
    ({ dims, key, numbers, rest }) => {
      if (groups !== undefined) seeDeal(numbers, groups.asOf, openToo);
      if ((numbers[0] as number) > params.asOfMs || !passes(dims)) return;
      use(new DealPast(leadOfKey(key), dims, numbers, rest as (string | null)[]));
    },
    { params, groups },
  );
}

/** What is said of an open deal is mostly said of one instant: its age, whether its amount is still verified. */
function seeDeal(numbers: readonly number[], asOf: AsOf, openToo: boolean): void {
  const [openedMs = NaN, endMs = NaN] = numbers;
  asOf.sees(openedMs);
  if (openedMs > asOf.ms) return;
  if (!Number.isNaN(endMs)) asOf.sees(endMs);
  if (!openToo && !(endMs <= asOf.ms)) asOf.isDecisive();
  for (let index = 6; index < numbers.length; index += 3) {
    asOf.sees(openedMs + (numbers[index + 1] as number));
    const code = numbers[index];
    const value = numbers[index + 2] as number;
    if ((code === HOLD || code === REQUALIFYING) && !Number.isNaN(value)) asOf.sees(openedMs + value);
  }
}
