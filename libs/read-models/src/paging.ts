import { invalidParameter } from './report-error.js';
import type { ReportParams } from './report-params.js';

/** Where an item stands in a list: by instant, then by key. The order is total. */
export interface Place {
  readonly atMs: number;
  readonly key: string;
}

export type Order = 'ascending' | 'descending';

const compare = (a: Place, b: Place): number => a.atMs - b.atMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** Collects the page after `params.cursor` out of items that come in any order, keeping few more than fit. */
export class Page<T extends Place> {
  readonly #limit: number;
  readonly #after: Place | null;
  readonly #sign: 1 | -1;
  #kept: T[] = [];
  /** Whatever stands beyond it is not on this page. */
  #bound: Place | null = null;

  constructor(params: ReportParams, order: Order) {
    this.#limit = params.limit;
    this.#after = params.cursor === null ? null : placeOf(params.cursor);
    this.#sign = order === 'ascending' ? 1 : -1;
  }

  /** Whether an item of this place would be on the page or after it. */
  wants(place: Place): boolean {
    return this.#after === null || compare(place, this.#after) * this.#sign > 0;
  }

  add(item: T): void {
    if (!this.wants(item) || (this.#bound !== null && compare(item, this.#bound) * this.#sign > 0)) return;
    this.#kept.push(item);
    if (this.#kept.length > 8 * this.#limit + 1000) this.#cut();
  }

  /** True once the page is full and every item still to come stands beyond `place`. */
  isFullBefore(place: Place): boolean {
    if (this.#kept.length <= this.#limit) return false;
    this.#cut();
    return compare(this.#kept[this.#limit] as T, place) * this.#sign <= 0;
  }

  /** Items in order; the cursor names the last one, so one that does not move is listed once whatever comes or goes. */
  end(): { page: T[]; nextCursor: string | null } {
    this.#cut();
    const page = this.#kept.slice(0, this.#limit);
    return {
      page,
      nextCursor: this.#kept.length > page.length ? cursorOf(page[page.length - 1] as T) : null,
    };
  }

  #cut(): void {
    this.#kept = this.#kept.sort((a, b) => compare(a, b) * this.#sign).slice(0, this.#limit + 1);
    if (this.#kept.length > this.#limit) this.#bound = this.#kept[this.#limit] as T;
  }
}

const cursorOf = ({ atMs, key }: Place): string => Buffer.from(`${atMs}|${key}`).toString('base64url');

function placeOf(cursor: string): Place {
  const [, atMs, key] = /^(-?\d{1,16})\|(.+)$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (atMs === undefined || key === undefined) {
    throw invalidParameter('cursor', 'the nextCursor of an earlier answer');
  }
  return { atMs: Number(atMs), key };
}
