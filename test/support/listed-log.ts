import { setImmediate as turn } from 'node:timers/promises';
import {
  EventLogError,
  type Append,
  type AppendedBehind,
  type AppendResult,
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

/** A log that is a list: for specs that choose where its batches are split and when it cannot be reached. */
export class ListedLog implements EventLog {
  readonly events: RecordedEvent[] = [];
  /** Sizes of the batches that subscriptions give, over and over. */
  batchSizes: readonly number[] = [2_000];
  isReachable = true;
  private wake: (() => void)[] = [];

  add(stream: string, type: string, data: Record<string, unknown> = {}): RecordedEvent {
    const number = this.events.length + 1;
    const event: RecordedEvent = {
      id: `event-${number}`,
      stream,
      type,
      data,
      metadata: {},
      revision: this.events.filter((other) => other.stream === stream).length,
      position: positionOf(number),
      recordedAtMs: 1_000 * number,
    };
    this.events.push(event);
    this.ring();
    return event;
  }

  disconnect(): void {
    this.isReachable = false;
    this.ring();
  }

  async append({ stream, events }: Append): Promise<AppendResult> {
    const added = events.map(({ type, data }) => this.add(stream, type, data));
    const last = added[added.length - 1] as RecordedEvent;
    return { revision: last.revision, position: last.position };
  }

  appendMany(appends: readonly Append[]): Promise<AppendResult[]> {
    return Promise.all(appends.map((append) => this.append(append)));
  }

  async appendBehind(ahead: readonly Append[], last: Append): Promise<AppendedBehind> {
    return { ahead: await this.appendMany(ahead), last: await this.append(last) };
  }

  async readStream(stream: string, _options?: ReadStreamOptions): Promise<RecordedEvent[]> {
    this.reach();
    return this.events.filter((event) => event.stream === stream);
  }

  async readAll({ after, filter, limit }: ReadAllOptions): Promise<ReadAllPage> {
    this.reach();
    const events = this.events.filter((event) => event.position > (after ?? '') && passes(filter, event));
    return { events: events.slice(0, limit), next: null };
  }

  async *subscribe({ after, filter, signal }: SubscribeOptions = {}): AsyncGenerator<SubscriptionBatch> {
    let next = after === undefined ? 0 : Number(after);
    for (let round = 0; !signal?.aborted; round += 1) {
      this.reach();
      const size = this.batchSizes[round % this.batchSizes.length] as number;
      const slice = this.events.slice(next, next + size);
      next += slice.length;
      const caughtUp = next >= this.events.length;
      yield {
        events: slice.filter((event) => passes(filter, event)),
        caughtUp,
        scannedTo: next === 0 ? null : positionOf(next),
      };
      await turn();
      if (caughtUp && next >= this.events.length && this.isReachable) await this.ringing(signal);
    }
  }

  async head(): Promise<Position | null> {
    this.reach();
    return this.events.length === 0 ? null : positionOf(this.events.length);
  }

  async deleteStream(): Promise<void> {
    throw new Error('A list forgets nothing');
  }

  async close(): Promise<void> {
    this.disconnect();
  }

  private reach(): void {
    if (!this.isReachable) throw new EventLogError('STORE_UNAVAILABLE', 'the list is out of reach');
  }

  private ring(): void {
    for (const wake of this.wake.splice(0)) wake();
  }

  private ringing(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const rung = (): void => {
        signal?.removeEventListener('abort', rung);
        resolve();
      };
      this.wake.push(rung);
      signal?.addEventListener('abort', rung);
      if (signal?.aborted) rung();
    });
  }
}

const positionOf = (number: number): Position => String(number).padStart(16, '0');

function passes(filter: LogFilter | undefined, { stream, type }: RecordedEvent): boolean {
  if (filter?.streamPrefixes && !filter.streamPrefixes.some((prefix) => stream.startsWith(prefix))) return false;
  return filter?.eventTypes === undefined || filter.eventTypes.includes(type);
}
