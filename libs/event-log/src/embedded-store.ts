import { createHash, randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { open, type Database, type RootDatabase } from 'lmdb';
import { DataDirLock } from './data-dir-lock.js';
import { EventLogError, type ExpectedRevision } from './event-log.js';
import { LruMap } from './lru-map.js';
import { compactId, encodeRecord, type NewRecord, RecordView, byteLength } from './stored-record.js';

/** EventStoreDB's default: the data of one append may not be larger. */
export const MAX_APPEND_BYTES = 1_048_576;

/** `$tb` of a soft-deleted stream: EventStoreDB's long.MaxValue, as a JSON number reads. */
const DELETED = 2 ** 63;
const SOFT_DELETE_METADATA = '{"$tb":9223372036854775807}';

/** Blocks are filled to this size: small enough to copy for one event, large enough to make scans cheap. */
const BLOCK_BYTES = 16_000;
const COMMIT_BYTES = 8 * 1_048_576;
/**
 * How the blocks of a log are stored, as its files say. JSON shrinks to a third, off the event loop, and with it what the
 * kernel keeps mapped of it. No dictionary: LMDB's own could be another one in its next version.
 */
const COMPRESSION = 'lz4';
const LZ4 = { compression: { threshold: 1_000, dictionary: Buffer.alloc(0) } };
const CACHED_HEADS = 20_000;
const CACHED_METADATA = 20_000;
/** Blocks just read, decompressed, 2 to 4 MB: streams that were written together are mostly read together. */
const CACHED_BLOCKS = 128;
/** How far back a retried append without an exact expected revision is recognised. */
const TAIL_EVENTS = 256;
const INDEX_TOMBSTONE = 0xffff_ffff_ffff;
const TAKEN_OVER = 'another process has taken over the log';
const NO_METADATA: StreamMetadata = { text: '{}' };

export interface StreamMetadata {
  readonly maxCount?: number;
  readonly maxAgeS?: number;
  /** Events below this revision are gone; DELETED: soft-deleted. */
  readonly truncateBefore?: number;
  /** The whole document, with what only others read in it. */
  readonly text: string;
}

export interface Written {
  readonly firstRevision: number;
  readonly revision: number;
  /** Of the last event. */
  readonly position: number;
}

export type StreamState = 'exists' | 'missing' | 'deleted';

export interface StreamSlice<T> {
  readonly state: StreamState;
  readonly items: T[];
  /** False: there may be more beyond the last item. */
  readonly complete: boolean;
  /** Revision of the stream's last event, -1 when there is none. */
  readonly lastRevision: number;
  /** First revision that `$maxCount` and `$tb` let through. */
  readonly firstRevision: number;
}

export interface LogSlice<T> {
  readonly items: T[];
  /** Last position looked at (forwards), or the lowest (backwards). */
  readonly scannedTo: number;
  readonly atEnd: boolean;
}

export interface ReadAllBounds {
  readonly from: number;
  readonly direction?: 'forwards' | 'backwards';
  readonly limit: number;
  readonly scanLimit?: number;
  readonly maxBytes?: number;
}

/** What to make of a record, `undefined` to leave it out. */
export type Decode<T> = (record: RecordView) => T | undefined;

interface Files {
  readonly root: RootDatabase;
  /** first position → count, records */
  readonly blocks: Database<Buffer, number>;
  /** stream, last revision of the append → block, offset, place of the first record in the block, count */
  readonly index: Database<Buffer, Buffer>;
  readonly owner: Database<string, string>;
  readonly epoch: number;
}

/** A stream as appends see it: with what is being committed. */
interface Head {
  last: number;
  tombstoned: boolean;
  durableLast: number;
  metadata: StreamMetadata | undefined;
  pending: PendingWrite | undefined;
  /** Ids of events being committed; once `tailKnown`, of the stream's last events too. */
  readonly tail: Map<string, number>;
  tailKnown: boolean;
}

interface PendingWrite {
  readonly stream: string;
  readonly head: Head;
  readonly records: readonly Buffer[];
  readonly ids: readonly string[];
  readonly firstRevision: number;
  readonly firstPosition: number;
  readonly tombstone: boolean;
  readonly bytes: number;
  readonly done: Promise<void>;
  readonly settle: (error?: EventLogError) => void;
}

/** Reads the same files in another thread of the process; told by the store that writes them. */
export interface Follower {
  /** Everything up to this position is durable. */
  advance(head: number): void;
  /** The files are about to be opened anew: resolves once it has let go of them. */
  release(): Promise<void>;
  /** They are open again. */
  resume(): void;
}

type Decision =
  | { readonly kind: 'new'; readonly undelete: boolean }
  | { readonly kind: 'repeated'; readonly first: number; readonly last: number }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'deleted' };

/**
 * The events themselves, on LMDB: one core under `EmbeddedLog` and the wire endpoint. Behaves as EventStoreDB does in
 * what concerns expected revisions, idempotent retries, soft delete, tombstones and stream metadata.
 *
 * Appends are checked against in-memory heads that include what is being committed, so that any number may be under way;
 * they are written in groups, one LMDB transaction and one fsync each, off the event loop. A promise resolves after the
 * fsync. When a commit fails, everything under way fails with it and the heads are read anew.
 */
export class EmbeddedStore implements Follower {
  readonly #dir: string;
  readonly #clock: { nowMs(): number };
  /** Null: this one follows another store and only reads. */
  readonly #lock: DataDirLock | null;
  /** Stands in the files while this is their writer. */
  readonly #token = randomUUID();
  #fenced = false;
  #files: Files | null = null;
  #broken: EventLogError | null = null;
  #reopening: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #durable = 0;
  #nextPosition = 1;
  readonly #heads = new Map<string, Head>();
  readonly #durableMetadata = new Map<string, StreamMetadata>();
  /** A block is never written twice. */
  readonly #blocks = new LruMap<number, Block>(CACHED_BLOCKS);
  #queue: PendingWrite[] = [];
  #committing: Promise<void> | null = null;
  readonly #sleepers = new Set<() => void>();
  readonly #followers = new Set<Follower>();
  #released: { readonly until: Promise<void>; readonly end: () => void } | null = null;

  private constructor(dir: string, clock: { nowMs(): number }, lock: DataDirLock | null) {
    this.#dir = dir;
    this.#clock = clock;
    this.#lock = lock;
  }

  /** Throws STORE_UNAVAILABLE when another living process has the directory open or the disk refuses. */
  static async open(options: { dir: string; clock: { nowMs(): number } }): Promise<EmbeddedStore> {
    let lock: DataDirLock;
    try {
      lock = DataDirLock.acquire(options.dir);
    } catch (error) {
      throw unavailable(`cannot open the log: ${(error as Error).message}`, error);
    }
    const store = new EmbeddedStore(options.dir, options.clock, lock);
    try {
      await store.#openFiles();
      await store.#claim();
      syncDirectory(options.dir);
      return store;
    } catch (error) {
      await store.#closeFiles();
      lock.release();
      throw unavailable(`cannot open the log: ${(error as Error).message}`, error);
    }
  }

  /**
   * What a store of this process writes, to be read in another thread: LMDB's files are mapped once a process, whoever reads
   * them. It writes nothing; how far it reads is told by the other one (`tell`).
   */
  static async follow(options: { dir: string; clock: { nowMs(): number } }): Promise<EmbeddedStore> {
    const store = new EmbeddedStore(options.dir, options.clock, null);
    try {
      await store.#openFiles();
      return store;
    } catch (error) {
      throw unavailable(`cannot open the log: ${(error as Error).message}`, error);
    }
  }

  /** Tells it from now on what becomes durable, until the answer is called. */
  tell(follower: Follower): () => void {
    this.#followers.add(follower);
    follower.advance(this.#durable);
    return () => this.#followers.delete(follower);
  }

  advance(head: number): void {
    if (head <= this.#durable) return;
    this.#durable = head;
    this.#durableMetadata.clear();
    // A snapshot is kept until the event loop turns: it may be older than what was just told.
    this.#files?.root.resetReadTxn();
    this.#wake();
  }

  async release(): Promise<void> {
    let end = (): void => undefined;
    const until = new Promise<void>((resolve) => (end = resolve));
    this.#released ??= { until, end };
    await this.#closeFiles();
  }

  resume(): void {
    this.#released?.end();
    this.#released = null;
  }

  /** Commits what is under way, then lets go of the files. Readers asleep in `waitBeyond` are woken. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      while (this.#committing) await this.#committing;
      await this.#reopening?.catch(() => {});
      this.#broken = unavailable('the log is closed');
      await this.#closeFiles();
      this.#lock?.release();
      this.resume();
      this.#wake();
    })();
    return this.#closing;
  }

  /** Position of the last durable event, 0 while there is none. */
  get head(): number {
    return this.#durable;
  }

  get closed(): boolean {
    return this.#closing !== null;
  }

  get clock(): { nowMs(): number } {
    return this.#clock;
  }

  /** Resolves when there is something after `position`, the store closes or the signal aborts. */
  waitBeyond(position: number, signal?: AbortSignal): Promise<void> {
    if (this.#durable > position || this.#closing || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        if (this.#durable <= position && !this.#closing && !signal?.aborted) return;
        this.#sleepers.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#sleepers.add(wake);
      signal?.addEventListener('abort', wake);
    });
  }

  // ---- writing

  async append(stream: string, expected: ExpectedRevision, records: readonly NewRecord[]): Promise<Written> {
    if (dataBytes(records) > MAX_APPEND_BYTES) {
      throw new EventLogError('APPEND_TOO_LARGE', `Maximum Append Size of ${MAX_APPEND_BYTES} Exceeded.`);
    }
    const ids = records.map((record) => compactId(record.id));
    if (this.#broken || this.#closing || this.#lock === null) await this.#usable();
    const head = this.#head(stream);
    const decision = this.#decide(stream, head, expected, ids);
    if (decision.kind === 'new') return this.#write(stream, head, decision.undelete, records, ids);
    const refused = refusal(decision.kind, stream, head);
    // What is answered rests on what may not be durable yet, and holds only if that is committed; what was appended since changes nothing.
    await head.pending?.done;
    if (decision.kind !== 'repeated') throw refused;
    const last = this.#recordAt(stream, decision.last);
    return { firstRevision: decision.first, revision: decision.last, position: last?.position ?? this.#durable };
  }

  /**
   * As `append`, when nothing has to be waited for before it can be taken; else null, and nothing has happened. What is taken
   * later is never durable without it.
   */
  appendNow(stream: string, expected: ExpectedRevision, records: readonly NewRecord[]): Promise<Written> | null {
    if (this.#broken || this.#closing || this.#lock === null || dataBytes(records) > MAX_APPEND_BYTES) return null;
    const ids = records.map((record) => compactId(record.id));
    const head = this.#head(stream);
    const decision = this.#decide(stream, head, expected, ids);
    return decision.kind === 'new' ? this.#write(stream, head, decision.undelete, records, ids) : null;
  }

  /** In the queue when it returns; resolves when durable. */
  async #write(
    stream: string,
    head: Head,
    undeletes: boolean,
    records: readonly NewRecord[],
    ids: readonly string[],
  ): Promise<Written> {
    const nowMs = this.#clock.nowMs();
    const first = head.last + 1;
    const buffers = records.map((record, n) => encodeRecord(stream, record, ids[n]!, first + n, nowMs));
    if (buffers.length === 0) return { firstRevision: first, revision: head.last, position: this.#durable };
    const write = this.#enqueue(stream, head, buffers, ids, first, false);
    this.#noteMetadata(stream, records.at(-1)!);
    const undelete = undeletes ? this.#undelete(stream, head, first) : undefined;
    await write.done;
    await undelete?.done;
    return {
      firstRevision: first,
      revision: first + records.length - 1,
      position: write.firstPosition + records.length - 1,
    };
  }

  /** Soft: the stream reads as missing until appended to. Hard: a tombstone, for good. Answers the log position. */
  async delete(stream: string, expected: ExpectedRevision, how: 'soft' | 'hard'): Promise<number> {
    if (this.#broken || this.#closing || this.#lock === null) await this.#usable();
    const head = this.#head(stream);
    let decision = this.#decide(stream, head, expected, [compactId(randomUUID())]);
    const metastream = `$$${stream}`;
    if (decision.kind === 'new' && how === 'soft' && head.last < 0 && this.#head(metastream).last < 0) {
      decision = { kind: 'conflict' };
    }
    if (decision.kind !== 'new') {
      const refused = refusal(decision.kind, stream, head);
      await head.pending?.done;
      throw refused;
    }
    const write = how === 'soft' ? this.#enqueueMetadata(stream, head, SOFT_DELETE_METADATA) : this.#bury(stream, head);
    await write.done;
    return write.firstPosition;
  }

  #bury(stream: string, head: Head): PendingWrite {
    const record = { id: randomUUID(), type: '$streamDeleted', isJson: false, data: '', metadata: '' };
    const id = compactId(record.id);
    const bytes = encodeRecord(stream, record, id, INDEX_TOMBSTONE, this.#clock.nowMs(), true);
    return this.#enqueue(stream, head, [bytes], [id], INDEX_TOMBSTONE, true);
  }

  /** EventStoreDB keeps the rest of the metadata, and leaves it alone altogether when it is no JSON. */
  #undelete(stream: string, head: Head, recreateFrom: number): PendingWrite | undefined {
    const metadata = parseObject(this.#metadataOf(stream, head).text);
    return metadata
      ? this.#enqueueMetadata(stream, head, JSON.stringify({ ...metadata, $tb: recreateFrom }))
      : undefined;
  }

  #enqueueMetadata(stream: string, head: Head, json: string): PendingWrite {
    const metastream = `$$${stream}`;
    const metaHead = this.#head(metastream);
    const revision = metaHead.last + 1;
    const record = { id: randomUUID(), type: '$metadata', isJson: true, data: json, metadata: '' };
    const id = compactId(record.id);
    const bytes = encodeRecord(metastream, record, id, revision, this.#clock.nowMs());
    head.metadata = parseStreamMetadata(json);
    const write = this.#enqueue(metastream, metaHead, [bytes], [id], revision, false);
    // the stream's own state now rests on this write
    head.pending = write;
    return write;
  }

  /** EventStoreDB's commit check (IndexWriter.CheckCommit, 23.10). */
  #decide(stream: string, head: Head, expected: ExpectedRevision, ids: readonly string[]): Decision {
    if (head.tombstoned) return { kind: 'deleted' };
    const softDeleted = (): boolean => this.#metadataOf(stream, head).truncateBefore === DELETED;
    if (expected === 'stream_exists') {
      if (softDeleted()) return { kind: 'deleted' };
      if (head.last < 0 && this.#head(`$$${stream}`).last < 0) return { kind: 'conflict' };
    }
    if (expected === 'any' || expected === 'stream_exists') {
      if (head.last < 0) return { kind: 'new', undelete: false };
      this.#loadTail(stream, head);
      const found = ids.map((id) => head.tail.get(id));
      if (found.length === 0 || found[0] === undefined) return { kind: 'new', undelete: softDeleted() };
      if (found.includes(undefined)) return { kind: 'conflict' };
      return { kind: 'repeated', first: found[0], last: found.at(-1)! };
    }
    const revision = expected === 'no_stream' ? -1 : expected;
    if (revision > head.last) return { kind: 'conflict' };
    if (revision === head.last) return { kind: 'new', undelete: head.last >= 0 && softDeleted() };
    for (const [n, id] of ids.entries()) {
      const at = revision + 1 + n;
      if (head.tail.get(id) === at) continue;
      if (at <= head.durableLast && this.#recordAt(stream, at)?.compactId === id) continue;
      if (n === 0 && expected === 'no_stream' && softDeleted()) return { kind: 'new', undelete: true };
      return { kind: 'conflict' };
    }
    if (ids.length === 0) return { kind: 'conflict' };
    return { kind: 'repeated', first: revision + 1, last: revision + ids.length };
  }

  #enqueue(
    stream: string,
    head: Head,
    records: readonly Buffer[],
    ids: readonly string[],
    firstRevision: number,
    tombstone: boolean,
  ): PendingWrite {
    let settle!: (error?: EventLogError) => void;
    const done = new Promise<void>((resolve, reject) => {
      settle = (error) => (error ? reject(error) : resolve());
    });
    // a failure reaches whoever waits; nobody has to
    done.catch(() => {});
    const write: PendingWrite = {
      stream,
      head,
      records,
      ids,
      firstRevision,
      firstPosition: this.#nextPosition,
      tombstone,
      bytes: records.reduce((sum, record) => sum + record.length, 0),
      done,
      settle,
    };
    this.#nextPosition += records.length;
    if (tombstone) head.tombstoned = true;
    else head.last = firstRevision + records.length - 1;
    for (const [n, id] of ids.entries()) head.tail.set(id, firstRevision + n);
    head.pending = write;
    this.#queue.push(write);
    this.#committing ??= this.#commitQueue();
    return write;
  }

  async #commitQueue(): Promise<void> {
    // what else this turn of the event loop appends shares the first commit
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#commit(group);
      } catch (error) {
        this.#failAll(group, unavailable(`the log could not be written: ${(error as Error).message}`, error));
        break;
      }
      for (const write of group) this.#committed(write);
      const last = group.at(-1)!;
      this.#durable = last.firstPosition + last.records.length - 1;
      for (const write of group) write.settle();
      this.#wake();
      for (const follower of this.#followers) follower.advance(this.#durable);
    }
    this.#committing = null;
  }

  #takeGroup(): PendingWrite[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.#queue) {
      if (count > 0 && bytes + write.bytes > COMMIT_BYTES) break;
      bytes += write.bytes;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #commit(group: readonly PendingWrite[]): Promise<void> {
    const { owner, blocks, index, epoch } = this.#reading();
    let written: boolean;
    try {
      // the condition fences off a process that has lost the directory to another one
      written = await owner.ifVersion('writer', epoch, () => {
        for (const block of toBlocks(group)) {
          void blocks.put(block.firstPosition, block.bytes);
          for (const entry of block.entries) void index.put(entry.key, entry.value);
        }
      });
    } catch (error) {
      throw await commitErrorOf(error);
    }
    if (!written) {
      this.#fenced = true;
      throw new Error(TAKEN_OVER);
    }
  }

  #committed(write: PendingWrite): void {
    const { head } = write;
    if (!write.tombstone) head.durableLast = write.firstRevision + write.records.length - 1;
    if (head.pending === write) head.pending = undefined;
    if (write.stream.startsWith('$$')) {
      const stream = write.stream.slice(2);
      this.#durableMetadata.delete(stream);
      const owner = this.#heads.get(stream);
      if (owner?.pending === write) owner.pending = undefined;
    }
    if (!head.tailKnown) {
      for (const id of write.ids) head.tail.delete(id);
    } else if (head.tail.size > 2 * TAIL_EVENTS) {
      for (const [id, revision] of head.tail) {
        if (head.tail.size <= TAIL_EVENTS || revision > head.durableLast) break;
        head.tail.delete(id);
      }
    }
  }

  #failAll(group: readonly PendingWrite[], error: EventLogError): void {
    const failed = [...group, ...this.#queue];
    this.#queue = [];
    this.#heads.clear();
    this.#durableMetadata.clear();
    this.#broken = error;
    for (const write of failed) write.settle(error);
    void this.#recover().catch(() => {});
  }

  // ---- heads

  #head(stream: string): Head {
    const cached = this.#heads.get(stream);
    if (cached) {
      // keeps what is in use at the young end of the cache
      if (this.#heads.size > CACHED_HEADS / 2) {
        this.#heads.delete(stream);
        this.#heads.set(stream, cached);
      }
      return cached;
    }
    const { last, tombstoned } = this.#lastRevision(stream);
    const head: Head = {
      last,
      tombstoned,
      durableLast: last,
      metadata: undefined,
      pending: undefined,
      tail: new Map(),
      tailKnown: false,
    };
    if (this.#heads.size >= CACHED_HEADS) this.#evictHeads();
    this.#heads.set(stream, head);
    return head;
  }

  #evictHeads(): void {
    let surplus = CACHED_HEADS / 10;
    for (const [stream, head] of this.#heads) {
      if (surplus === 0) break;
      surplus -= 1;
      if (!head.pending) this.#heads.delete(stream);
    }
  }

  #lastRevision(stream: string): { last: number; tombstoned: boolean } {
    const { index } = this.#reading();
    const prefix = streamKey(stream);
    let tombstoned = false;
    for (const key of index.getKeys({
      start: indexKey(prefix, INDEX_TOMBSTONE),
      end: prefix,
      reverse: true,
      limit: 2,
    })) {
      const revision = key.readUIntBE(key.length - 6, 6);
      if (revision !== INDEX_TOMBSTONE) return { last: revision, tombstoned };
      tombstoned = true;
    }
    // after a failed commit LMDB's reads find nothing, without saying why
    if (this.#reading().owner.get('writer') === undefined) throw unavailable('the log cannot be read');
    return { last: -1, tombstoned };
  }

  /** As `#lastRevision`, from the cache where nothing of the stream is under way. */
  #durableEnd(stream: string): { last: number; tombstoned: boolean } {
    if (this.#lock === null) return this.#lastRevision(stream);
    const head = this.#head(stream);
    if (head.pending !== undefined) return this.#lastRevision(stream);
    return { last: head.durableLast, tombstoned: head.tombstoned };
  }

  #loadTail(stream: string, head: Head): void {
    if (head.tailKnown) return;
    const pending = [...head.tail];
    head.tail.clear();
    const items: [string, number][] = [];
    this.#scanStream(stream, head.durableLast, 'backwards', (record) => {
      items.push([record.compactId, record.revision]);
      return items.length < TAIL_EVENTS;
    });
    for (const [id, revision] of items.reverse()) head.tail.set(id, revision);
    for (const [id, revision] of pending) head.tail.set(id, revision);
    head.tailKnown = true;
  }

  #metadataOf(stream: string, head: Head): StreamMetadata {
    head.metadata ??= this.#readMetadata(stream);
    return head.metadata;
  }

  #noteMetadata(stream: string, record: NewRecord): void {
    if (!stream.startsWith('$$')) return;
    const subject = stream.slice(2);
    const head = this.#head(subject);
    const wasSoftDeleted = this.#metadataOf(subject, head).truncateBefore === DELETED;
    const text = typeof record.data === 'string' ? record.data : Buffer.from(record.data).toString();
    head.metadata = parseStreamMetadata(text);
    head.pending = this.#heads.get(stream)?.pending;
    // EventStoreDB: writing metadata of a soft-deleted stream brings the stream back, empty
    if (wasSoftDeleted) this.#undelete(subject, head, head.last + 1);
  }

  // ---- reading

  /**
   * Durable events of one stream as `$maxCount`, `$maxAge` and `$tb` leave them. `from`: first revision (forwards) or
   * highest (backwards); default the respective end. Ends early, after at least one, when `maxBytes` are read: then
   * `complete` is false though fewer than `limit` came.
   */
  readStream<T>(
    stream: string,
    options: { from?: number; direction?: 'forwards' | 'backwards'; limit: number; maxBytes?: number },
    decode: Decode<T>,
  ): StreamSlice<T> {
    const { last, tombstoned } = this.#durableEnd(stream);
    if (tombstoned) return { state: 'deleted', items: [], complete: true, lastRevision: last, firstRevision: 0 };
    const metadata = last < 0 ? NO_METADATA : this.#committedMetadata(stream);
    if (last < 0 || metadata.truncateBefore === DELETED) {
      return { state: 'missing', items: [], complete: true, lastRevision: -1, firstRevision: 0 };
    }
    const first = Math.max(0, metadata.truncateBefore ?? 0, metadata.maxCount ? last - metadata.maxCount + 1 : 0);
    const oldestMs = metadata.maxAgeS === undefined ? -Infinity : this.#clock.nowMs() - metadata.maxAgeS * 1000;
    const direction = options.direction ?? 'forwards';
    const from = direction === 'forwards' ? Math.max(options.from ?? 0, first) : Math.min(options.from ?? last, last);
    const items: T[] = [];
    let complete = true;
    if (options.limit > 0) {
      let bytesLeft = options.maxBytes ?? Infinity;
      this.#scanStream(stream, from, direction, (record) => {
        if (record.revision < first || record.isTombstone) return false;
        if (record.createdMs >= oldestMs) {
          const item = decode(record);
          if (item !== undefined) items.push(item);
          bytesLeft -= record.bytes;
        }
        complete = items.length < options.limit && bytesLeft > 0;
        return complete;
      });
    }
    return { state: 'exists', items, complete, lastRevision: last, firstRevision: first };
  }

  /**
   * Durable events of the whole log: forwards from `from` (inclusive), backwards from `from` down (inclusive). Looks at
   * no more than `scanLimit` records and about `maxBytes`, so that a filter that lets little through cannot hold the
   * event loop, nor large events the memory.
   */
  readAll<T>(options: ReadAllBounds, decode: Decode<T>): LogSlice<T> {
    const bounds = { scanLimit: 10_000, maxBytes: 8 * 1_048_576, ...options };
    return options.direction === 'backwards' ? this.#readBackwards(bounds, decode) : this.#readForwards(bounds, decode);
  }

  /**
   * Positions after `after`, ascending, of all durable records of the streams whose names begin so, from the index alone; null
   * when they are more than `most` appends, or when a name too long for the index might be among them: then only a scan tells.
   */
  positionsOf(prefixes: readonly string[], after: number, most: number): number[] | null {
    const { index } = this.#reading();
    for (const _hashed of index.getKeys({ start: Buffer.of(2), end: Buffer.of(3), limit: 1 })) return null;
    const end = this.#durable;
    const positions = new Set<number>();
    let appends = 0;
    for (const prefix of prefixes) {
      const start = Buffer.concat([Buffer.of(1), Buffer.from(prefix)]);
      // 0xff is in no UTF-8 text: behind everything that begins so
      for (const { key, value } of index.getRange({ start, end: Buffer.concat([start, Buffer.of(0xff)]) })) {
        appends += 1;
        if (appends > most) return null;
        const { block, count, place } = indexEntry(key, value);
        for (let n = 0; n < count; n += 1) {
          const position = block + place + n;
          if (position > after && position <= end) positions.add(position);
        }
      }
    }
    return [...positions].sort((a, b) => a - b);
  }

  #readForwards<T>(
    { from, limit, scanLimit, maxBytes }: Required<Omit<ReadAllBounds, 'direction'>>,
    decode: Decode<T>,
  ): LogSlice<T> {
    const items: T[] = [];
    let bytesLeft = maxBytes;
    const end = this.#durable;
    let position = Math.max(1, from);
    if (position > end || limit <= 0) return { items, scannedTo: Math.max(position - 1, 0), atEnd: position > end };
    const stop = Math.min(end, position + scanLimit - 1);
    let block = this.#blockOf(position);
    let view = viewOf(block, position);
    for (;;) {
      const item = decode(view);
      if (item !== undefined) {
        items.push(item);
        bytesLeft -= view.bytes;
      }
      if (items.length >= limit || position >= stop || bytesLeft <= 0) break;
      position += 1;
      if (position < block.firstPosition + block.count) {
        view.next();
      } else {
        block = this.#blockAt(position);
        view = viewOf(block, position);
      }
    }
    return { items, scannedTo: position, atEnd: position >= this.#durable };
  }

  #readBackwards<T>(
    { from, limit, scanLimit, maxBytes }: Required<Omit<ReadAllBounds, 'direction'>>,
    decode: Decode<T>,
  ): LogSlice<T> {
    const items: T[] = [];
    let bytesLeft = maxBytes;
    let position = Math.min(from, this.#durable);
    let scanned = 0;
    const more = (): boolean => items.length < limit && scanned < scanLimit && bytesLeft > 0;
    while (position >= 1 && more()) {
      const block = this.#blockOf(position);
      const offsets = offsetsOf(block, position);
      while (position >= block.firstPosition && more()) {
        const view = new RecordView(block.bytes, offsets[position - block.firstPosition]!, position);
        const item = decode(view);
        if (item !== undefined) {
          items.push(item);
          bytesLeft -= view.bytes;
        }
        scanned += 1;
        position -= 1;
      }
    }
    return { items, scannedTo: position + 1, atEnd: position < 1 };
  }

  /** Calls `visit` record by record until it answers false. */
  #scanStream(
    stream: string,
    from: number,
    direction: 'forwards' | 'backwards',
    visit: (record: RecordView) => boolean,
  ): void {
    const { index } = this.#reading();
    const prefix = streamKey(stream);
    let block: Block | null = null;
    const show = (entry: IndexEntry, low: number, high: number): boolean => {
      if (block?.firstPosition !== entry.block) block = this.#blockAt(entry.block);
      const view = new RecordView(block.bytes, entry.offset, entry.block + entry.place);
      const views: RecordView[] = [];
      for (let n = 0; n < entry.count; n += 1) {
        const revision = entry.last - entry.count + 1 + n;
        if (revision >= low && revision <= high) {
          if (direction === 'forwards') {
            if (!visit(view)) return false;
          } else {
            views.push(view.copy());
          }
        }
        if (n + 1 < entry.count) view.next();
      }
      return views.reverse().every(visit);
    };
    if (direction === 'forwards') {
      // keyed by an append's last revision: the first key at or after `from` is the append that holds it
      const range = { start: indexKey(prefix, from), end: indexKey(prefix, INDEX_TOMBSTONE) };
      for (const { key, value } of index.getRange(range)) {
        if (!show(indexEntry(key, value), from, INDEX_TOMBSTONE)) return;
      }
      return;
    }
    if (from < 0) return;
    const within = { start: indexKey(prefix, from + 1), end: indexKey(prefix, INDEX_TOMBSTONE), limit: 1 };
    for (const { key, value } of index.getRange(within)) {
      const entry = indexEntry(key, value);
      if (entry.last - entry.count < from && !show(entry, 0, from)) return;
    }
    for (const { key, value } of index.getRange({ start: indexKey(prefix, from), end: prefix, reverse: true })) {
      if (!show(indexEntry(key, value), 0, from)) return;
    }
  }

  #recordAt(stream: string, revision: number): RecordView | undefined {
    let found: RecordView | undefined;
    this.#scanStream(stream, revision, 'forwards', (record) => {
      if (record.revision === revision) found = record;
      return false;
    });
    return found;
  }

  #committedMetadata(stream: string): StreamMetadata {
    let metadata = this.#durableMetadata.get(stream);
    if (!metadata) {
      metadata = this.#readMetadata(stream);
      if (this.#durableMetadata.size >= CACHED_METADATA) this.#durableMetadata.clear();
      this.#durableMetadata.set(stream, metadata);
    }
    return metadata;
  }

  #readMetadata(stream: string): StreamMetadata {
    const metastream = `$$${stream}`;
    const { last } = this.#lastRevision(metastream);
    if (last < 0) return NO_METADATA;
    return parseStreamMetadata(this.#recordAt(metastream, last)?.dataText ?? '');
  }

  #blockOf(position: number): Block {
    const { blocks } = this.#reading();
    for (const key of blocks.getKeys({ start: position, reverse: true, limit: 1 })) return this.#blockAt(key);
    throw unavailable(`nothing is stored at position ${position}`);
  }

  #blockAt(firstPosition: number): Block {
    const files = this.#reading();
    const cached = this.#blocks.get(firstPosition);
    if (cached !== undefined) return cached;
    const bytes = files.blocks.getBinary(firstPosition);
    if (!bytes) throw unavailable(`nothing is stored at position ${firstPosition}`);
    const block = { firstPosition, bytes, count: bytes.readUInt32LE(0) };
    if (bytes.length <= 2 * BLOCK_BYTES) this.#blocks.set(firstPosition, block);
    return block;
  }

  #reading(): Files {
    if (!this.#files) throw this.#broken ?? unavailable('the log is closed');
    return this.#files;
  }

  #wake(): void {
    for (const wake of this.#sleepers) wake();
  }

  // ---- the files

  /** Resolves when there are files to read from; throws STORE_UNAVAILABLE while the disk gives none. */
  async readable(): Promise<void> {
    if (this.#files || this.#closing) return;
    await (this.#lock === null ? this.#openAgain() : this.#recover()).catch((error: unknown) => {
      if (!this.#files) throw error;
    });
  }

  /** A follower, once the writer is through with the files. */
  #openAgain(): Promise<void> {
    this.#reopening ??= (async () => {
      try {
        await this.#released?.until;
        if (!this.#closing) await this.#openFiles();
      } catch (error) {
        throw unavailable(`the log could not be opened again: ${(error as Error).message}`, error);
      } finally {
        this.#reopening = null;
      }
    })();
    return this.#reopening;
  }

  async #usable(): Promise<void> {
    if (this.#lock === null) throw unavailable('the log is only read here');
    if (this.#closing) throw unavailable('the log is closed');
    await this.#recover();
    // another commit may have failed before this caller's turn came
    if (this.#broken) throw this.#broken;
  }

  /**
   * After a failed commit LMDB may refuse whatever follows, so the files are opened anew. When they cannot be written yet (a
   * full disk), they are left open for reading and the next append tries again. A writer that has lost the directory to
   * another process does not take it back.
   */
  #recover(): Promise<void> {
    this.#reopening ??= (async () => {
      try {
        // A process maps the files once: as long as one of its threads has them open, they are not opened anew.
        await Promise.all(Array.from(this.#followers, (follower) => follower.release()));
        await this.#closeFiles();
        await this.#openFiles();
        this.#fenced ||= this.#reading().owner.get('writer') !== this.#token;
        if (this.#fenced) throw new Error(TAKEN_OVER);
        await this.#claim();
        this.#broken = null;
      } catch (error) {
        this.#broken = unavailable(`the log could not be opened again: ${(error as Error).message}`, error);
        await this.#closeFiles();
        await this.#openFiles().catch(() => {});
        throw this.#broken;
      } finally {
        for (const follower of this.#followers) follower.resume();
        this.#reopening = null;
      }
    })();
    return this.#reopening;
  }

  async #openFiles(): Promise<void> {
    // without overlappingSync LMDB writes the pages, fsyncs, and only then moves the root and reports the commit
    const root = open({
      path: join(this.#dir, 'events.lmdb'),
      overlappingSync: false,
      eventTurnBatching: false,
      noSubdir: true,
      maxDbs: 4,
      mapSize: 1 << 30,
    } as Parameters<typeof open>[0]);
    try {
      const index = root.openDB<Buffer, Buffer>('index', { encoding: 'binary', keyEncoding: 'binary' });
      const owner = root.openDB<string, string>('owner', { encoding: 'string', useVersions: true });
      const epoch = owner.getEntry('writer')?.version ?? 0;
      // a log that was begun without stays without: what its blocks begin with could pass for the mark of a compressed one
      const compressed = epoch === 0 || owner.get('blocks') === COMPRESSION;
      const blocks = root.openDB<Buffer, number>('blocks', { encoding: 'binary', ...(compressed ? LZ4 : {}) });
      this.#files = { root, blocks, index, owner, epoch };
      this.#durable = 0;
      for (const key of blocks.getKeys({ reverse: true, limit: 1 })) this.#durable = key + this.#blockAt(key).count - 1;
      this.#nextPosition = this.#durable + 1;
    } catch (error) {
      this.#files = null;
      await root.close();
      throw error;
    }
  }

  /** Takes the writer's number: commits of whoever had it before fail from now on. */
  async #claim(): Promise<void> {
    const files = this.#reading();
    const epoch = files.epoch + 1;
    try {
      if (files.epoch === 0) await files.owner.put('blocks', COMPRESSION, 1);
      await files.owner.put('writer', this.#token, epoch);
    } catch (error) {
      throw await commitErrorOf(error);
    }
    this.#files = { ...files, epoch };
  }

  async #closeFiles(): Promise<void> {
    const files = this.#files;
    this.#files = null;
    // what a failed commit wrote may be written otherwise
    this.#blocks.clear();
    await files?.root.close();
  }
}

/** A new file outlives a crash only when its directory has been flushed too. */
function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** lmdb rejects with the fact that a commit failed; why it did is a promise inside. */
async function commitErrorOf(failure: unknown): Promise<unknown> {
  try {
    await (failure as { commitError?: Promise<never> }).commitError;
    return failure;
  } catch (reason) {
    return reason;
  }
}

interface Block {
  readonly firstPosition: number;
  readonly bytes: Buffer;
  readonly count: number;
}

interface IndexEntry {
  readonly last: number;
  readonly block: number;
  readonly offset: number;
  readonly place: number;
  readonly count: number;
}

interface NewBlock {
  readonly firstPosition: number;
  readonly bytes: Buffer;
  readonly entries: { readonly key: Buffer; readonly value: Buffer }[];
}

/** An append never spans blocks; a block is closed when the next append would overfill it. */
function* toBlocks(group: readonly PendingWrite[]): Generator<NewBlock> {
  let start = 0;
  while (start < group.length) {
    let end = start;
    let size = 4;
    while (end < group.length && (end === start || size + group[end]!.bytes <= BLOCK_BYTES)) {
      size += group[end]!.bytes;
      end += 1;
    }
    yield toBlock(group.slice(start, end), size);
    start = end;
  }
}

function toBlock(writes: readonly PendingWrite[], size: number): NewBlock {
  const firstPosition = writes[0]!.firstPosition;
  const bytes = Buffer.allocUnsafe(size);
  const entries: { key: Buffer; value: Buffer }[] = [];
  let at = 4;
  let place = 0;
  for (const write of writes) {
    const count = write.records.length;
    const value = Buffer.allocUnsafe(18);
    value.writeUIntLE(firstPosition, 0, 6);
    value.writeUInt32LE(at, 6);
    value.writeUInt32LE(place, 10);
    value.writeUInt32LE(count, 14);
    const last = write.tombstone ? INDEX_TOMBSTONE : write.firstRevision + count - 1;
    entries.push({ key: indexKey(streamKey(write.stream), last), value });
    for (const record of write.records) {
      record.copy(bytes, at);
      at += record.length;
    }
    place += count;
  }
  bytes.writeUInt32LE(place, 0);
  return { firstPosition, bytes, entries };
}

const dataBytes = (records: readonly NewRecord[]): number =>
  records.reduce((sum, record) => sum + byteLength(record.data), 0);

/** Names that are long or hold the separator are keyed by hash. */
function streamKey(stream: string): Buffer {
  const length = Buffer.byteLength(stream);
  if (length > 512 || stream.includes('\0')) {
    const hash = createHash('sha256').update(stream).digest();
    return Buffer.concat([Buffer.of(2), hash, Buffer.of(0)]);
  }
  const key = Buffer.allocUnsafe(length + 2);
  key[0] = 1;
  key.write(stream, 1);
  key[length + 1] = 0;
  return key;
}

function indexKey(prefix: Buffer, lastRevision: number): Buffer {
  const key = Buffer.allocUnsafe(prefix.length + 6);
  prefix.copy(key);
  key.writeUIntBE(Math.min(Math.max(lastRevision, 0), INDEX_TOMBSTONE), prefix.length, 6);
  return key;
}

function indexEntry(key: Buffer, value: Buffer): IndexEntry {
  return {
    last: key.readUIntBE(key.length - 6, 6),
    block: value.readUIntLE(0, 6),
    offset: value.readUInt32LE(6),
    place: value.readUInt32LE(10),
    count: value.readUInt32LE(14),
  };
}

function viewOf(block: Block, position: number): RecordView {
  const view = new RecordView(block.bytes, 4, block.firstPosition);
  while (view.position < position) view.next();
  return view;
}

function offsetsOf(block: Block, upTo: number): number[] {
  const offsets: number[] = [];
  let at = 4;
  for (let position = block.firstPosition; position <= upTo; position += 1) {
    offsets.push(at);
    at += block.bytes.readUInt32LE(at);
  }
  return offsets;
}

function parseStreamMetadata(text: string): StreamMetadata {
  const { $maxCount, $maxAge, $tb } = parseObject(text) ?? {};
  return {
    text,
    ...(typeof $maxCount === 'number' && $maxCount > 0 ? { maxCount: $maxCount } : {}),
    ...(typeof $maxAge === 'number' && $maxAge > 0 ? { maxAgeS: $maxAge } : {}),
    ...(typeof $tb === 'number' && $tb >= 0 ? { truncateBefore: $tb } : {}),
  };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function refusal(kind: 'conflict' | 'deleted' | 'repeated' | 'new', stream: string, head: Head): EventLogError {
  if (kind === 'deleted') return new EventLogError('STREAM_DELETED', `Event stream '${stream}' is deleted.`);
  const actual = head.last < 0 ? null : head.last;
  return new EventLogError('WRONG_EXPECTED_REVISION', `stream '${stream}' is at ${actual ?? 'no event'}`, actual);
}

export function unavailable(message: string, cause?: unknown): EventLogError {
  return new EventLogError('STORE_UNAVAILABLE', message, undefined, { cause });
}
