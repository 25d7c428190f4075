import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  EventLogError,
  type EventLog,
  type LogFilter,
  type Position,
  type RecordedEvent,
} from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import type { Encoder, EncoderContext } from './encoders.js';
import { GrowingTables } from './growing-tables.js';
import { HistoryDigest, type HeldHistory } from './held-history.js';
import { HistoryMoved, type HistoryStore } from './history-store.js';
import { SegmentUnreadable } from './segment-file.js';
import type { HistoryTables, RowSink, Table } from './table.js';

export interface HistoryKeeperOptions {
  readonly log: EventLog;
  readonly store: HistoryStore;
  readonly encodersOf: (context: EncoderContext) => readonly Encoder[];
  readonly onNotice?: (notice: KeeperNotice) => void;
  /** What is in memory is written at least so often (default 30 s) and whenever it is so many events (default 32,768). */
  readonly flushEveryMs?: number;
  readonly flushEvents?: number;
  /** Once caught up, what happens is gathered for so long (default 100 ms) unless somebody waits for it. */
  readonly gatherMs?: number;
}

export type KeeperNotice =
  /** An event that an encoder cannot read: none of its rows is in the history. */
  | {
      readonly kind: 'not_encoded';
      readonly stream: string;
      readonly revision: number;
      readonly type: string;
      readonly error: unknown;
    }
  /** Said once until it works again. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  | { readonly kind: 'resumed' }
  /** The history was of another log: it is written anew. */
  | { readonly kind: 'other_log' }
  /** A defect: tried again, slowly. */
  | { readonly kind: 'failed'; readonly error: unknown };

export interface HistoryVerification {
  readonly position: Position | null;
  readonly equal: boolean;
  /** Digests of what is kept and of the log encoded anew up to the same position. */
  readonly kept: string;
  readonly anew: string;
}

/** A few ms of the event loop; others get their turn after each. */
const BATCH = 250;
/** So long a reader waits for a damaged segment to be written anew. */
const REWRITE_MS = 60_000;
const FIRST_BACK_OFF_MS = 100;
const LAST_BACK_OFF_MS = 5_000;
/** So many times `flushEvents` wait in memory for a full disk; then the history falls behind. */
const PATIENCE = 4;

/** Every table there is, for whoever opens the store first. */
export const tablesOf = (encodersOf: HistoryKeeperOptions['encodersOf']): readonly Table[] =>
  encodersOf({ readStream: () => Promise.resolve([]) }).flatMap(({ tables }) => tables);

/** Follows the log and keeps the history's tables: the same log gives the same tables, whatever happened on the way. */
export class HistoryKeeper {
  readonly #options: HistoryKeeperOptions;
  readonly tables: readonly Table[];
  readonly #filter: LogFilter;
  readonly #stopping = new AbortController();
  #follow = new AbortController();
  #running: Promise<void> | null = null;
  #flushTimer: NodeJS.Timeout | null = null;
  #waiters: { readonly position: Position; readonly resolve: (reached: boolean) => void }[] = [];
  #hurry: () => void = () => undefined;
  /** Also while nothing was found that belongs into the history. */
  #scannedTo: Position | null = null;
  #isTroubled = false;
  #backOffMs = FIRST_BACK_OFF_MS;

  constructor(options: HistoryKeeperOptions) {
    this.#options = options;
    const encoders = this.#newEncoders();
    this.tables = encoders.flatMap(({ tables }) => tables);
    this.#filter = { streamPrefixes: [...new Set(encoders.flatMap(prefixesOf))].sort() };
  }

  get position(): Position | null {
    return this.#options.store.position;
  }

  /** Follows the log until `stop`. */
  start(): void {
    if (this.#running !== null) return;
    const { flushEveryMs = 30_000, store } = this.#options;
    store.onMoved = () => this.#follow.abort();
    this.#flushTimer = setInterval(() => void store.flush(), flushEveryMs);
    this.#flushTimer.unref();
    this.#running = this.#supervise();
  }

  /** Writes what is in memory. Whoever waits is told that it was not reached. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#follow.abort();
    this.#hurry();
    if (this.#flushTimer !== null) clearInterval(this.#flushTimer);
    await this.#running;
    for (const { resolve } of this.#waiters.splice(0)) resolve(false);
    await this.#options.store.flush();
  }

  /** Whether the log is in up to `position`, waiting for it `timeoutMs` at most. */
  caughtUp(position: Position, timeoutMs: number): Promise<boolean> {
    if (this.#isBeyond(position)) return Promise.resolve(true);
    if (this.#stopping.signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiter = {
        position,
        resolve: (reached: boolean) => {
          clearTimeout(timer);
          resolve(reached);
        },
      };
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        resolve(false);
      }, timeoutMs);
      this.#waiters.push(waiter);
      this.#hurry();
    });
  }

  /** What `use` makes of everything up to now; again when a segment turned out to be damaged, once it is written anew. */
  async using<T>(use: (held: HeldHistory) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const held = this.#options.store.hold();
      try {
        return await use(held);
      } catch (error) {
        const head = await this.#options.log.head();
        if (!(error instanceof SegmentUnreadable) || attempt === 3 || head === null) throw error;
        if (!(await this.caughtUp(head, REWRITE_MS))) throw error;
      } finally {
        await held.release();
      }
    }
  }

  /** These tables whole. */
  read(tables: readonly Table[] = this.tables): Promise<HistoryTables> {
    return this.using((held) => held.read(tables));
  }

  /** Encodes the log anew, in memory, and compares: what is kept must be what the log gives. */
  verify(): Promise<HistoryVerification> {
    return this.using(async (held) => ({ position: held.position, ...(await this.#compare(held, held.position)) }));
  }

  /** Events that are not in yet, up to 1,000, and the age of the oldest. Reads the log. */
  async lag(nowMs: number): Promise<{ readonly events: number; readonly seconds: number }> {
    const after = this.#scannedTo;
    const { events } = await this.#options.log.readAll({
      ...(after === null ? {} : { after }),
      filter: this.#filter,
      limit: 1_000,
    });
    const [oldest] = events;
    if (oldest === undefined) return { events: 0, seconds: 0 };
    return { events: events.length, seconds: Math.max(0, (nowMs - effectiveRecordedAtMs(oldest)) / 1_000) };
  }

  async #compare(held: HeldHistory, until: Position | null): Promise<{ equal: boolean; kept: string; anew: string }> {
    const kept = await held.digest();
    const tables = new GrowingTables();
    const encoding = new Encoding(() => this.#newEncoders(), this.#options.onNotice);
    const digest = new HistoryDigest();
    const add = (): void => {
      const extent = tables.extent();
      for (const table of this.tables) {
        const { begin, end } = tables.rowsOf(table);
        digest.add(table, tables.columns(table, begin, end));
      }
      tables.dropRows(extent);
    };
    if (until !== null) {
      for (let after: Position | undefined; ;) {
        const page = await this.#options.log.readAll({
          ...(after === undefined ? {} : { after }),
          filter: this.#filter,
          limit: 1_000,
        });
        const events = page.events.filter(({ position }) => position <= until);
        const mark = tables.extent();
        await encoding.encode(events, tables, () => tables.truncate(mark));
        add();
        if (page.next === null || page.next >= until) break;
        after = page.next;
      }
    }
    const anew = digest.finish(this.tables, tables, tables.extent());
    return { equal: kept === anew, kept, anew };
  }

  async #supervise(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#begin();
        await this.#followLog();
      } catch (error) {
        this.#options.store.rollback();
        if (this.#stopping.signal.aborted) return;
        if (error instanceof HistoryMoved) continue;
        this.#report(error);
        await sleep(this.#backOffMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        this.#backOffMs = Math.min(LAST_BACK_OFF_MS, 2 * this.#backOffMs);
      }
    }
  }

  /** The files may outlive a log that was deleted or taken back, and their positions mean nothing in the next one. */
  async #begin(): Promise<void> {
    const { log, onNotice, store } = this.#options;
    this.#follow = new AbortController();
    if (this.#stopping.signal.aborted) this.#follow.abort();
    store.rollback();
    this.#scannedTo = null;
    if (store.position === null) return;
    const { events } = await log.readAll({ filter: this.#filter, limit: 1 });
    const [first] = events;
    const head = await log.head();
    const isSame = first !== undefined && store.log === nameOf(first) && head !== null && head >= store.position;
    if (isSame) {
      this.#reached(store.position);
      return;
    }
    onNotice?.({ kind: 'other_log' });
    await store.clear();
    this.#follow = new AbortController();
    if (this.#stopping.signal.aborted) this.#follow.abort();
  }

  async #followLog(): Promise<void> {
    const { flushEvents = 32_768, gatherMs = 100, log, store } = this.#options;
    const { signal } = this.#follow;
    const encoding = new Encoding(() => this.#newEncoders(), this.#options.onNotice);
    let at = store.position;
    const subscription = log.subscribe({
      ...(at === null ? {} : { after: at }),
      filter: this.#filter,
      batchSize: BATCH,
      signal,
    });
    for await (const { caughtUp, events, scannedTo } of subscription) {
      if (signal.aborted) return;
      this.#recovered();
      const from = at;
      const fresh = from === null ? events : events.filter(({ position }) => position > from);
      const { sink } = store;
      await encoding.encode(fresh, sink, () => store.rollback());
      const to = scannedTo ?? fresh.at(-1)?.position ?? null;
      if (to !== null && (from === null || to > from) && (store.log !== null || fresh.length > 0)) {
        store.log ??= nameOf(fresh[0] as RecordedEvent);
        store.advance(from, to, fresh.length);
        at = to;
      }
      if (to !== null) this.#reached(to);
      if (store.stats.pendingEvents >= flushEvents) await this.#written(flushEvents, signal);
      if (caughtUp && !signal.aborted) await this.#gathered(gatherMs, signal);
    }
  }

  #newEncoders(): readonly Encoder[] {
    const { encodersOf, log } = this.#options;
    return encodersOf({
      readStream: async (stream, toRevision) => {
        const events = await log.readStream(stream, { limit: toRevision + 1 });
        return events.filter(({ revision }) => revision <= toRevision);
      },
    });
  }

  /** Until what waits in memory is on the disk, or may go on waiting there. */
  async #written(flushEvents: number, signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    while (!(await store.flush()) && store.stats.pendingEvents >= PATIENCE * flushEvents && !signal.aborted) {
      await sleep(LAST_BACK_OFF_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Few large steps cost less than many small ones. */
  async #gathered(gatherMs: number, signal: AbortSignal): Promise<void> {
    if (gatherMs === 0 || this.#waiters.length > 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#hurry = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, gatherMs);
      signal.addEventListener('abort', done, { once: true });
      this.#hurry = done;
    });
  }

  #isBeyond(position: Position): boolean {
    return this.#scannedTo !== null && this.#scannedTo >= position;
  }

  #reached(position: Position): void {
    this.#scannedTo = position;
    if (this.#waiters.length === 0) return;
    const reached = this.#waiters.filter((waiter) => waiter.position <= position);
    this.#waiters = this.#waiters.filter((waiter) => waiter.position > position);
    for (const { resolve } of reached) resolve(true);
  }

  #report(error: unknown): void {
    const { onNotice } = this.#options;
    if (error instanceof EventLogError && error.code === 'STORE_UNAVAILABLE') {
      if (!this.#isTroubled) onNotice?.({ kind: 'unavailable', reason: error.message });
      this.#isTroubled = true;
    } else {
      onNotice?.({ kind: 'failed', error });
    }
  }

  #recovered(): void {
    this.#backOffMs = FIRST_BACK_OFF_MS;
    if (!this.#isTroubled) return;
    this.#isTroubled = false;
    this.#options.onNotice?.({ kind: 'resumed' });
  }
}

/** One uninterrupted reading of the log. */
export class Encoding {
  #encoders: readonly Encoder[];

  constructor(
    private readonly newEncoders: () => readonly Encoder[],
    private readonly onNotice: HistoryKeeperOptions['onNotice'],
  ) {
    this.#encoders = newEncoders();
  }

  /**
   * Rows of these events, in order. An encoder that throws at one is left out for this event: everything is taken back and encoded
   * again without it, so that no half-told event, lead or code stays.
   */
  async encode(events: readonly RecordedEvent[], sink: RowSink, takeBack: () => void): Promise<void> {
    const leftOut = new Map<RecordedEvent, Set<number>>();
    for (;;) {
      const failure = await this.#tryEncode(events, sink, leftOut);
      if (failure === null) return;
      const { encoder, error, event } = failure;
      takeBack();
      this.#encoders = this.newEncoders();
      leftOut.set(event, (leftOut.get(event) ?? new Set()).add(encoder));
      const { revision, stream, type } = event;
      this.onNotice?.({ kind: 'not_encoded', stream, revision, type, error });
    }
  }

  async #tryEncode(
    events: readonly RecordedEvent[],
    sink: RowSink,
    leftOut: ReadonlyMap<RecordedEvent, ReadonlySet<number>>,
  ): Promise<{ event: RecordedEvent; encoder: number; error: unknown } | null> {
    for (const event of events) {
      const without = leftOut.size === 0 ? undefined : leftOut.get(event);
      for (let index = 0; index < this.#encoders.length; index += 1) {
        const encoder = this.#encoders[index] as Encoder;
        if (without?.has(index) || !prefixesOf(encoder).some((prefix) => event.stream.startsWith(prefix))) continue;
        try {
          const pending = encoder.encode(event, sink);
          if (pending !== undefined) await pending;
        } catch (error) {
          // The log's trouble, not the event's.
          if (error instanceof EventLogError && error.code === 'STORE_UNAVAILABLE') throw error;
          return { event, encoder: index, error };
        }
      }
    }
    return null;
  }
}

const LEADS = ['lead-'];
const prefixesOf = ({ streamPrefixes }: Encoder): readonly string[] => streamPrefixes ?? LEADS;

/** Names a log by its first event, whose id itself is nobody's business here. */
const nameOf = ({ id }: RecordedEvent): string => createHash('sha256').update(id).digest('hex');
