import { nextReading, numberOf } from './part-tallies.js';
import { type FactRow } from './fact-row.js';
import type { PartVersion, ReadView } from './store/read-store.js';

/** The facts of a partition as somebody has just read them. */
export interface RecentPart {
  readonly version: PartVersion;
  /** See `PartTally`. */
  readonly reading: number;
  readonly facts: readonly FactRow[];
}

/** Some 10 MB. */
const MOST_FACTS = 20_000;

/** By view, table and partition; the longest read first. */
const recent = new Map<string, { readonly table: string; readonly part: string; readonly read: RecentPart }>();
let held = 0;

const keyOf = (table: string, part: string): string => `${table} ${part}`;
const tableKey = (view: ReadView, table: string): string => `${numberOf(view)} ${table}`;

/**
 * Partitions that had changed when they were read last. Whoever asks one question of a changed table mostly asks another: it
 * need not decode the same facts again.
 */
export function recentFacts(view: ReadView, table: string): Map<string, RecentPart> {
  const wanted = tableKey(view, table);
  const found = new Map<string, RecentPart>();
  for (const { part, read, table: of } of recent.values()) if (of === wanted) found.set(part, read);
  return found;
}

export function keepRecent(
  view: ReadView,
  table: string,
  part: string,
  version: PartVersion,
  facts: readonly FactRow[],
): void {
  const of = tableKey(view, table);
  const key = keyOf(of, part);
  held += facts.length - (recent.get(key)?.read.facts.length ?? 0);
  recent.delete(key);
  recent.set(key, { table: of, part, read: { version, reading: nextReading(), facts } });
  for (const [oldest, { read }] of recent) {
    if (held <= MOST_FACTS) break;
    recent.delete(oldest);
    held -= read.facts.length;
  }
}
