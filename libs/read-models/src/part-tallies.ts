import type { AsOf } from './as-of.js';
import type { PartVersion, ReadView } from './store/read-store.js';
import { weightOf } from './tally.js';

/** What one partition adds to a question's figures, for every asOf in [fromMs, untilMs). */
export interface PartTally<T> {
  readonly version: PartVersion;
  /** Of two readings of a partition the later one has the higher number. */
  readonly reading: number;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly tally: T;
  readonly bytes: number;
}

/** What a month's partitions add together. */
interface MonthTally<T> {
  readonly of: readonly PartTally<T>[];
  readonly tally: T;
  readonly bytes: number;
}

/** Of all questions together, and of one alone: beyond that it is worked out each time. */
const MOST_BYTES = 64 << 20;
const MOST_BYTES_OF_ONE = 16 << 20;

let readings = 0;
export const nextReading = (): number => (readings += 1);

/**
 * What a question that was asked before has found in each partition. Never the truth: a partition that changed since (another
 * version), or an asOf that sees other things, is counted again from the facts.
 */
export class PartTallies<T> {
  readonly #parts = new Map<string, PartTally<T>>();
  readonly #months = new Map<string, MonthTally<T>>();
  #bytes = 0;
  #counted = 0;
  #worth = 0;
  isTooLarge = false;

  constructor(private readonly key: string) {}

  /** What is held now; one of another version or for another asOf is of no use. */
  held(asOf: AsOf): Map<string, PartTally<T>> {
    const held = new Map<string, PartTally<T>>();
    for (const [part, tally] of this.#parts) {
      if (tally.fromMs <= asOf.ms && asOf.ms < tally.untilMs) held.set(part, tally);
    }
    return held;
  }

  keep(
    part: string,
    version: PartVersion,
    span: { readonly fromMs: number; readonly untilMs: number },
    tally: T,
  ): PartTally<T> {
    const kept = { version, reading: nextReading(), ...span, tally, bytes: 200 + weightOf(tally) };
    this.#bytes += kept.bytes - (this.#parts.get(part)?.bytes ?? 0);
    this.#parts.set(part, kept);
    return kept;
  }

  /** What these partitions of one month add together: as put together the last time, unless one is another by now. */
  ofMonth(month: string, of: readonly PartTally<T>[], add: (parts: readonly T[]) => T): T {
    const before = this.#months.get(month);
    if (before?.of.length === of.length && of.every((part, index) => part === before.of[index])) return before.tally;
    const tally = add(of.map((part) => part.tally));
    const bytes = 200 + 8 * of.length + weightOf(tally);
    this.#bytes += bytes - (before?.bytes ?? 0);
    this.#months.set(month, { of, tally, bytes });
    return tally;
  }

  /**
   * Forgets questions when there is too much: of those not asked for a while the large ones before the small ones. Going by time
   * alone, a round of questions that does not fit would find none of them again.
   */
  weigh(): void {
    if (this.#bytes > MOST_BYTES_OF_ONE) {
      this.#parts.clear();
      this.#months.clear();
      this.#bytes = 0;
      this.isTooLarge = true;
    }
    if (questions.get(this.key) !== this) return;
    heldBytes += this.#bytes - this.#counted;
    this.#counted = this.#bytes;
    this.#worth = forgotten + 1 / (1000 + this.#bytes);
    while (heldBytes > MOST_BYTES || questions.size > MOST_QUESTIONS) {
      let [least] = questions.values();
      for (const one of questions.values()) if (one.#worth < (least as PartTallies<unknown>).#worth) least = one;
      if (least === undefined) return;
      forgotten = least.#worth;
      questions.delete(least.key);
      heldBytes -= least.#counted;
    }
  }
}

/** Least recently asked first. */
const questions = new Map<string, PartTallies<unknown>>();
const MOST_QUESTIONS = 1000;
let heldBytes = 0;
/** What the question forgotten last was worth. */
let forgotten = 0;

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

/** Tells objects apart in the text of a question. */
export function numberOf(object: object): number {
  let number = numbers.get(object);
  if (number === undefined) numbers.set(object, (number = lastNumber += 1));
  return number;
}

export function talliesOf<T>(view: ReadView, question: string): PartTallies<T> {
  const key = `${numberOf(view)} ${question}`;
  const found = questions.get(key) ?? new PartTallies<unknown>(key);
  questions.delete(key);
  questions.set(key, found);
  return found as PartTallies<T>;
}
