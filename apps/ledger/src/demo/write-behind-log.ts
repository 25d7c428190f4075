import { setImmediate as turn } from 'node:timers/promises';
import type { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import {
  type Append,
  type AppendedBehind,
  type AppendResult,
  EventLogError,
  type EventLog,
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
const MOST_UNDER_WAY = 8000;
const TURN_EVERY = 200;

/**
 * The embedded log for one writer that would rather lose everything than wait for the disk: an append is answered when it is
 * taken, and written with many others. Reads wait for what they would miss. `flushed` rejects when anything was not written.
 */
export class WriteBehindLog implements EventLog {
  /** Streams with events under way, by their last append. */
  readonly #streams = new Map<string, Promise<unknown>>();
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
        : this.log.store.appendNow(
            stream,
            expectedRevision,
            events.map(({ data, id, metadata, type }) => ({
              id,
              type,
              isJson: true,
              data: JSON.stringify(data),
              metadata: JSON.stringify(metadata),
            })),
          );
    if (taken === null || known === null) {
      await this.flushed();
      const result = await this.log.append(append);
      this.#position = Math.max(this.#position, positionToNumber(result.position));
      return result;
    }
    this.#position += events.length;
    this.#follow(stream, events.length, taken);
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

  async readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]> {
    await this.#streams.get(stream);
    return this.log.readStream(stream, options);
  }

  async readAll(options: ReadAllOptions): Promise<ReadAllPage> {
    await this.flushed();
    return this.log.readAll(options);
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
    await this.flushed().finally(() => this.log.close());
  }

  #follow(stream: string, count: number, taken: Promise<unknown>): void {
    this.#underWay += count;
    const written: Promise<void> = taken.then(
      () => this.#written(stream, count, written),
      (error: unknown) => {
        this.#failure ??= error;
        this.#written(stream, count, written);
      },
    );
    this.#streams.set(stream, written);
    this.#last = written;
  }

  #written(stream: string, count: number, written: Promise<unknown>): void {
    this.#underWay -= count;
    if (this.#streams.get(stream) === written) this.#streams.delete(stream);
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

function eventLogErrorOf(error: unknown): EventLogError {
  if (error instanceof EventLogError) return error;
  throw error;
}
