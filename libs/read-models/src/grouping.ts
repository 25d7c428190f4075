import { Temporal } from 'temporal-polyfill';
import { AsOf } from './as-of.js';
import { type Dimension, DIMENSIONS, type Dims } from './dimensions.js';
import type { PeriodUnit, ReportParams } from './report-params.js';
import { absorb, type Tally, weightOf } from './tally.js';

/** The months, ISO weeks or days of a zone, found by instant. Grows as instants are asked. */
export class Periods {
  readonly starts: number[] = [];
  readonly labels: string[] = [];
  #endMs = 0;
  #first: Temporal.PlainDate | null = null;
  #next: Temporal.PlainDate | null = null;

  constructor(
    readonly unit: PeriodUnit,
    readonly tz: string,
  ) {}

  /** Start of the period that holds the instant. */
  startOf(atMs: number): number {
    if (this.#first === null) {
      const date = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(this.tz).toPlainDate();
      this.#first = this.#floor(date);
      this.#next = this.#first;
      this.#append();
    }
    while (atMs >= this.#endMs) this.#append();
    while (atMs < (this.starts[0] as number)) this.#prepend();
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] as number) <= atMs) low = middle;
      else high = middle - 1;
    }
    return this.starts[low] as number;
  }

  bounds(startMs: number): { label: string; fromMs: number; toMs: number } {
    const index = this.starts.indexOf(startMs);
    return {
      label: this.labels[index] as string,
      fromMs: startMs,
      toMs: this.starts[index + 1] ?? this.#endMs,
    };
  }

  #floor(date: Temporal.PlainDate): Temporal.PlainDate {
    if (this.unit === 'month') return date.with({ day: 1 });
    return this.unit === 'week' ? date.subtract({ days: date.dayOfWeek - 1 }) : date;
  }

  #step(date: Temporal.PlainDate, by: 1 | -1): Temporal.PlainDate {
    if (this.unit === 'month') return date.add({ months: by });
    return date.add({ days: this.unit === 'week' ? 7 * by : by });
  }

  #label(date: Temporal.PlainDate): string {
    if (this.unit === 'month') return date.toString().slice(0, 7);
    if (this.unit === 'day') return date.toString();
    return `${date.yearOfWeek}-W${String(date.weekOfYear).padStart(2, '0')}`;
  }

  #startMs(date: Temporal.PlainDate): number {
    return date.toZonedDateTime(this.tz).epochMilliseconds;
  }

  #append(): void {
    const date = this.#next as Temporal.PlainDate;
    this.starts.push(this.#startMs(date));
    this.labels.push(this.#label(date));
    this.#next = this.#step(date, 1);
    this.#endMs = this.#startMs(this.#next);
  }

  #prepend(): void {
    this.#first = this.#step(this.#first as Temporal.PlainDate, -1);
    this.starts.unshift(this.#startMs(this.#first));
    this.labels.unshift(this.#label(this.#first));
  }
}

export interface GroupRow<T> {
  readonly dimensions: Readonly<Record<string, string | null>>;
  /** The same question narrowed to this row: what its drill links ask. */
  readonly params: ReportParams;
  readonly figures: T;
}

interface Group<T> {
  readonly values: readonly (string | null)[];
  readonly startMs: number | null;
  figures: T;
  /** Which lot of facts the figures are of. */
  lot: number;
}

/** What a lot of facts adds to the figures of a question. */
export interface GroupsTally<T> {
  readonly total: T;
  readonly groups: readonly {
    readonly values: readonly (string | null)[];
    readonly startMs: number | null;
    readonly figures: T;
  }[];
}

/**
 * Figures split by the asked dimensions and periods, and their total. Without `by` and `groupBy` there is a total and no row.
 * Every figure of a row is counted in the total as well, from the same fact in the same pass. A scan that is given the groups
 * keeps what each partition adds to them until it changes: so nothing but the groups may be changed in that pass, their
 * figures must add up (see `Tally`), and `asOf` is told of every other instant that is compared with it.
 */
export class Groups<T> implements Tally {
  readonly asOf: AsOf;
  readonly #groups = new Map<string, Group<T>>();
  /** The group of dims already seen, by period; so that only the first of equal dims spells its key. */
  readonly #seen = new Map<Dims, Map<number, Group<T>>>();
  readonly #indexes: readonly number[];
  readonly #periods: Periods | null;
  #total: T;
  #lot = 0;
  #ofLot: Group<T>[] = [];

  constructor(
    readonly params: ReportParams,
    readonly make: () => T,
    /** What else the pass depends on, as text: policies. */
    readonly dependsOn = '',
  ) {
    this.#total = make();
    this.asOf = new AsOf(params.asOfMs);
    this.#indexes = params.by.map((name) => DIMENSIONS.indexOf(name));
    this.#periods = params.groupBy === null ? null : new Periods(params.groupBy, params.tz);
  }

  get total(): T {
    return this.#total;
  }

  /** The row's figures for a fact of this instant; null when the report is not split. */
  of(dims: Dims, atMs: number): T | null {
    if (this.#indexes.length === 0 && this.#periods === null) return null;
    const startMs = this.#periods === null ? NaN : this.#periods.startOf(atMs);
    let byPeriod = this.#seen.get(dims);
    if (byPeriod === undefined) this.#seen.set(dims, (byPeriod = new Map()));
    let group = byPeriod.get(startMs);
    if (group === undefined) {
      const values = this.#indexes.map((index) => dims.values[index] as string | null);
      byPeriod.set(startMs, (group = this.#group(values, startMs)));
    }
    return this.#present(group);
  }

  /** What was counted since the last `take` or the beginning; the figures are empty then. */
  take(): GroupsTally<T> {
    const tally = this.#tally();
    this.#total = this.make();
    this.#lot += 1;
    this.#ofLot = [];
    return tally;
  }

  add(tally: GroupsTally<T>): void {
    absorb(this.#total, tally.total);
    for (const { figures, startMs, values } of tally.groups) {
      // The period becomes known by its start.
      if (startMs !== null) this.#periods?.startOf(startMs);
      absorb(this.#present(this.#group(values, startMs ?? NaN)), figures);
    }
  }

  absorb(other: Groups<T>): void {
    this.add(other.#tally());
  }

  fresh(): this {
    return new Groups(this.params, this.make, this.dependsOn) as this;
  }

  weight(): number {
    return 500 + weightOf(this.#tally());
  }

  #tally(): GroupsTally<T> {
    return {
      total: this.#total,
      groups: this.#ofLot.map(({ figures, startMs, values }) => ({ figures, startMs, values })),
    };
  }

  #present(group: Group<T>): T {
    if (group.lot !== this.#lot) {
      group.lot = this.#lot;
      group.figures = this.make();
      this.#ofLot.push(group);
    }
    return group.figures;
  }

  #group(values: readonly (string | null)[], startMs: number): Group<T> {
    const key = JSON.stringify([startMs, ...values]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { values, startMs: Number.isNaN(startMs) ? null : startMs, figures: this.make(), lot: this.#lot };
      this.#groups.set(key, group);
      this.#ofLot.push(group);
    }
    return group;
  }

  /** By period, then by dimension values; those that have none come last. */
  rows(): GroupRow<T>[] {
    const sorted = [...this.#ofLot].sort(
      (a, b) => (a.startMs ?? 0) - (b.startMs ?? 0) || compareValues(a.values, b.values),
    );
    return sorted.map(({ values, startMs, figures }) => {
      const dimensions: Record<string, string | null> = {};
      const filter: Partial<Record<string, readonly (string | null)[]>> = { ...this.params.filter };
      let { fromMs, toMs } = this.params;
      if (startMs !== null && this.#periods !== null) {
        const bounds = this.#periods.bounds(startMs);
        dimensions.period = bounds.label;
        fromMs = Math.max(fromMs ?? bounds.fromMs, bounds.fromMs);
        toMs = Math.min(toMs ?? bounds.toMs, bounds.toMs);
      }
      this.params.by.forEach((name, index) => {
        const value = values[index] as string | null;
        dimensions[name] = value;
        filter[name] = [value];
      });
      return { dimensions, params: { ...this.params, by: [], groupBy: null, filter, fromMs, toMs }, figures };
    });
  }
}

function compareValues(a: readonly (string | null)[], b: readonly (string | null)[]): number {
  for (let index = 0; index < a.length; index += 1) {
    const left = a[index] as string | null;
    const right = b[index] as string | null;
    if (left === right) continue;
    if (left === null) return 1;
    if (right === null) return -1;
    return left < right ? -1 : 1;
  }
  return 0;
}

/** Says of a fact's dimensions whether they pass the filters. */
export function dimensionFilter(params: ReportParams): (dims: Dims) => boolean {
  const checks: { index: number; accepted: ReadonlySet<string | null> }[] = [];
  for (const [name, values] of Object.entries(params.filter)) {
    const index = DIMENSIONS.indexOf(name as Dimension);
    if (index >= 0 && values !== undefined) checks.push({ index, accepted: new Set(values) });
  }
  if (checks.length === 0) return () => true;
  const known = new Map<Dims, boolean>();
  return (dims) => {
    let passes = known.get(dims);
    if (passes === undefined) {
      passes = checks.every(({ index, accepted }) => accepted.has(dims.values[index] as string | null));
      known.set(dims, passes);
    }
    return passes;
  };
}

export const inPeriod = (params: ReportParams, atMs: number): boolean =>
  (params.fromMs === null || atMs >= params.fromMs) && (params.toMs === null || atMs < params.toMs);

/** Makes the link behind a figure of `params`: the leads list that holds exactly its leads. */
export function drillLinks(params: ReportParams): (figure: string) => string {
  const query = new URLSearchParams();
  if (params.fromMs !== null) query.set('from', new Date(params.fromMs).toISOString());
  if (params.toMs !== null) query.set('to', new Date(params.toMs).toISOString());
  query.set('asOf', new Date(params.asOfMs).toISOString());
  // Local dates are part of some questions: a close date, a week.
  query.set('tz', params.tz);
  for (const [name, value] of Object.entries(params.choices)) query.set(name, value);
  for (const [name, values] of Object.entries(params.filter)) {
    for (const value of values ?? []) query.append(`filter[${name}]`, value ?? '');
  }
  const rest = query.toString();
  return (figure) => `/v1/leads?drill=${params.report}&figure=${encodeURIComponent(figure)}&${rest}`;
}

/** A share with both its counts and the leads behind them. */
export interface RateFigure {
  readonly numerator: number;
  readonly denominator: number;
  readonly rate: number | null;
  readonly drill: string;
  readonly drillDenominator: string;
}

export interface CountFigure {
  readonly count: number;
  readonly drill: string;
}
