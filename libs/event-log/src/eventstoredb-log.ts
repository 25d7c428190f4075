import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AllStreamSubscription,
  type AppendExpectedRevision,
  CancelledError,
  DeadlineExceededError,
  type EventData,
  EventStoreDBClient,
  eventTypeFilter,
  jsonEvent,
  MaxAppendSizeExceededError,
  type Position as LogPosition,
  type ResolvedEvent,
  START,
  StreamDeletedError,
  StreamNotFoundError,
  streamNameFilter,
  UnavailableError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
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
import { positionOf, positionToBigInt } from './position.js';

const DEFAULT_DEADLINE_MS = 10_000;
const DEFAULT_BATCH = 2000;
const PAGE = 1000;
/** Events that the live feed keeps for its subscribers; who is further behind reads from the server again. */
const FEED_EVENTS = 1024;
/** How long a new subscriber waits for the feed to show what was acknowledged before. */
const FRESHNESS_MS = 1_000;
/** A batch is handed on after this time, full or not. */
const LINGER_MS = 10;
/** A server that stays silent so long while catching up is one that sends no caught-up message (before 23.10). */
const SILENCE_MS = 3_000;

interface Scanned {
  readonly events: readonly RecordedEvent[];
  readonly scannedTo: Position;
}

/** The log in an EventStoreDB (22.10 or later) or KurrentDB, single node or cluster. */
export class EventStoreDBLog implements EventLog {
  readonly #client: EventStoreDBClient;
  readonly #deadlineMs: number;
  #feed: Promise<LiveFeed> | null = null;
  #feedUsers = 0;
  #closed = false;

  private constructor(client: EventStoreDBClient, deadlineMs: number) {
    this.#client = client;
    this.#deadlineMs = deadlineMs;
  }

  /**
   * `url`: `esdb://…` as EventStoreDB documents it. Connects when first used. Whatever the server leaves unanswered for
   * `deadlineMs` (default 10 s) fails as STORE_UNAVAILABLE.
   */
  static connect(options: { url: string; deadlineMs?: number }): EventStoreDBLog {
    return new EventStoreDBLog(
      EventStoreDBClient.connectionString(options.url),
      options.deadlineMs ?? DEFAULT_DEADLINE_MS,
    );
  }

  async append({ stream, expectedRevision, events }: Append): Promise<AppendResult> {
    const attempt = (): ReturnType<EventStoreDBClient['appendToStream']> =>
      this.#client.appendToStream(stream, events.map(toEventData), {
        expectedRevision: toExpected(expectedRevision),
        deadline: this.#deadlineMs,
      });
    const result = await this.#within(() =>
      attempt().catch((error: unknown) => {
        // EventStoreDB lets a repeated append time out that comes before the first is replicated; then it knows it
        if (error instanceof DeadlineExceededError) return attempt();
        throw error;
      }),
    );
    return {
      revision: Number(result.nextExpectedRevision),
      position: positionOf(result.position?.commit ?? 0n),
    };
  }

  appendMany(appends: readonly Append[]): Promise<readonly (AppendResult | EventLogError)[]> {
    return Promise.all(
      appends.map((append) =>
        this.append(append).catch((error: unknown) => {
          if (error instanceof EventLogError) return error;
          throw error;
        }),
      ),
    );
  }

  async appendBehind(ahead: readonly Append[], last: Append): Promise<AppendedBehind> {
    const outcomes = await this.appendMany(ahead);
    if (outcomes.some((outcome) => outcome instanceof EventLogError)) return { ahead: outcomes, last: null };
    const [own] = await this.appendMany([last]);
    return { ahead: outcomes, last: own! };
  }

  async readStream(stream: string, options: ReadStreamOptions = {}): Promise<readonly RecordedEvent[]> {
    const { fromRevision, direction = 'forwards', limit } = options;
    if (limit !== undefined && limit <= 0) return [];
    const events: RecordedEvent[] = [];
    try {
      const frames = this.#frames(() =>
        this.#client.readStream(stream, {
          direction,
          fromRevision:
            fromRevision === undefined ? (direction === 'forwards' ? 'start' : 'end') : BigInt(fromRevision),
          ...(limit === undefined ? {} : { maxCount: limit }),
        }),
      );
      for await (const frame of frames) {
        const event = toRecorded(frame);
        if (event) events.push(event);
      }
    } catch (error) {
      if (error instanceof StreamNotFoundError) return [];
      throw translated(error);
    }
    return events;
  }

  async readAll({ after, direction = 'forwards', limit, filter }: ReadAllOptions): Promise<ReadAllPage> {
    const lets = matcher(filter);
    const events: RecordedEvent[] = [];
    let scannedTo = after;
    while (events.length < limit) {
      // forwards the server begins with the event at the position, which the caller has had
      const inclusive = direction === 'forwards' && scannedTo !== undefined ? 1 : 0;
      const maxCount = (filter ? PAGE : Math.min(PAGE, limit - events.length)) + inclusive;
      let frames = 0;
      const had = scannedTo;
      for await (const frame of this.#readAllFrames(had, direction, maxCount)) {
        frames += 1;
        const position = positionIn(frame);
        if (position === null || position === had || events.length >= limit) continue;
        scannedTo = position;
        const event = toRecorded(frame);
        if (event && lets(event)) events.push(event);
      }
      if (frames < maxCount) {
        if (events.length < limit || frames === 0) return { events, next: null };
        break;
      }
    }
    return { events, next: scannedTo ?? null };
  }

  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<SubscriptionBatch, void, undefined> {
    const { filter, signal, batchSize = DEFAULT_BATCH } = options;
    if (signal?.aborted) return;
    const feed = await this.#joinFeed();
    try {
      // the feed may lag behind what is acknowledged: nothing is called caught up before that has come
      const head = await this.head();
      await Promise.race([feed.reach(head ?? '', signal), sleep(FRESHNESS_MS, undefined, { ref: false })]);
      const lets = matcher(filter);
      let scannedTo = options.after ?? '';
      let reported: Position | null = null;
      while (!signal?.aborted) {
        feed.check();
        if (scannedTo < feed.coveredFrom) {
          for await (const part of this.#catchUp(scannedTo, feed.latest, { filter, lets, batchSize, signal })) {
            feed.check();
            scannedTo = part.scannedTo;
            reported = scannedTo;
            yield { ...part, caughtUp: scannedTo >= feed.latest };
          }
          continue;
        }
        const part = feed.after(scannedTo, lets, batchSize);
        scannedTo = part.scannedTo;
        if (part.events.length > 0 || reported === null || scannedTo > reported) {
          reported = scannedTo;
          yield {
            events: part.events,
            caughtUp: scannedTo >= feed.latest,
            scannedTo: scannedTo === '' ? null : scannedTo,
          };
        }
        await feed.reach(scannedTo, signal, 'beyond');
      }
    } finally {
      this.#leaveFeed(feed);
    }
  }

  async head(): Promise<Position | null> {
    for await (const frame of this.#readAllFrames(undefined, 'backwards', 1)) return positionIn(frame);
    return null;
  }

  async deleteStream(stream: string, expectedRevision: ExpectedRevision): Promise<void> {
    if (expectedRevision === 'stream_exists' && (await this.readStream(stream, { limit: 1 })).length === 0) {
      // the client cannot say it; a stream that exists now can only be deleted by someone else in between
      throw new EventLogError('WRONG_EXPECTED_REVISION', `stream '${stream}' does not exist`, null);
    }
    const expected = toExpected(expectedRevision);
    await this.#within(() =>
      this.#client.deleteStream(stream, {
        expectedRevision: expected === 'stream_exists' ? 'any' : expected,
        deadline: this.#deadlineMs,
      }),
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    (await this.#feed?.catch(() => null))?.stop(unavailable('the log is closed'));
    await this.#client.dispose();
    // the client itself never closes its connection
    const channel = await Promise.resolve(this.#client['getChannel']()).catch(() => null);
    channel?.close();
  }

  /**
   * What passes the filter after `after`, until everything up to `goal` has been delivered. A checkpoint of the server may
   * run ahead of an event it has not sent yet (KurrentDB issue 4970): it proves only what lies before it.
   */
  async *#catchUp(
    after: Position,
    goal: Position,
    options: {
      filter: LogFilter | undefined;
      lets: (event: RecordedEvent) => boolean;
      batchSize: number;
      signal: AbortSignal | undefined;
    },
  ): AsyncGenerator<Scanned, void, undefined> {
    const { filter, lets, batchSize, signal } = options;
    if (filter?.streamPrefixes?.length === 0 || filter?.eventTypes?.length === 0) {
      yield { events: [], scannedTo: goal };
      return;
    }
    let scannedTo = after;
    let passed = false;
    const pull = new Pull(
      this.#client.subscribeToAll(
        {
          fromPosition: after === '' ? START : toLogPosition(after),
          ...serverFilter(filter, (checkpoint) => {
            if (positionOf(checkpoint.commit) > goal) passed = true;
            pull.wake();
          }),
        },
        { highWaterMark: Math.min(batchSize, 500) },
      ),
      signal,
    );
    pull.subscription.on('caughtUp', () => {
      passed = true;
      pull.wake();
    });
    try {
      for (;;) {
        const events: RecordedEvent[] = [];
        let due = false;
        const linger = setTimeout(() => {
          due = true;
          pull.wake();
        }, LINGER_MS);
        let silent = false;
        try {
          while (events.length < batchSize && !silent) {
            // what came before the message that set it is in the buffer by now
            const complete = passed;
            const frame = pull.read();
            if (frame) {
              const position = positionIn(frame);
              const event = toRecorded(frame);
              if (event && lets(event)) events.push(event);
              if (position !== null) scannedTo = position;
              if (scannedTo >= goal) passed = true;
              continue;
            }
            if (complete || signal?.aborted || (due && events.length > 0)) break;
            silent = !(await pull.more(filter ? SILENCE_MS : this.#deadlineMs));
          }
        } finally {
          clearTimeout(linger);
        }
        if (signal?.aborted) return;
        const done = passed && pull.empty;
        if (done && scannedTo < goal) scannedTo = goal;
        if (events.length > 0 || done) yield { events, scannedTo };
        if (done) return;
        if (silent) break;
      }
    } catch (error) {
      throw translated(error);
    } finally {
      pull.stop();
    }
    if (!filter) throw unavailable('the server fell silent');
    while (scannedTo < goal) {
      const page = await this.readAll({ ...(scannedTo === '' ? {} : { after: scannedTo }), limit: batchSize, filter });
      scannedTo = page.next ?? goal;
      yield { events: page.events, scannedTo };
    }
  }

  #joinFeed(): Promise<LiveFeed> {
    if (this.#closed) throw unavailable('the log is closed');
    this.#feedUsers += 1;
    this.#feed ??= this.#startFeed();
    return this.#feed;
  }

  async #startFeed(): Promise<LiveFeed> {
    try {
      const head = await this.head();
      const feed = new LiveFeed(
        this.#client.subscribeToAll({ fromPosition: head === null ? START : toLogPosition(head) }),
        head ?? '',
        () => {
          this.#feed = null;
          this.#feedUsers = 0;
        },
      );
      return feed;
    } catch (error) {
      this.#feed = null;
      this.#feedUsers = 0;
      throw translated(error);
    }
  }

  #leaveFeed(feed: LiveFeed): void {
    // a feed that has failed has forgotten its users
    if (feed.failed) return;
    this.#feedUsers -= 1;
    if (this.#feedUsers === 0) feed.stop(unavailable('nobody subscribes any more'));
  }

  #readAllFrames(
    after: Position | undefined,
    direction: 'forwards' | 'backwards',
    maxCount: number,
  ): AsyncGenerator<ResolvedEvent> {
    const fromPosition = after === undefined ? (direction === 'forwards' ? 'start' : 'end') : toLogPosition(after);
    return this.#frames(() => this.#client.readAll({ fromPosition, direction, maxCount }));
  }

  /** The client's reads have no deadline of their own: here they end when the server stays silent. */
  async *#frames<T extends ResolvedEvent>(
    start: () => AsyncIterable<T> & { destroy(error?: Error): void; cancel(): Promise<void>; on: Listen },
  ): AsyncGenerator<T> {
    if (this.#closed) throw unavailable('the log is closed');
    const stream = start();
    // an error that comes when nobody reads any more must not end the process
    stream.on('error', () => {});
    const watch = setTimeout(
      () => stream.destroy(unavailable(`no answer within ${this.#deadlineMs} ms`)),
      this.#deadlineMs,
    );
    let ended = false;
    try {
      for await (const frame of stream) {
        watch.refresh();
        yield frame;
      }
      ended = true;
    } catch (error) {
      if (error instanceof StreamNotFoundError) throw error;
      throw translated(error);
    } finally {
      clearTimeout(watch);
      if (!ended) void stream.cancel().catch(() => {});
    }
  }

  async #within<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#closed) throw unavailable('the log is closed');
    let timer: NodeJS.Timeout | undefined;
    // a batch append has no deadline in the client; the server's own comes first when the server is alive
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(unavailable(`no answer within ${this.#deadlineMs} ms; the outcome is unknown`)),
        this.#deadlineMs + 250,
      );
    });
    try {
      return await Promise.race([operation(), late]);
    } catch (error) {
      throw translated(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

type Listen = (event: 'error', listener: (error: Error) => void) => unknown;

/**
 * One live subscription to everything, shared by all subscribers of this log: it keeps the last events, so that a
 * subscriber which has caught up costs no reading of its own, and tells how far the log has come.
 */
class LiveFeed {
  /** Everything after this position is in `#events`. */
  coveredFrom: Position;
  latest: Position;
  #events: RecordedEvent[] = [];
  #error: EventLogError | null = null;
  readonly #sleepers = new Set<() => void>();
  readonly #subscription: AllStreamSubscription;
  readonly #onEnd: () => void;

  constructor(subscription: AllStreamSubscription, from: Position, onEnd: () => void) {
    this.#subscription = subscription;
    this.coveredFrom = from;
    this.latest = from;
    this.#onEnd = onEnd;
    subscription.on('error', () => {});
    void this.#run();
  }

  get failed(): boolean {
    return this.#error !== null;
  }

  check(): void {
    if (this.#error) throw this.#error;
  }

  after(position: Position, lets: (event: RecordedEvent) => boolean, limit: number): Scanned {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#events[middle]!.position <= position) low = middle + 1;
      else high = middle;
    }
    const events: RecordedEvent[] = [];
    for (let n = low; n < this.#events.length; n += 1) {
      const event = this.#events[n]!;
      if (lets(event)) events.push(event);
      if (events.length === limit) return { events, scannedTo: event.position };
    }
    return { events, scannedTo: position > this.latest ? position : this.latest };
  }

  /** Resolves when the feed has come to `position` (or `beyond` it), or the signal aborts; throws when the feed fails. */
  async reach(position: Position, signal: AbortSignal | undefined, how: 'to' | 'beyond' = 'to'): Promise<void> {
    const there = (): boolean => (how === 'to' ? this.latest >= position : this.latest > position);
    while (!there() && !signal?.aborted) {
      this.check();
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#sleepers.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        this.#sleepers.add(wake);
        signal?.addEventListener('abort', wake);
      });
    }
    this.check();
  }

  stop(reason: EventLogError): void {
    if (this.#error) return;
    this.#error = reason;
    this.#onEnd();
    this.#wake();
    void this.#subscription.unsubscribe().catch(() => {});
    this.#subscription.destroy();
  }

  async #run(): Promise<void> {
    try {
      for await (const frame of this.#subscription) {
        const position = positionIn(frame);
        if (position === null || position <= this.latest) continue;
        this.latest = position;
        const event = toRecorded(frame);
        if (event) this.#keep(event);
        this.#wake();
      }
      this.stop(unavailable('the server ended the subscription'));
    } catch (error) {
      this.stop(translated(error));
    }
  }

  #keep(event: RecordedEvent): void {
    this.#events.push(event);
    if (this.#events.length < 2 * FEED_EVENTS) return;
    this.coveredFrom = this.#events[FEED_EVENTS - 1]!.position;
    this.#events = this.#events.slice(FEED_EVENTS);
  }

  #wake(): void {
    for (const wake of this.#sleepers) wake();
  }
}

/** Takes events out of a subscription as the caller asks for them; what the caller leaves is held back at the server. */
class Pull {
  readonly subscription: AllStreamSubscription;
  readonly #signal: AbortSignal | undefined;
  #error: unknown = null;
  #wake: () => void = () => {};
  readonly wake = (): void => this.#wake();

  constructor(subscription: AllStreamSubscription, signal: AbortSignal | undefined) {
    this.subscription = subscription;
    this.#signal = signal;
    const fail = (error: unknown): void => {
      this.#error ??= error;
      this.wake();
    };
    subscription.on('error', fail);
    subscription.on('end', () => fail(unavailable('the server ended the subscription')));
    subscription.on('readable', this.wake);
    signal?.addEventListener('abort', this.wake);
  }

  get empty(): boolean {
    return this.subscription.readableLength === 0;
  }

  read(): ResolvedEvent | null {
    const frame = this.subscription.read() as ResolvedEvent | null;
    if (!frame && this.#error) throw this.#error;
    return frame;
  }

  /** True when something happened, false after `silenceMs` in which nothing did. */
  async more(silenceMs: number): Promise<boolean> {
    if (this.#error || this.#signal?.aborted) return true;
    let timer: NodeJS.Timeout | undefined;
    const heard = await new Promise<boolean>((resolve) => {
      this.#wake = () => resolve(true);
      timer = setTimeout(() => resolve(false), silenceMs);
      if (!this.empty) resolve(true);
    });
    clearTimeout(timer);
    return heard;
  }

  stop(): void {
    this.#signal?.removeEventListener('abort', this.wake);
    void this.subscription.unsubscribe().catch(() => {});
    this.subscription.destroy();
  }
}

function toEventData({ id, type, data, metadata }: Append['events'][number]): EventData {
  return jsonEvent({ id, type, data, metadata });
}

function toExpected(expected: ExpectedRevision): AppendExpectedRevision {
  return typeof expected === 'number' ? BigInt(expected) : expected;
}

function toLogPosition(position: Position): LogPosition {
  const commit = positionToBigInt(position);
  return { commit, prepare: commit };
}

function positionIn({ event, commitPosition }: ResolvedEvent): Position | null {
  const commit = commitPosition ?? event?.position?.commit;
  return commit === undefined ? null : positionOf(commit);
}

/** Null for what is not ours: system events, links, what is not a JSON object. */
function toRecorded(frame: ResolvedEvent): RecordedEvent | null {
  const { event } = frame;
  const position = positionIn(frame);
  if (!event || position === null || !event.isJson) return null;
  if (event.type.startsWith('$') || !isObject(event.data)) return null;
  return {
    id: event.id,
    type: event.type,
    data: event.data,
    metadata: isObject(event.metadata) ? event.metadata : {},
    stream: event.streamId,
    revision: Number(event.revision),
    position,
    recordedAtMs: event.created.getTime(),
  };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** The server takes one kind of filter; `matcher` does the rest. */
function serverFilter(
  filter: LogFilter | undefined,
  onCheckpoint: (position: LogPosition) => void,
): Pick<NonNullable<Parameters<EventStoreDBClient['subscribeToAll']>[0]>, 'filter'> {
  const checkpointReached = async (_: unknown, position: LogPosition): Promise<void> => onCheckpoint(position);
  if (filter?.streamPrefixes) {
    return { filter: streamNameFilter({ prefixes: [...filter.streamPrefixes], checkpointReached }) };
  }
  if (filter?.eventTypes) {
    return { filter: eventTypeFilter({ prefixes: [...filter.eventTypes], checkpointReached }) };
  }
  return {};
}

function matcher(filter: LogFilter | undefined): (event: RecordedEvent) => boolean {
  const types = filter?.eventTypes ? new Set(filter.eventTypes) : null;
  const prefixes = filter?.streamPrefixes;
  return ({ type, stream }) =>
    !stream.startsWith('$') &&
    (!types || types.has(type)) &&
    (!prefixes || prefixes.some((prefix) => stream.startsWith(prefix)));
}

function translated(error: unknown): EventLogError {
  if (error instanceof EventLogError) return error;
  if (error instanceof WrongExpectedVersionError) {
    const actual = error.actualVersion;
    return new EventLogError(
      'WRONG_EXPECTED_REVISION',
      error.message,
      typeof actual === 'bigint' && actual >= 0n ? Number(actual) : null,
      { cause: error },
    );
  }
  if (error instanceof StreamDeletedError) {
    return new EventLogError('STREAM_DELETED', error.message, undefined, { cause: error });
  }
  if (error instanceof MaxAppendSizeExceededError) {
    return new EventLogError('APPEND_TOO_LARGE', error.message, undefined, { cause: error });
  }
  const lost = error instanceof UnavailableError || error instanceof CancelledError;
  return unavailable(
    `${lost ? 'the connection to the log was lost' : 'the log answered'}: ${(error as Error).message}`,
    error,
  );
}

function unavailable(message: string, cause?: unknown): EventLogError {
  return new EventLogError('STORE_UNAVAILABLE', message, undefined, { cause });
}
