import { Temporal } from 'temporal-polyfill';
import { type Dimension, DIMENSIONS, type Dims } from './dimensions.js';
import type { PeriodUnit, ReportParams } from './report-params.js';

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
  readonly figures: T;
}

/**
 * Figures split by the asked dimensions and periods, and their total. Without `by` and `groupBy` there is a total and no row.
 * Every figure of a row is counted in the total as well, from the same fact in the same pass.
 */
export class Groups<T> {
  readonly total: T;
  readonly #groups = new Map<string, Group<T>>();
  /** The group of dims already seen, by period; so that only the first of equal dims spells its key. */
  readonly #seen = new Map<Dims, Map<number, Group<T>>>();
  readonly #indexes: readonly number[];
  readonly #periods: Periods | null;

  constructor(
    readonly params: ReportParams,
    readonly make: () => T,
  ) {
    this.total = make();
    this.#indexes = params.by.map((name) => DIMENSIONS.indexOf(name));
    this.#periods = params.groupBy === null ? null : new Periods(params.groupBy, params.tz);
  }

  /** The row's figures for a fact of this instant; null when the report is not split. */
  of(dims: Dims, atMs: number): T | null {
    if (this.#indexes.length === 0 && this.#periods === null) return null;
    const startMs = this.#periods === null ? NaN : this.#periods.startOf(atMs);
    let byPeriod = this.#seen.get(dims);
    if (byPeriod === undefined) this.#seen.set(dims, (byPeriod = new Map()));
    let group = byPeriod.get(startMs);
    if (group === undefined) byPeriod.set(startMs, (group = this.#group(dims, startMs)));
    return group.figures;
  }

  #group(dims: Dims, startMs: number): Group<T> {
    const values = this.#indexes.map((index) => dims.values[index] as string | null);
    const key = JSON.stringify([startMs, ...values]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { values, startMs: Number.isNaN(startMs) ? null : startMs, figures: this.make() };
      this.#groups.set(key, group);
    }
    return group;
  }

  /** By period, then by dimension values; those that have none come last. */
  rows(): GroupRow<T>[] {
    const sorted = [...this.#groups.values()].sort(
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
