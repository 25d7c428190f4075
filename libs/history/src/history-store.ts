import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Position } from '#libs/event-log/src/event-log.js';
import { widened } from './column-codec.js';
import type { DictionaryValue } from './dictionaries.js';
import { type Extent, GrowingTables } from './growing-tables.js';
import { HeldHistory } from './held-history.js';
import {
  type NewRows,
  type NewSegment,
  readEvents,
  readSegment,
  readTable,
  type SegmentFile,
  segmentName,
  SegmentUnreadable,
  Spines,
  stretchOf,
  syncDirectory,
  writeSegment,
} from './segment-file.js';
import type { Column, ColumnArray, HistoryTables, RowSink, Table } from './table.js';

export interface HistoryStoreOptions {
  readonly directory: string;
  /** The first one has a row for each event before any other table has (`spine.ts`). */
  readonly tables: readonly Table[];
  /** Of whatever makes the rows: segments written by another version are not used. */
  readonly encodingVersion: number;
  readonly onNotice?: (notice: HistoryNotice) => void;
  /** Events that a segment holds once it is merged no more (default 262,144). */
  readonly fullSegmentEvents?: number;
}

export type HistoryNotice =
  /** A segment that cannot be used, by name, and how many fall with it: they are written again from the log. */
  | { readonly kind: 'segment_dropped'; readonly segment: string; readonly reason: string; readonly fallen: number }
  /** What was to be written is kept in memory and tried again; what was written before stays usable. */
  | { readonly kind: 'not_written'; readonly segment: string; readonly reason: string }
  | { readonly kind: 'not_merged'; readonly segment: string; readonly reason: string };

export interface HistoryStats {
  readonly segments: number;
  readonly bytes: number;
  /** In segments. */
  readonly events: number;
  /** In memory only. */
  readonly pendingEvents: number;
}

/** The history is no longer where rows were to be added. */
export class HistoryMoved extends Error {
  constructor(from: Position | null, found: Position | null) {
    super(`the history is at ${found ?? 'its beginning'} and not at ${from ?? 'its beginning'}`);
    this.name = 'HistoryMoved';
  }
}

/** Segments of about one size that become one. */
const MERGED = 8;
const FULL_SEGMENT_EVENTS = MERGED ** 6;
const NOTHING: Extent = { rows: new Map(), dictionaries: new Map(), leads: 0 };

/**
 * The history's tables in segment files, one per stretch of the log, and what came since in memory. One writer follows the log; any
 * number of readers `hold` what there is at a moment. A file that is missing or not what was written is found at `open` or when it is
 * read: it and all after it are dropped, and the writer goes on from `position`.
 */
export class HistoryStore {
  readonly #options: HistoryStoreOptions;
  readonly #schema: string;
  /** All leads and dictionaries, and the rows that no segment holds. */
  #tail: GrowingTables;
  readonly #spine: Table;
  #segments: SegmentFile[] = [];
  /** How much of the tail counts: what was added after the last `advance` is not yet anybody's. */
  #advanced: Extent = NOTHING;
  /** How much of it is in segments. */
  #written: Extent = NOTHING;
  #pendingEvents = 0;
  #log: string | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #held = new Set<HeldHistory>();
  /** Files that somebody may still read. */
  readonly #outdated: string[] = [];

  /** Told when segments were dropped while in use: what was read before stands, the writer has to begin again. */
  onMoved: () => void = () => undefined;

  private constructor(options: HistoryStoreOptions) {
    this.#options = options;
    this.#spine = options.tables[0] as Table;
    this.#tail = new GrowingTables(this.#spine);
    this.#schema = schemaDigest(options.tables, options.encodingVersion);
  }

  /** Verifies every segment there is. Throws what the file system says when the directory cannot be read or made. */
  static async open(options: HistoryStoreOptions): Promise<HistoryStore> {
    const store = new HistoryStore(options);
    await mkdir(options.directory, { recursive: true });
    await store.#load();
    return store;
  }

  /** The log is in up to here, on the disk or in memory; null: nothing is. */
  get position(): Position | null {
    return this.#tail.position;
  }

  /** Names the log it is of; null while it holds nothing. Set before the first `advance`. */
  get log(): string | null {
    return this.#log;
  }

  set log(log: string | null) {
    this.#log = log;
  }

  get stats(): HistoryStats {
    return {
      segments: this.#segments.length,
      bytes: this.#segments.reduce((sum, { bytes }) => sum + bytes, 0),
      events: this.#segments.reduce((sum, { header }) => sum + header.events, 0),
      pendingEvents: this.#pendingEvents,
    };
  }

  /** Compressed bytes in segments, by table and column. */
  get sizes(): ReadonlyMap<string, number> {
    const sizes = new Map<string, number>();
    const add = (name: string, bytes: number): void => void sizes.set(name, (sizes.get(name) ?? 0) + bytes);
    for (const { header } of this.#segments) {
      add('lead ids', header.leads.length);
      add('dictionaries', header.dictionaries.length);
      for (const table of this.#options.tables)
        header.tables[table.name]?.columns.forEach(({ length }, index) =>
          add(`${table.name}.${table.columns[index]?.name}`, length),
        );
    }
    return sizes;
  }

  /** Where rows are added; they count once `advance` was called. Another one after `onMoved`. */
  get sink(): RowSink {
    return this.#tail;
  }

  /** The log from `from` to `to` is in the sink. HistoryMoved: it was not added to what there is now; nothing has changed. */
  advance(from: Position | null, to: Position, events: number): void {
    if (from !== this.#tail.position) throw new HistoryMoved(from, this.#tail.position);
    this.#tail.position = to;
    this.#advanced = this.#tail.extent();
    this.#pendingEvents += events;
  }

  /** Forgets what was added since the last `advance`. */
  rollback(): void {
    this.#tail.truncate(this.#advanced);
  }

  /** What there is now, for as long as it is held. To be released. */
  hold(): HeldHistory {
    const held = new HeldHistory(
      this.#tail.position,
      this.#options.tables,
      this.#spine,
      [...this.#segments],
      this.#tail,
      this.#advanced,
      { damaged: (error) => this.#exclusively(() => this.#dropFrom(error)), released: () => this.#released(held) },
    );
    this.#held.add(held);
    return held;
  }

  /** These tables up to now. Throws SegmentUnreadable when a file turns out to be damaged: then it is dropped. */
  async read(tables: readonly Table[] = this.#options.tables): Promise<HistoryTables> {
    const held = this.hold();
    try {
      return await held.read(tables);
    } finally {
      await held.release();
    }
  }

  /** Writes what is in memory, and merges. False: it could not be written, which was reported, and stays in memory. */
  flush(): Promise<boolean> {
    return this.#exclusively(async () => {
      const { position } = this.#tail;
      if (position === null || this.#pendingEvents === 0) return true;
      const from = this.#segments.at(-1)?.header.to ?? null;
      const extent = this.#advanced;
      const events = this.#pendingEvents;
      try {
        const segment = this.#tailSegment(from, position, events, extent);
        this.#segments.push(await writeSegment(this.#options.directory, segment));
      } catch (error) {
        this.#tell({ kind: 'not_written', segment: segmentName(from, position), reason: reasonOf(error) });
        return false;
      }
      this.#written = extent;
      this.#tail.dropRows(extent);
      this.#pendingEvents -= events;
      await this.#merge();
      return true;
    });
  }

  /** Forgets everything: it is of another log, or wanted anew. */
  clear(): Promise<void> {
    return this.#exclusively(async () => {
      const segments = this.#segments;
      this.#reset();
      await this.#remove(segments);
      this.onMoved();
    });
  }

  /** SHA-256 over all rows, leads and codes, however they are cut into segments. */
  async digest(): Promise<string> {
    const held = this.hold();
    try {
      return await held.digest();
    } finally {
      await held.release();
    }
  }

  async #load(): Promise<void> {
    const { directory } = this.#options;
    const names = await readdir(directory);
    const unfinished = names.filter((name) => name.endsWith('.history.tmp'));
    await Promise.all(unfinished.map((name) => rm(join(directory, name), { force: true })));
    const found = names.flatMap((name) => {
      const stretch = stretchOf(name);
      return stretch === null ? [] : [{ name, ...stretch }];
    });
    let damaged: { name: string; reason: string } | null = null;
    for (let end: Position | null = null; ;) {
      // A merge that was cut short leaves the parts beside the whole: the longest that can be read is taken.
      const next = found.filter(({ from }) => from === end).sort((one, other) => (one.to < other.to ? 1 : -1));
      let taken: SegmentFile | null = null;
      for (const { name } of next) {
        try {
          taken = await readSegment(join(directory, name), { schema: this.#schema, log: this.#log, names: this.#tail });
          break;
        } catch (error) {
          if (!(error instanceof SegmentUnreadable)) throw error;
          damaged ??= { name, reason: error.reason };
        }
      }
      if (taken === null) break;
      this.#segments.push(taken);
      this.#log = taken.header.log;
      end = taken.header.to;
    }
    this.#tail.position = this.#segments.at(-1)?.header.to ?? null;
    this.#written = this.#tail.extent();
    this.#advanced = this.#written;
    const used = new Set(this.#segments.map(({ path }) => basename(path)));
    const rest = found.filter(({ name }) => !used.has(name));
    const end = this.#tail.position;
    const fallen = rest.filter(({ name, to }) => name !== damaged?.name && (end === null || to > end)).length;
    if (damaged !== null || fallen > 0) {
      const { name, reason } = damaged ?? { name: `${end ?? '0'.repeat(16)}-…`, reason: 'is missing' };
      this.#tell({ kind: 'segment_dropped', segment: name, reason, fallen });
    }
    await Promise.all(rest.map(({ name }) => rm(join(directory, name), { force: true })));
  }

  /** What follows a gap is no history: neither in files nor in memory. */
  async #dropFrom({ path, reason }: SegmentUnreadable): Promise<void> {
    const first = this.#segments.findIndex((segment) => segment.path === path);
    if (first < 0) return;
    const fallen = this.#segments.slice(first);
    this.#tell({ kind: 'segment_dropped', segment: basename(path), reason, fallen: fallen.length - 1 });
    this.#reset();
    await this.#remove(fallen);
    await this.#load();
    this.onMoved();
  }

  #reset(): void {
    this.#segments = [];
    this.#written = NOTHING;
    this.#advanced = NOTHING;
    this.#pendingEvents = 0;
    this.#log = null;
    // Whoever holds the former one goes on reading it.
    this.#tail = new GrowingTables(this.#spine);
  }

  async #remove(segments: readonly SegmentFile[]): Promise<void> {
    // The last one first: whenever the process dies, what is left begins at the beginning.
    for (const { path } of segments.toReversed()) await rm(path, { force: true });
    await syncDirectory(this.#options.directory);
  }

  async #released(held: HeldHistory): Promise<void> {
    this.#held.delete(held);
    if (this.#held.size > 0) return;
    for (const path of this.#outdated.splice(0)) await rm(path, { force: true });
  }

  #tailSegment(from: Position | null, to: Position, events: number, extent: Extent): NewSegment {
    const { leads } = this.#tail;
    const written = this.#written;
    const dictionaries: Record<string, { first: number; values: readonly DictionaryValue[] }> = {};
    for (const [name, end] of extent.dictionaries) {
      const first = written.dictionaries.get(name) ?? 1;
      if (end > first) dictionaries[name] = { first, values: this.#tail.dictionary(name).values.slice(first, end) };
    }
    return {
      schema: this.#schema,
      log: this.#log ?? '',
      from,
      to,
      events,
      leads: { first: written.leads, ...leads.pack(written.leads, extent.leads) },
      dictionaries,
      spine: this.#spine,
      tables: this.#options.tables.map((table): NewRows => {
        const rows = this.#tail.rowsOf(table);
        const { begin } = rows;
        const end = extent.rows.get(table.name) ?? 0;
        const column = (index: number) => rows.column(index, begin, end);
        const first = this.#tail.rowsOf(this.#spine).begin;
        const events = table === this.#spine ? {} : { events: () => rows.events(begin, end, first) };
        return { table, rows: Math.max(0, end - begin), column, ...events };
      }),
    };
  }

  /** Small segments become larger ones, so that there are few and they compress well. Failing costs nothing but room. */
  async #merge(): Promise<void> {
    const { directory, fullSegmentEvents = FULL_SEGMENT_EVENTS } = this.#options;
    for (;;) {
      const run = mergeable(this.#segments, fullSegmentEvents);
      if (run === 0) return;
      const parts = this.#segments.slice(-run);
      const { from } = (parts[0] as SegmentFile).header;
      const { to } = (parts.at(-1) as SegmentFile).header;
      try {
        const merged = await writeSegment(directory, this.#mergedSegment(parts, from, to));
        this.#segments.splice(-run, run, merged);
        if (this.#held.size > 0) this.#outdated.push(...parts.map(({ path }) => path));
        else await this.#remove(parts);
      } catch (error) {
        this.#tell({ kind: 'not_merged', segment: segmentName(from, to), reason: reasonOf(error) });
        if (error instanceof SegmentUnreadable) await this.#dropFrom(error);
        return;
      }
    }
  }

  #mergedSegment(parts: readonly SegmentFile[], from: Position | null, to: Position): NewSegment {
    const first = (parts[0] as SegmentFile).header;
    const last = (parts.at(-1) as SegmentFile).header;
    const dictionaries: Record<string, { first: number; values: readonly DictionaryValue[] }> = {};
    for (const { header } of parts) {
      for (const [name, added] of Object.entries(header.dictionaries.entries)) {
        const begin = dictionaries[name]?.first ?? added.first;
        const values = this.#tail.dictionary(name).values.slice(begin, added.first + added.count);
        dictionaries[name] = { first: begin, values };
      }
    }
    const { tables } = this.#options;
    const spine = this.#spine;
    return {
      schema: this.#schema,
      log: first.log,
      from,
      to,
      events: parts.reduce((sum, { header }) => sum + header.events, 0),
      leads: {
        first: first.leads.first,
        ...this.#tail.leads.pack(first.leads.first, last.leads.first + last.leads.count),
      },
      dictionaries,
      spine,
      tables: (async function* (): AsyncGenerator<NewRows> {
        const spines = new Spines(spine);
        for (const table of tables) {
          const { columns, rows } = await readTable(parts, table, spines);
          const events = await readEvents(parts, table, spine);
          yield {
            table,
            rows,
            column: (index) => widened(table.columns[index] as Column, columns[index] as ColumnArray),
            ...(events === undefined ? {} : { events: () => events }),
          };
        }
      })(),
    };
  }

  #tell(notice: HistoryNotice): void {
    this.#options.onNotice?.(notice);
  }

  /** What changes files takes turns; adding rows and reading go on meanwhile. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** So many of the last segments are of one size or smaller ones, and become one; 0: nothing to merge. */
function mergeable(segments: readonly SegmentFile[], full: number): number {
  for (let size = 0; size < sizeOf(full); size += 1) {
    let run = 0;
    while (run < segments.length && sizeOf((segments.at(-1 - run) as SegmentFile).header.events) <= size) run += 1;
    if (run >= MERGED) return run;
  }
  return 0;
}

/** 0: up to 7 events, 1: up to 63, and so on. */
const sizeOf = (events: number): number => Math.floor(Math.log(Math.max(1, events)) / Math.log(MERGED) + 1e-9);

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Descriptions that give the same bytes another meaning have another digest; the words about them count for nothing. */
function schemaDigest(tables: readonly Table[], version: number): string {
  const meaning = tables.map(({ name, columns }) => [
    name,
    columns.map((column) => [column.name, column.type, column.dictionary ?? null]),
  ]);
  return createHash('sha256')
    .update(JSON.stringify([version, meaning]))
    .digest('hex');
}
