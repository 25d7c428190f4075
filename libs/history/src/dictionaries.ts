import type { Dictionary } from './table.js';

export type DictionaryValue = string | number | boolean | null;

/** A dictionary that gives new values the next number. */
export class GrowingDictionary implements Dictionary {
  readonly values: DictionaryValue[] = [null];
  readonly #codes = new Map<DictionaryValue, number>();

  codeOf(value: DictionaryValue | undefined): number {
    if (value === null || value === undefined) return 0;
    let code = this.#codes.get(value);
    if (code === undefined) {
      code = this.values.push(value) - 1;
      this.#codes.set(value, code);
    }
    return code;
  }

  /** Forgets every value from this number on. */
  truncate(length: number): void {
    for (const value of this.values.splice(Math.max(1, length))) this.#codes.delete(value);
  }
}
