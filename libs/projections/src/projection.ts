import type { LogFilter, RecordedEvent } from '#libs/event-log/src/event-log.js';

/** Something a view holds about one entity. An entity's facts have distinct identities, except counts, which add up. */
export type Fact =
  | {
      readonly kind: 'row';
      readonly table: string;
      readonly part: string;
      readonly key: string;
      readonly value: string;
    }
  | { readonly kind: 'score'; readonly set: string; readonly member: string; readonly score: number }
  | { readonly kind: 'count'; readonly counters: string; readonly key: string; readonly by: number };

/**
 * A view as pure functions. The runtime folds an entity's events into its row, derives the facts before and after, and
 * commits the difference: so what is live is what a rebuild gives, and a correction is just another row.
 *
 * Tables `row`, `parked` and `log` belong to the runtime. No two entities hold the same (table, part, key) or (set, member).
 */
export interface Projection<Row = unknown> {
  readonly name: string;
  /** Raised whenever the same events would give other facts or another packed row: the view is then filled anew. */
  readonly version: number;
  readonly filter: LogFilter;
  /** Key of the entity an event belongs to (the leadId); null: the event is ignored. An entity's events are one stream's. */
  entityOf(event: RecordedEvent): string | null;
  /** `null`: an entity never seen. Strict inverse of `pack`. */
  load(packed: string | null, entity: string): Row;
  pack(row: Row): string;
  /** May change `row` and return it; touches nothing else. Throwing parks the entity. */
  evolve(row: Row, event: RecordedEvent): Row;
  /** From the row alone, in a stable order (the comparison is fastest then). */
  facts(row: Row): readonly Fact[];
}

/** The runtime's own table: one packed row per entity, partition `rowPartition(entity)`, key the entity. */
export const ROW_TABLE = 'row';

/** The runtime's own table of parked entities: partition `all`, key the entity, value a JSON `ParkedEntity`. */
export const PARKED_TABLE = 'parked';

/** The runtime's own table that names the log it folds: partition `all`, key `first`, value the id of its first event. */
export const LOG_TABLE = 'log';

export const RUNTIME_PARTITION = 'all';

/** One of 256 partitions `00`…`ff` of table `row`, spread evenly whatever the ids look like (FNV-1a). */
export function rowPartition(entity: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < entity.length; index += 1) {
    hash = Math.imul(hash ^ entity.charCodeAt(index), 0x01000193);
  }
  return PARTITION_NAMES[(hash ^ (hash >>> 16)) & 0xff] as string;
}

const PARTITION_NAMES = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'));
