import { AccountProcess, type AccountProcessOptions } from '#apps/worker/src/account-process.js';
import type { EventLog, RecordedEvent, SubscriptionBatch } from '#libs/event-log/src/event-log.js';

/**
 * The account process on a feed of its own: it meets an event when it is told of it, and the simulation waits until the event has
 * reached all leads. On a subscription it would come when it comes, and no two runs would be the same.
 */
export class ToldAccounts {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #wake: ((event: RecordedEvent | null) => void) | null = null;
  #waiting: Promise<RecordedEvent | null>;
  #done: (() => void) | null = null;

  constructor(options: AccountProcessOptions) {
    this.#waiting = this.#nextEvent();
    const { log } = options;
    const fed: EventLog = {
      append: (append) => log.append(append),
      appendMany: (appends) => log.appendMany(appends),
      appendBehind: (ahead, last) => log.appendBehind(ahead, last),
      readStream: (stream, how) => log.readStream(stream, how),
      readAll: (how) => log.readAll(how),
      subscribe: () => this.#feed(),
      head: () => log.head(),
      deleteStream: (stream, expected) => log.deleteStream(stream, expected),
      close: () => Promise.resolve(),
    };
    this.#running = new AccountProcess({ ...options, log: fed }).run(this.#stop.signal);
  }

  /** Resolves when the event has reached every lead it concerns. */
  async tell(event: RecordedEvent): Promise<void> {
    const done = new Promise<void>((resolve) => (this.#done = resolve));
    this.#wake!(event);
    await done;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake!(null);
    await this.#running;
  }

  async *#feed(): AsyncGenerator<SubscriptionBatch, void, undefined> {
    for (;;) {
      const event = await this.#waiting;
      if (event === null) return;
      this.#waiting = this.#nextEvent();
      yield { events: [event], caughtUp: true, scannedTo: event.position };
      this.#done?.();
    }
  }

  #nextEvent(): Promise<RecordedEvent | null> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
