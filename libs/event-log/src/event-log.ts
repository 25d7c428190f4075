/** A place in the one order of the log. Opaque and ordered as a string; `compare` with `<`, never do arithmetic. */
export type Position = string;

export type ExpectedRevision = number | 'no_stream' | 'stream_exists' | 'any';

export type JsonObject = Record<string, unknown>;

export interface NewEvent {
  readonly id: string;
  readonly type: string;
  readonly data: JsonObject;
  readonly metadata: JsonObject;
}

export interface RecordedEvent extends NewEvent {
  readonly stream: string;
  /** 0 for the first event of the stream. */
  readonly revision: number;
  readonly position: Position;
  /** When the store took it, ms since the Unix epoch (spec §2.3: the store's `created`). */
  readonly recordedAtMs: number;
}

export interface Append {
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
  readonly events: readonly NewEvent[];
}

export interface AppendResult {
  /** Revision of the stream's last event after the append. */
  readonly revision: number;
  /** Position of the append's last event. */
  readonly position: Position;
}

export interface AppendedBehind {
  readonly ahead: readonly (AppendResult | EventLogError)[];
  /** Null when one of those ahead failed: then it was not tried. */
  readonly last: AppendResult | EventLogError | null;
}

/** What to let through; both given: both must hold. Empty arrays let nothing through. */
export interface LogFilter {
  readonly streamPrefixes?: readonly string[];
  readonly eventTypes?: readonly string[];
}

export interface ReadStreamOptions {
  /** Forwards: first revision to return (default 0). Backwards: the highest (default the last). */
  readonly fromRevision?: number;
  readonly direction?: 'forwards' | 'backwards';
  readonly limit?: number;
}

export interface ReadAllOptions {
  /** Exclusive: forwards the answer begins after it, backwards before it. Omitted: from the start (the end). */
  readonly after?: Position;
  readonly direction?: 'forwards' | 'backwards';
  readonly limit: number;
  readonly filter?: LogFilter;
}

export interface ReadAllPage {
  readonly events: readonly RecordedEvent[];
  /** Where the next page goes on (`after`), also when the filter let nothing through; null at the end of the log. */
  readonly next: Position | null;
}

export interface SubscribeOptions {
  /** Exclusive; omitted: from the first event ever. */
  readonly after?: Position;
  readonly filter?: LogFilter;
  /** At most so many events a batch (default 2000). */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
}

export interface SubscriptionBatch {
  /** In log order; empty when only the caught-up state or the scanned position changed. */
  readonly events: readonly RecordedEvent[];
  /** True when nothing more was in the log at the time of reading. */
  readonly caughtUp: boolean;
  /** All of the log up to here was scanned and what passed the filter was delivered; null before anything was scanned. */
  readonly scannedTo: Position | null;
}

/**
 * The one append-only log. Two implementations (EventStoreDB, embedded LMDB), one contract suite.
 *
 * Guarantees: an append is all or nothing and durable (fsynced, or acknowledged by EventStoreDB) when its promise
 * resolves; the same event ids with the same expected revision again is the same append and answers alike; readers see
 * events in one order, per stream equal to revisions.
 * Errors: `EventLogError` with `code` WRONG_EXPECTED_REVISION | STREAM_DELETED | STORE_UNAVAILABLE | APPEND_TOO_LARGE.
 */
export interface EventLog {
  append(append: Append): Promise<AppendResult>;
  /** Several streams in one round trip. Each append is atomic by itself; the outcomes come in order, failures as errors. */
  appendMany(appends: readonly Append[]): Promise<readonly (AppendResult | EventLogError)[]>;
  /**
   * As `appendMany` of `ahead`, and `last` only when all of them are stored: it is never there without them. One commit where
   * the store keeps the order, else two round trips.
   */
  appendBehind(ahead: readonly Append[], last: Append): Promise<AppendedBehind>;
  /** Events of one stream; empty when it does not exist or was soft-deleted. */
  readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]>;
  readAll(options: ReadAllOptions): Promise<ReadAllPage>;
  /**
   * Live subscription with back-pressure: the next batch is read when the consumer asks for it. Ends when the signal
   * aborts; throws STORE_UNAVAILABLE when the connection is lost (the caller supervises and resumes after what it handled).
   */
  subscribe(options?: SubscribeOptions): AsyncIterable<SubscriptionBatch>;
  /** Position of the last event; null while the log is empty. */
  head(): Promise<Position | null>;
  /** Soft delete: the stream reads as empty; a later append goes on with the next revision. */
  deleteStream(stream: string, expectedRevision: ExpectedRevision): Promise<void>;
  close(): Promise<void>;
}

export type EventLogErrorCode = 'WRONG_EXPECTED_REVISION' | 'STREAM_DELETED' | 'STORE_UNAVAILABLE' | 'APPEND_TOO_LARGE';

export class EventLogError extends Error {
  constructor(
    readonly code: EventLogErrorCode,
    message: string,
    /** WRONG_EXPECTED_REVISION: the stream's last revision, or null when there is no such stream. */
    readonly actualRevision?: number | null,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'EventLogError';
  }
}
