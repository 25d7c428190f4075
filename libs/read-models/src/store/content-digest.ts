import { createHash } from 'node:crypto';
import { TimeSlices } from './time-slices.js';

/** What a view holds, as any store can tell it. */
export interface Content {
  tables(): Promise<string[]>;
  partitions(table: string): Promise<string[]>;
  rows(table: string, part: string): Promise<Map<string, string>>;
  sets(): Promise<string[]>;
  scored(set: string): Promise<[member: string, score: number][]>;
  counterNames(): Promise<string[]>;
  counters(name: string): Promise<Map<string, number>>;
}

/** SHA-256 over the content sorted by code units; empty tables, sets and counters do not show. */
export async function contentDigest(content: Content): Promise<string> {
  const hash = createHash('sha256');
  const slices = new TimeSlices(8);
  const add = (kind: string, name: string, part: string, entries: ReadonlyMap<string, string | number>): void => {
    let text = '';
    // Without a comparison function strings are sorted natively, by code units.
    for (const key of [...entries.keys()].sort()) text += `${kind}\0${name}\0${part}\0${key}\0${entries.get(key)}\n`;
    if (text !== '') hash.update(text);
  };
  for (const table of (await content.tables()).sort()) {
    for (const part of (await content.partitions(table)).sort()) {
      add('row', table, part, await content.rows(table, part));
      await slices.pause();
    }
  }
  for (const set of (await content.sets()).sort()) add('score', set, '', new Map(await content.scored(set)));
  for (const name of (await content.counterNames()).sort()) add('count', name, '', await content.counters(name));
  return hash.digest('hex');
}
