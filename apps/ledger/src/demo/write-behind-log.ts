import { setImmediate as turn } from 'node:timers/promises';
import type { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import {
  type Append,
  type AppendedBehind,
  type AppendResult,
  EventLogError,
  type EventLog,
  type LogFilter,
  type Position,
  type ReadAllOptions,
  type ReadAllPage,
  type ReadStreamOptions,
  type RecordedEvent,
  type SubscribeOptions,
  type SubscriptionBatch,
} from '#libs/event-log/src/event-log.js';
import { positionOf, positionToNumber } from '#libs/event-log/src/position.js';

/** Events on their way to the disk at most. */
const MOST_UNDER_WAY = 3000;
const TURN_EVERY = 200;

/**
 * The embedded log for one writer that would rather lose everything than wait for the disk: an append is answered when it is
 * taken, and written with many others. Reading is as if all of it were written. `flushed`
 * rejects when anything was not written.
 */
export class WriteBehindLog implements EventLog {
  /** Events under way, by stream. */
  readonly #streams = new Map<string, RecordedEvent[]>();
  #last: Promise<unknown> = Promise.resolve();
  #failure: unknown = null;
  #position: number;
  #underWay = 0;
  #sinceTurn = 0;

  private constructor(
    private readonly log: EmbeddedLog,
    head: Position | null,
  ) {
    this.#position = head === null ? 0 : positionToNumber(head);
  }

  /** Nobody else may write to the log as long as this does. */
  static async on(log: EmbeddedLog): Promise<WriteBehindLog> {
    return new WriteBehindLog(log, await log.head());
  }

  async append(append: Append): Promise<AppendResult> {
    const { events, expectedRevision, stream } = append;
    if (this.#failure !== null) throw this.#failure;
    const known =
      typeof expectedRevision === 'number' ? expectedRevision : expectedRevision === 'no_stream' ? -1 : null;
    const taken =
      known === null || events.length === 0
        ? null
        : this.log.store.appendNow(stream, expectedRevision, recordsOf(events));
    if (taken === null || known === null) {
      await this.flushed();
      const result = await this.log.append(append);
      this.#position = Math.max(this.#position, positionToNumber(result.position));
      return result;
    }
    const recordedAtMs = this.log.store.clock.nowMs();
    const recorded = events.map((event, n) => ({
      ...event,
      stream,
      revision: known + 1 + n,
      position: positionOf(this.#position + 1 + n),
      recordedAtMs,
    }));
    this.#position += events.length;
    this.#follow(stream, recorded, taken);
    await this.#makeRoom(events.length);
    return { revision: known + events.length, position: positionOf(this.#position) };
  }

  async appendMany(appends: readonly Append[]): Promise<readonly (AppendResult | EventLogError)[]> {
    const outcomes: (AppendResult | EventLogError)[] = [];
    for (const append of appends) outcomes.push(await this.append(append).catch(eventLogErrorOf));
    return outcomes;
  }

  async appendBehind(ahead: readonly Append[], last: Append): Promise<AppendedBehind> {
    const outcomes = await this.appendMany(ahead);
    if (outcomes.some((outcome) => outcome instanceof EventLogError)) return { ahead: outcomes, last: null };
    return { ahead: outcomes, last: await this.append(last).catch(eventLogErrorOf) };
  }

  async readStream(stream: string, options: ReadStreamOptions = {}): Promise<readonly RecordedEvent[]> {
    // What is written meanwhile is in both and counts once.
    const underWay = [...(this.#streams.get(stream) ?? [])];
    if (underWay.length === 0) return this.log.readStream(stream, options);
    const { direction, fromRevision, limit = Infinity } = options;
    const from = direction === 'backwards' ? 0 : (fromRevision ?? 0);
    const to = direction === 'backwards' ? (fromRevision ?? Infinity) : Infinity;
    const written = await this.log.readStream(stream, { fromRevision: from });
    const firstMissing = Math.max(from, (written.at(-1)?.revision ?? -1) + 1);
    const missing = underWay.filter(({ revision }) => revision >= firstMissing).map(asWritten);
    const events = [...written, ...missing].filter(({ revision }) => revision <= to);
    return (direction === 'backwards' ? events.reverse() : events).slice(0, limit);
  }

  async readAll(options: ReadAllOptions): Promise<ReadAllPage> {
    const { after = '', direction, filter, limit } = options;
    if (direction === 'backwards') {
      await this.flushed();
      return this.log.readAll(options);
    }
    const underWay: RecordedEvent[] = [];
    for (const [stream, events] of this.#streams)
      if (mayPass(stream, filter))
        underWay.push(...events.filter((event) => event.position > after && hasType(event, filter)));
    // Whoever reads on mostly has all that is written.
    const isNews = after < positionOf(this.log.store.head);
    const page: ReadAllPage = isNews ? await this.log.readAll(options) : { events: [], next: null };
    if (page.next !== null || underWay.length === 0) return page;
    // What is written meanwhile is in both and counts once.
    const written = new Set(page.events.map(({ position }) => position));
    const missing = underWay.filter(({ position }) => !written.has(position)).map(asWritten);
    const events = [...page.events, ...missing].sort((a, b) => (a.position < b.position ? -1 : 1));
    return events.length <= limit
      ? { events, next: null }
      : { events: events.slice(0, limit), next: events[limit - 1]!.position };
  }

  async *subscribe(options?: SubscribeOptions): AsyncGenerator<SubscriptionBatch, void, undefined> {
    await this.flushed();
    yield* this.log.subscribe(options);
  }

  async head(): Promise<Position | null> {
    return this.#position === 0 ? null : positionOf(this.#position);
  }

  async deleteStream(stream: string, expectedRevision: Append['expectedRevision']): Promise<void> {
    await this.flushed();
    await this.log.deleteStream(stream, expectedRevision);
  }

  /** All that was answered is on the disk. */
  async flushed(): Promise<void> {
    await this.#last;
    if (this.#failure !== null) throw this.#failure;
  }

  async close(): Promise<void> {
    try {
      await this.flushed();
    } finally {
      await this.log.close();
    }
  }

  #follow(stream: string, events: readonly RecordedEvent[], taken: Promise<unknown>): void {
    this.#underWay += events.length;
    const before = this.#streams.get(stream);
    if (before === undefined) this.#streams.set(stream, [...events]);
    else before.push(...events);
    const isWritten = (): void => {
      this.#underWay -= events.length;
      // Appends of a stream are written in order: these are its first.
      const left = this.#streams.get(stream) ?? [];
      left.splice(0, events.length);
      if (left.length === 0) this.#streams.delete(stream);
    };
    this.#last = taken.then(isWritten, (error: unknown) => {
      this.#failure ??= error;
      isWritten();
    });
  }

  /** Nothing is written while this process never waits for anything. */
  async #makeRoom(count: number): Promise<void> {
    this.#sinceTurn += count;
    if (this.#underWay > MOST_UNDER_WAY) await this.#last;
    else if (this.#sinceTurn < TURN_EVERY) return;
    else await turn();
    this.#sinceTurn = 0;
  }
}

/** Events of one command mostly share one metadata object. */
function recordsOf(events: Append['events']) {
  let shared: Append['events'][number]['metadata'] | null = null;
  let text = '';
  return events.map(({ data, id, metadata, type }) => {
    if (metadata !== shared) text = JSON.stringify((shared = metadata));
    return { id, type, isJson: true, data: JSON.stringify(data), metadata: text };
  });
}

const mayPass = (stream: string, { streamPrefixes }: LogFilter = {}): boolean =>
  streamPrefixes === undefined || streamPrefixes.some((prefix) => stream.startsWith(prefix));
const hasType = ({ type }: RecordedEvent, { eventTypes }: LogFilter = {}): boolean =>
  eventTypes === undefined || eventTypes.includes(type);

const asWritten = (event: RecordedEvent): RecordedEvent => ({
  ...event,
  data: JSON.parse(JSON.stringify(event.data)) as RecordedEvent['data'],
  metadata: JSON.parse(JSON.stringify(event.metadata)) as RecordedEvent['metadata'],
});

function eventLogErrorOf(error: unknown): EventLogError {
  if (error instanceof EventLogError) return error;
  throw error;
}
