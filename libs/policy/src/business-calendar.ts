import type { CalendarDocument, DayInterval } from './documents.js';
import { PolicyError } from './errors.js';
import { instantOf, offsetSpans, zoneOffset } from './local-time.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Length of one table of open intervals: a year and a bit, in whole days so that the index is a division. */
const TABLE_MS = 400 * DAY_MS;
/** A target that open time does not reach in a century is a mistake in the calendar, not a promise. */
const MAX_TABLES_AHEAD = 92;

/** The open intervals of one stretch of 400 days: [opens[i], closes[i]), disjoint, ascending. */
type OpenTable = {
  readonly opens: Float64Array;
  readonly closes: Float64Array;
  /** Open milliseconds of the table before interval i; one longer than `opens`, so the last is the total. */
  readonly openBefore: Float64Array;
};

/**
 * A business calendar compiled for questions (spec §6.2, §6.3). All answers are closed form: tables of open intervals with
 * running sums, built from the zone's rules when a question first touches their 400 days, then binary search.
 *
 * Instants are exact to the millisecond, in and out; `openBetween` reports whole open seconds, rounded down.
 */
export class BusinessCalendar {
  readonly #tables = new Map<number, OpenTable>();
  readonly #offsetAt: (atMs: number) => number;
  readonly #weekly: readonly (readonly DayInterval[])[];
  readonly #replacedDays: ReadonlyMap<number, readonly DayInterval[]>;

  /** @throws PolicyError CALENDAR_INVALID, TIME_ZONE_INVALID as `checkCalendar` */
  constructor(
    readonly id: string,
    readonly version: number,
    readonly document: CalendarDocument,
  ) {
    checkCalendar(document);
    this.#offsetAt = zoneOffset(document.timeZone);
    this.#weekly = weekdays.map((weekday) => document.weekly.filter((interval) => interval.weekday === weekday));
    this.#replacedDays = new Map<number, readonly DayInterval[]>([
      ...document.holidays.map((date) => [dayOf(date), []] as const),
      ...document.exceptions.map(({ date, intervals }) => [dayOf(date), intervals] as const),
    ]);
  }

  /** Whole open seconds in [aMs, bMs); 0 when bMs ≤ aMs. */
  openBetween(aMs: number, bMs: number): number {
    return Math.floor(this.openMsBetween(aMs, bMs) / 1000);
  }

  /** Open milliseconds in [aMs, bMs), exact. */
  openMsBetween(aMs: number, bMs: number): number {
    if (bMs <= aMs) return 0;
    const first = Math.floor(aMs / TABLE_MS);
    const last = Math.floor(bMs / TABLE_MS);
    let openMs = openUpTo(this.#table(last), bMs) - openUpTo(this.#table(first), aMs);
    for (let index = first; index < last; index++) openMs += total(this.#table(index));
    return openMs;
  }

  /**
   * The earliest instant d ≥ startMs with openS open seconds in [startMs, d): a target used up at closing time is due at
   * closing time. A start in closed time counts from the next opening; a target of 0 is due at the start.
   * @throws PolicyError CALENDAR_INVALID when a century holds less open time than that
   */
  dueAt(startMs: number, openS: number): number {
    return this.dueAfterMs(startMs, openS * 1000);
  }

  /** As `dueAt`, for a target in milliseconds. */
  dueAfterMs(startMs: number, openMs: number): number {
    if (openMs <= 0) return startMs;
    let index = Math.floor(startMs / TABLE_MS);
    const beyond = index + MAX_TABLES_AHEAD;
    let table = this.#table(index);
    let neededMs = openUpTo(table, startMs) + openMs;
    while (neededMs > total(table)) {
      neededMs -= total(table);
      if (++index > beyond) {
        throw new PolicyError(
          'CALENDAR_INVALID',
          `calendar ${this.id} has not ${openMs / 1000} open seconds in a century`,
        );
      }
      table = this.#table(index);
    }
    const { opens, openBefore } = table;
    // The first interval at whose end the needed time is used up.
    let low = 0;
    let high = opens.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (openBefore[middle + 1]! >= neededMs) high = middle;
      else low = middle + 1;
    }
    return opens[low]! + (neededMs - openBefore[low]!);
  }

  #table(index: number): OpenTable {
    let table = this.#tables.get(index);
    if (table === undefined) this.#tables.set(index, (table = this.#build(index * TABLE_MS, (index + 1) * TABLE_MS)));
    return table;
  }

  #build(fromMs: number, toMs: number): OpenTable {
    // Local days differ from UTC days by at most a day and a bit; two days more on both sides hold every interval that
    // reaches into the table, four days of offsets hold all their boundaries.
    const spans = offsetSpans(this.#offsetAt, fromMs - 4 * DAY_MS, toMs + 4 * DAY_MS);
    const intervals: [opens: number, closes: number][] = [];
    for (let day = fromMs / DAY_MS - 2; day < toMs / DAY_MS + 2; day++) {
      for (const { from, to } of this.#replacedDays.get(day) ?? this.#weekly[isoWeekday(day) - 1]!) {
        const opens = Math.max(fromMs, instantOf(day * DAY_MS + minutes(from) * MINUTE_MS, spans, 'earlier'));
        const closes = Math.min(toMs, instantOf(day * DAY_MS + minutes(to) * MINUTE_MS, spans, 'later'));
        if (opens < closes) intervals.push([opens, closes]);
      }
    }
    return tableOf(merged(intervals));
  }
}

function tableOf(intervals: readonly (readonly [opens: number, closes: number])[]): OpenTable {
  const openBefore = new Float64Array(intervals.length + 1);
  intervals.forEach(([opens, closes], i) => (openBefore[i + 1] = openBefore[i]! + closes - opens));
  return {
    opens: Float64Array.from(intervals, ([opens]) => opens),
    closes: Float64Array.from(intervals, ([, closes]) => closes),
    openBefore,
  };
}

/** Intervals that touch or overlap become one: a repeated hour must not count twice. */
function merged(intervals: [opens: number, closes: number][]): [opens: number, closes: number][] {
  intervals.sort(([a], [b]) => a - b);
  const result: [opens: number, closes: number][] = [];
  for (const [opens, closes] of intervals) {
    const previous = result.at(-1);
    if (previous !== undefined && opens <= previous[1]) previous[1] = Math.max(previous[1], closes);
    else result.push([opens, closes]);
  }
  return result;
}

const total = (table: OpenTable): number => table.openBefore[table.opens.length]!;

function openUpTo({ opens, closes, openBefore }: OpenTable, atMs: number): number {
  let low = 0;
  let high = opens.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (opens[middle]! <= atMs) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return 0;
  return openBefore[low - 1]! + Math.min(atMs, closes[low - 1]!) - opens[low - 1]!;
}

const weekdays = [1, 2, 3, 4, 5, 6, 7];
/** Days since 1970-01-01, a Thursday. */
const isoWeekday = (day: number): number => ((((day + 3) % 7) + 7) % 7) + 1;
const dayOf = (date: string): number => Date.parse(`${date}T00:00:00.000Z`) / DAY_MS;
const minutes = (wallTime: string): number => Number(wallTime.slice(0, 2)) * 60 + Number(wallTime.slice(3));

/**
 * Refuses a calendar that cannot be worked with; the detail names the rule.
 * @throws PolicyError CALENDAR_INVALID: hours reversed or empty, hours of a day that overlap, a date given twice, no weekly
 *   opening at all (a due instant might never come); TIME_ZONE_INVALID: a zone that is not in the IANA data
 */
export function checkCalendar(document: CalendarDocument): void {
  zoneOffset(document.timeZone);
  if (document.weekly.length === 0) throw invalid('a calendar must open at least once a week', 'weekly');
  for (const weekday of weekdays) {
    checkDay(
      document.weekly.filter((interval) => interval.weekday === weekday),
      'weekly',
    );
  }
  for (const { date, intervals } of document.exceptions) checkDay(intervals, `exceptions ${date}`);
  checkUnique(document.holidays, 'holidays');
  checkUnique(
    document.exceptions.map(({ date }) => date),
    'exceptions',
  );
}

function checkDay(intervals: readonly DayInterval[], field: string): void {
  const ordered = [...intervals].sort((a, b) => minutes(a.from) - minutes(b.from));
  ordered.forEach(({ from, to }, i) => {
    if (minutes(to) <= minutes(from)) throw invalid(`hours reversed or empty: ${from}–${to}`, field);
    const next = ordered[i + 1];
    if (next !== undefined && minutes(next.from) < minutes(to)) {
      throw invalid(`hours overlap: ${from}–${to} and ${next.from}–${next.to}`, field);
    }
  });
}

function checkUnique(dates: readonly string[], field: string): void {
  const seen = new Set<string>();
  for (const date of dates) {
    if (seen.has(date)) throw invalid(`date given twice: ${date}`, field);
    seen.add(date);
  }
}

const invalid = (detail: string, field: string) => new PolicyError('CALENDAR_INVALID', detail, field);
