import { EmbeddedStore, unavailable, type Written } from './embedded-store.js';
import {
  type Append,
  type AppendedBehind,
  type AppendResult,
  EventLogError,
  type EventLog,
  type ExpectedRevision,
  type JsonObject,
  type LogFilter,
  type Position,
  type ReadAllOptions,
  type ReadAllPage,
  type ReadStreamOptions,
  type RecordedEvent,
  type SubscribeOptions,
  type SubscriptionBatch,
} from './event-log.js';
import { positionOf, positionToNumber } from './position.js';
import type { NewRecord, RecordView } from './stored-record.js';

const DEFAULT_BATCH = 2000;
const INDEXED_APPENDS = 5000;

/** The log in this process, on LMDB, under one directory that one process may have open. */
export class EmbeddedLog implements EventLog {
  /** The bytes underneath, for the wire endpoint. */
  readonly store: EmbeddedStore;

  private constructor(store: EmbeddedStore) {
    this.store = store;
  }

  /** `clock` gives the events' recorded time. Throws STORE_UNAVAILABLE when `dir` is in use or cannot be written. */
  static async open(options: { dir: string; clock: { nowMs(): number } }): Promise<EmbeddedLog> {
    return new EmbeddedLog(await EmbeddedStore.open(options));
  }

  /**
   * The log that another thread of this process has open, for reading: `advance`, `release` and `resume` of its `store` are to be
   * called when that one's `store.tell` says so. Appends are refused with STORE_UNAVAILABLE.
   */
  static async follow(options: { dir: string; clock: { nowMs(): number } }): Promise<EmbeddedLog> {
    return new EmbeddedLog(await EmbeddedStore.follow(options));
  }

  async append({ stream, expectedRevision, events }: Append): Promise<AppendResult> {
    return resultOf(await this.store.append(stream, expectedRevision, events.map(toRecord)));
  }

  appendMany(appends: readonly Append[]): Promise<readonly (AppendResult | EventLogError)[]> {
    return Promise.all(appends.map((append) => this.append(append).catch(eventLogErrorOf)));
  }

  async appendBehind(ahead: readonly Append[], last: Append): Promise<AppendedBehind> {
    const begun = ahead.map((append) => this.#appendNow(append));
    // All taken already: commits keep the order, and what fails takes along what is behind it.
    const own = begun.includes(null) ? undefined : this.#appendNow(last)?.catch(eventLogErrorOf);
    const outcomes = await Promise.all(
      begun.map((taken, n) => (taken ?? this.append(ahead[n]!)).catch(eventLogErrorOf)),
    );
    if (own !== undefined) return { ahead: outcomes, last: await own };
    if (outcomes.some((outcome) => outcome instanceof EventLogError)) return { ahead: outcomes, last: null };
    return { ahead: outcomes, last: await this.append(last).catch(eventLogErrorOf) };
  }

  /** Null when it has to wait for something first; then nothing has happened. */
  #appendNow({ stream, expectedRevision, events }: Append): Promise<AppendResult> | null {
    const taken = this.store.appendNow(stream, expectedRevision, events.map(toRecord));
    return taken === null ? null : taken.then(resultOf);
  }

  async readStream(stream: string, options: ReadStreamOptions = {}): Promise<readonly RecordedEvent[]> {
    const { fromRevision, direction, limit } = options;
    await this.store.readable();
    const { state, items } = reading(() =>
      this.store.readStream(
        stream,
        {
          ...(fromRevision === undefined ? {} : { from: fromRevision }),
          ...(direction ? { direction } : {}),
          limit: limit ?? Infinity,
        },
        toEvent,
      ),
    );
    if (state === 'deleted') throw new EventLogError('STREAM_DELETED', `Event stream '${stream}' is deleted.`);
    return items;
  }

  async readAll({ after, direction, limit, filter }: ReadAllOptions): Promise<ReadAllPage> {
    const decode = decodeWith(filter);
    const events: RecordedEvent[] = [];
    const backwards = direction === 'backwards';
    let from = after === undefined ? (backwards ? Infinity : 1) : positionToNumber(after) + (backwards ? -1 : 1);
    await this.store.readable();
    const few = backwards || !filter?.streamPrefixes ? null : this.#few(filter.streamPrefixes, from - 1);
    if (few !== null) {
      for (const [index, position] of few.entries()) {
        const { items } = reading(() => this.store.readAll({ from: position, limit: 1, scanLimit: 1 }, decode));
        events.push(...items);
        if (events.length >= limit && index + 1 < few.length) return { events, next: positionOf(position) };
      }
      return { events, next: null };
    }
    for (;;) {
      await this.store.readable();
      const slice = reading(() =>
        this.store.readAll({ from, direction: direction ?? 'forwards', limit: limit - events.length }, decode),
      );
      events.push(...slice.items);
      if (slice.atEnd) return { events, next: null };
      if (events.length >= limit) return { events, next: positionOf(slice.scannedTo) };
      from = slice.scannedTo + (backwards ? -1 : 1);
      await nextTurn();
    }
  }

  /** Configuration, keys: a few streams of a long log are found by the index, and the rest of it stays unread. */
  #few(prefixes: readonly string[], after: number): number[] | null {
    return reading(() => this.store.positionsOf(prefixes, after, INDEXED_APPENDS));
  }

  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<SubscriptionBatch, void, undefined> {
    const { signal, filter, batchSize = DEFAULT_BATCH } = options;
    const decode = decodeWith(filter);
    let scannedTo = options.after === undefined ? 0 : positionToNumber(options.after);
    let reported = -1;
    while (!signal?.aborted) {
      if (this.store.closed) throw unavailable('the log is closed');
      await this.store.readable();
      const from = scannedTo + 1;
      const slice = reading(() => this.store.readAll({ from, limit: batchSize }, decode));
      scannedTo = Math.max(scannedTo, slice.scannedTo);
      if (slice.items.length > 0 || scannedTo > reported) {
        reported = scannedTo;
        yield {
          events: slice.items,
          caughtUp: slice.atEnd,
          scannedTo: scannedTo === 0 ? null : positionOf(scannedTo),
        };
        // others get their turn however fast the consumer is
        await nextTurn();
      }
      if (slice.atEnd) await this.store.waitBeyond(scannedTo, signal);
    }
  }

  async head(): Promise<Position | null> {
    if (this.store.closed) throw unavailable('the log is closed');
    return this.store.head === 0 ? null : positionOf(this.store.head);
  }

  async deleteStream(stream: string, expectedRevision: ExpectedRevision): Promise<void> {
    await this.store.delete(stream, expectedRevision, 'soft');
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

const resultOf = ({ revision, position }: Written): AppendResult => ({ revision, position: positionOf(position) });

function eventLogErrorOf(error: unknown): EventLogError {
  if (error instanceof EventLogError) return error;
  throw error;
}

function toRecord({ id, type, data, metadata }: Append['events'][number]): NewRecord {
  return { id, type, isJson: true, data: JSON.stringify(data), metadata: metadataText(metadata) };
}

/** Events of one command mostly share one metadata object and come one after the other. */
let lastMetadata: JsonObject | undefined;
let lastMetadataText = '';
function metadataText(metadata: JsonObject): string {
  if (metadata !== lastMetadata) {
    lastMetadataText = JSON.stringify(metadata);
    lastMetadata = metadata;
  }
  return lastMetadataText;
}

/** System events (EventStoreDB's `$` names) and what is no JSON object are not ours: the same as the other implementation. */
function toEvent(record: RecordView): RecordedEvent | undefined {
  const type = record.type;
  return !record.isJson || type.startsWith('$') ? undefined : eventOf(record, record.stream, type);
}

function decodeWith(filter: LogFilter | undefined): (record: RecordView) => RecordedEvent | undefined {
  const types = filter?.eventTypes ? new Set(filter.eventTypes) : null;
  const prefixes = filter?.streamPrefixes;
  return (record) => {
    const type = record.type;
    if (!record.isJson || type.startsWith('$') || (types && !types.has(type))) return undefined;
    const stream = record.stream;
    if (stream.startsWith('$') || (prefixes && !prefixes.some((prefix) => stream.startsWith(prefix)))) return undefined;
    return eventOf(record, stream, type);
  };
}

function eventOf(record: RecordView, stream: string, type: string): RecordedEvent | undefined {
  const data = objectIn(record.dataText);
  if (!data) return undefined;
  return {
    id: record.id,
    type,
    data,
    metadata: objectIn(record.metadataText) ?? {},
    stream,
    revision: record.revision,
    position: positionOf(record.position),
    recordedAtMs: record.createdMs,
  };
}

function objectIn(text: string): JsonObject | undefined {
  if (text === '') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** A reader whose files are just being opened again sees the same error as any other. */
function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof EventLogError) throw error;
    throw unavailable(`the log could not be read: ${(error as Error).message}`, error);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
