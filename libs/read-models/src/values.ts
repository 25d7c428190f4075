import { quotient, type Spread, spread } from './figures.js';
import type { Tally } from './tally.js';

/** Above so many values they are not sorted together: a rank is found in the sorted runs. */
const MOST_SORTED = 2000;

/** Whole numbers (ms, s) whose spread a report tells. Runs once sorted are shared and never sorted again. */
export class Values implements Tally {
  /** Sorted. */
  readonly runs: Float64Array[] = [];
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

  /** One sorted run of all. */
  settle(): void {
    this.sort();
    if (this.runs.length < 2) return;
    const all = new Float64Array(this.size);
    let at = 0;
    for (const run of this.runs) {
      all.set(run, at);
      at += run.length;
    }
    this.runs.splice(0, this.runs.length, all.sort());
  }

  /** In units of `unit` of them, 4 places. */
  spread(unit: number): Spread {
    this.sort();
    const { runs, size } = this;
    if (size <= MOST_SORTED || runs.length < 2) {
      this.settle();
      return spread(this.runs[0] ?? [], unit);
    }
    let sum = 0;
    let least = Infinity;
    let most = -Infinity;
    for (const run of runs) {
      for (let index = 0; index < run.length; index += 1) sum += run[index] as number;
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
    let size = 0;
    for (const run of this.runs) size += run.length;
    return size;
  }

  private sort(): void {
    if (this.loose.length === 0) return;
    this.runs.push(Float64Array.from(this.loose).sort());
    this.loose = [];
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

function countUpTo(run: Float64Array, value: number): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((run[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
