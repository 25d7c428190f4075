import { percentile, quotient, type Spread, spread } from './figures.js';
import type { Tally } from './tally.js';

/** Above so many values they are not sorted together: a rank is found in the sorted runs. */
const MOST_SORTED = 2000;

/** Sorted. */
type Run = Float64Array | Uint32Array;

/** Seven weeks in milliseconds take four bytes; few values are longer. */
function inTwo(sorted: Float64Array): Run[] {
  if (sorted.length === 0) return [];
  if ((sorted[0] as number) < 0) return [sorted];
  const short = countUpTo(sorted, 0xffff_ffff);
  if (short === 0) return [sorted];
  return short === sorted.length
    ? [Uint32Array.from(sorted)]
    : [Uint32Array.from(sorted.subarray(0, short)), sorted.slice(short)];
}

/** Whole numbers (ms, s) whose spread a report tells. Runs once sorted are shared and never sorted again. */
export class Values implements Tally {
  readonly runs: Run[] = [];
  private loose: number[] = [];

  static join(some: Iterable<Values>): Values {
    const all = new Values();
    for (const values of some) all.absorb(values);
    return all;
  }

  push(value: number): void {
    this.loose.push(value);
  }

  /** Adds to the value pushed last. */
  addToLast(value: number): void {
    const last = this.loose.length - 1;
    this.loose[last] = (this.loose[last] as number) + value;
  }

  absorb(other: Values): void {
    other.sort();
    for (const run of other.runs) this.runs.push(run);
  }

  /** As few runs as can be: one of the values that take four bytes, one of the others. */
  settle(): void {
    this.sort();
    if (this.runs.length > 1) this.runs.splice(0, this.runs.length, ...inTwo(this.sorted()));
  }

  /** Nearest rank; null: there is none. */
  percentile(percent: number): number | null {
    this.sort();
    const { runs, size } = this;
    if (size <= MOST_SORTED || runs.length < 2) return percentile(this.sorted(), percent);
    const least = Math.min(...runs.map((run) => run[0] as number));
    const most = Math.max(...runs.map((run) => run[run.length - 1] as number));
    return this.ranked(Math.max(1, Math.ceil((percent * size) / 100)), least, most);
  }

  /** In units of `unit` of them, 4 places. */
  spread(unit: number): Spread {
    this.sort();
    const { runs, size } = this;
    if (size <= MOST_SORTED || runs.length < 2) return spread(this.sorted(), unit);
    let sum = 0;
    let least = Infinity;
    let most = -Infinity;
    for (const run of runs) {
      for (const value of run) sum += value;
      least = Math.min(least, run[0] as number);
      most = Math.max(most, run[run.length - 1] as number);
    }
    const at = (percent: number): number | null =>
      quotient(this.ranked(Math.max(1, Math.ceil((percent * size) / 100)), least, most), unit, 4);
    return {
      n: size,
      mean: quotient(sum, size * unit, 4),
      p50: at(50),
      p90: at(90),
      p95: at(95),
      max: quotient(most, unit, 4),
    };
  }

  get size(): number {
    let size = this.loose.length;
    for (const run of this.runs) size += run.length;
    return size;
  }

  private sort(): void {
    if (this.loose.length === 0) return;
    this.runs.push(...inTwo(Float64Array.from(this.loose).sort()));
    this.loose = [];
  }

  private sorted(): Float64Array {
    const all = new Float64Array(this.size);
    let at = 0;
    for (const run of this.runs) {
      all.set(run, at);
      at += run.length;
    }
    return this.runs.length < 2 ? all : all.sort();
  }

  /** The smallest value that at least `rank` of them do not exceed. */
  private ranked(rank: number, least: number, most: number): number {
    let low = least;
    let high = most;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      let below = 0;
      for (const run of this.runs) below += countUpTo(run, middle);
      if (below >= rank) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function countUpTo(run: Run, value: number): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((run[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
