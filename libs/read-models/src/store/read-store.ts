import type { Position } from '#libs/event-log/src/event-log.js';

/**
 * One net change of a view. Values are strings (packed JSON arrays). Table, set and counter names hold no colon;
 * partitions (a UTC day `2018-02-26`, a state name), keys and members are free text without NUL.
 * At most one row operation for a key and one score operation for a member per commit.
 */
export type Op =
  | { readonly op: 'put'; readonly table: string; readonly part: string; readonly key: string; readonly value: string }
  | { readonly op: 'del'; readonly table: string; readonly part: string; readonly key: string }
  | { readonly op: 'score'; readonly set: string; readonly member: string; readonly score: number }
  | { readonly op: 'unscore'; readonly set: string; readonly member: string }
  /** Integer; a counter that comes to 0 is removed. */
  | { readonly op: 'add'; readonly counters: string; readonly key: string; readonly by: number };

/** Both ends inclusive; the lowest scores come first (ties by member), at most `limit` of them. */
export interface ScoreRange {
  readonly min?: number;
  readonly max?: number;
  readonly limit?: number;
}

/** Another one whenever the partition holds something else; compared, never read. */
export type PartVersion = string | number;

export interface PartRows {
  readonly part: string;
  readonly version: PartVersion;
  /** In no particular order. Null: the version is the one that the caller knows. */
  readonly rows: readonly (readonly [key: string, value: string])[] | null;
}

/**
 * One version of a set of tables with ONE checkpoint (`funnel@1000`). Disposable: whatever it holds can be rebuilt from
 * the log, and data and checkpoint always vanish together. Every method rejects with `StoreUnavailable` when the store
 * cannot be reached. Each single call sees the view between two commits, never the middle of one.
 */
export interface ReadView {
  readonly name: string;
  readonly version: number;
  /** The log is folded in up to here; null: nothing yet. */
  checkpoint(): Promise<Position | null>;
  /** The checkpoint as soon as it is at this position or beyond; after `withinMs` at the latest, wherever it is then. */
  reach(position: Position, withinMs: number): Promise<Position | null>;
  /** All operations and the new checkpoint, or nothing. Throws `CheckpointMoved` when the checkpoint is not `from`. */
  commit(from: Position | null, to: Position, ops: readonly Op[]): Promise<void>;
  /** In the order of the keys; null where there is no row. */
  get(table: string, part: string, keys: readonly string[]): Promise<(string | null)[]>;
  /** One partition by key, in no particular order; empty when there is none. The caller may keep and change the map. */
  rows(table: string, part: string): Promise<Map<string, string>>;
  /** `[part, key, value]` of all partitions with `fromPart ≤ part ≤ toPart` as strings; partitions in order, keys not. */
  rowsBetween(table: string, fromPart: string, toPart: string): Promise<[part: string, key: string, value: string][]>;
  /**
   * The partitions with `fromPart ≤ part ≤ toPart` in order, all as of one commit: only the version of those of which the
   * caller knows it still, the rows of the others. Empty ones may be among them.
   */
  partsBetween(
    table: string,
    fromPart: string,
    toPart: string,
    known: (part: string) => PartVersion | undefined,
  ): Promise<PartRows[]>;
  /** Partitions that hold a row, in order. */
  partitions(table: string): Promise<string[]>;
  scored(set: string, range?: ScoreRange): Promise<[member: string, score: number][]>;
  counters(name: string): Promise<Map<string, number>>;
  /**
   * Hex digest of the whole sorted content, checkpoint excluded: equal content, equal digest, whatever the store.
   * Nobody may commit meanwhile.
   */
  digest(): Promise<string>;
  /** Back to empty, without a checkpoint. */
  clear(): Promise<void>;
}

/** Where read views live: in memory with a snapshot file, in Redis, or with another thread that has either. One contract suite. */
export interface ReadStore {
  /** The same view for the same name and version; an unknown one begins empty. */
  open(name: string, version: number): ReadView;
  /** The version that queries read; null before the first `activate`. */
  activeVersion(name: string): Promise<number | null>;
  activate(name: string, version: number): Promise<void>;
  /** Forgets one version: its rows, sets, counters and checkpoint. */
  drop(name: string, version: number): Promise<void>;
  /** Memory: writes what changed to the snapshot. */
  close(): Promise<void>;
}

/** Somebody else moved the view's checkpoint, or the store lost its data: read the checkpoint again and go on from there. */
export class CheckpointMoved extends Error {
  readonly code = 'CHECKPOINT_MOVED';
  constructor(
    readonly expected: Position | null,
    readonly found: Position | null,
  ) {
    super(`The checkpoint is ${found ?? 'unset'}, not ${expected ?? 'unset'}`);
    this.name = 'CheckpointMoved';
  }
}

/** The store cannot be reached now; the outcome of a commit that failed so is unknown. It recovers by itself. */
export class StoreUnavailable extends Error {
  readonly code = 'STORE_UNAVAILABLE';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreUnavailable';
  }
}
