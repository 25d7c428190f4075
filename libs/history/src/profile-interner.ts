import { FIT_FIELDS, type FactValue, type FitField } from '#libs/scoring/src/facts.js';
import type { ProfileColumns } from './scoring-history.js';
import { sharedIndices } from './shared-arrays.js';
import type { Dictionary } from './table.js';

export const FIT_FIELD_NAMES = Object.keys(FIT_FIELDS) as FitField[];
const FIELDS = FIT_FIELD_NAMES.length;

type Indices = Uint8Array | Uint16Array | Uint32Array;

/** Gives each distinct set of facts one number. Profile 0 knows nothing. */
export class ProfileInterner {
  /** Of the set at hand: by field, an index into its values. */
  readonly #present = new Uint32Array(FIELDS);
  #hash = 0;
  /** By field, of those that were ever known. */
  readonly #columns: Uint32Array[] = [];
  readonly #values: (FactValue | undefined)[][] = FIT_FIELD_NAMES.map(() => [undefined]);
  /** By field and code of the dictionary: the value's index. */
  readonly #indexOf: (Uint32Array | undefined)[] = FIT_FIELD_NAMES.map(() => undefined);
  #used: number[] = [];
  #count = 1;
  /** Profile + 1, 0: free. */
  #slots = new Uint32Array(4096);
  #hashes = new Int32Array(1024);

  constructor(private readonly facts: Dictionary) {
    this.#slots[this.#hash & (this.#slots.length - 1)] = 1;
  }

  /** Nothing is known any more. */
  clear(): void {
    for (const field of this.#used) this.#present[field] = 0;
    this.#hash = 0;
  }

  /** `code` is one of the dictionary; 0: not known. */
  set(field: number, code: number): void {
    const before = this.#present[field]!;
    const now = code === 0 ? 0 : this.#valueIndex(field, code);
    if (now === before) return;
    this.#present[field] = now;
    this.#hash ^= mixed(field, before) ^ mixed(field, now);
  }

  /** Number of the set at hand. */
  profile(): number {
    const mask = this.#slots.length - 1;
    const hash = this.#hash;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const taken = this.#slots[slot]!;
      if (taken === 0) return this.#add(slot);
      if (this.#hashes[taken - 1] === hash && this.#isPresent(taken - 1)) return taken - 1;
    }
  }

  columns(): ProfileColumns {
    const fields: Record<string, Indices> = {};
    const values: Record<string, readonly (FactValue | undefined)[]> = {};
    FIT_FIELD_NAMES.forEach((name, field) => {
      values[name] = this.#values[field]!;
      fields[name] = sharedIndices(this.#count, this.#values[field]!.length);
      const column = this.#columns[field];
      if (column !== undefined) fields[name].set(column.subarray(0, this.#count));
    });
    return { count: this.#count, fields, values } as ProfileColumns;
  }

  #valueIndex(field: number, code: number): number {
    const indexOf = (this.#indexOf[field] ??= new Uint32Array(this.facts.values.length));
    let index = indexOf[code]!;
    if (index === 0) {
      const values = this.#values[field]!;
      if (values.length === 1) {
        this.#used = [...this.#used, field];
        this.#columns[field] = new Uint32Array(this.#hashes.length);
      }
      index = values.push(this.facts.values[code] ?? undefined) - 1;
      indexOf[code] = index;
    }
    return index;
  }

  #isPresent(profile: number): boolean {
    for (const field of this.#used) if (this.#columns[field]![profile] !== this.#present[field]) return false;
    return true;
  }

  #add(slot: number): number {
    const profile = this.#count++;
    if (profile === this.#hashes.length) {
      this.#hashes = grown(this.#hashes, new Int32Array(2 * profile));
      for (const field of this.#used) this.#columns[field] = grown(this.#columns[field]!, new Uint32Array(2 * profile));
    }
    this.#hashes[profile] = this.#hash;
    for (const field of this.#used) this.#columns[field]![profile] = this.#present[field]!;
    this.#slots[slot] = profile + 1;
    if (2 * this.#count > this.#slots.length) this.#rehash();
    return profile;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    const mask = this.#slots.length - 1;
    for (let profile = 0; profile < this.#count; profile++) {
      const hash = this.#hashes[profile]!;
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = profile + 1;
    }
  }
}

function grown<A extends Uint32Array | Int32Array>(from: A, to: A): A {
  to.set(from);
  return to;
}

/** Zero for what is not known, so that it does not matter which fields there are. */
function mixed(field: number, index: number): number {
  if (index === 0) return 0;
  let x = Math.imul(index, 0x9e3779b1) ^ Math.imul(field + 1, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}
