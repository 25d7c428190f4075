import { invalidParameter } from './report-error.js';
import type { ReportParams } from './report-params.js';

/** Place of an item in a list ordered by an instant, then by a key. Fixed width, so that it is ordered as a string. */
export const cursorOf = (atMs: number, key: string): string => `${String(atMs + OFFSET).padStart(16, '0')}|${key}`;
/** Instants before 1970 stay positive. */
const OFFSET = 62_135_596_800_000;

/**
 * The page after `params.cursor`. The order is total, and a cursor names a place in it, so an item that does not move is
 * listed once, whatever comes or goes between two pages.
 */
export function pageOf<T>(
  items: readonly T[],
  params: ReportParams,
  placeOf: (item: T) => string,
  order: 'ascending' | 'descending',
): { page: T[]; nextCursor: string | null } {
  const sign = order === 'ascending' ? 1 : -1;
  const after = params.cursor === null ? null : decode(params.cursor);
  const placed: { item: T; place: string }[] = [];
  for (const item of items) {
    const place = placeOf(item);
    if (after === null || (place < after ? -1 : place > after ? 1 : 0) * sign > 0) placed.push({ item, place });
  }
  placed.sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0) * sign);
  const page = placed.slice(0, params.limit);
  const last = page[page.length - 1];
  const more = last !== undefined && placed.length > page.length;
  return {
    page: page.map(({ item }) => item),
    nextCursor: more ? Buffer.from(last.place).toString('base64url') : null,
  };
}

export function decode(cursor: string): string {
  const place = Buffer.from(cursor, 'base64url').toString();
  if (!/^\d{16}\|./.test(place)) throw invalidParameter('cursor', 'the nextCursor of an earlier answer');
  return place;
}
