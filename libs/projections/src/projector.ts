import { setTimeout as sleep } from 'node:timers/promises';
import { EventLogError, type EventLog, type Position, type RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import { CheckpointMoved, StoreUnavailable, type ReadView } from '#libs/read-models/src/store/read-store.js';
import { BatchFold, type ParkedEntity } from './batch-fold.js';
import { LOG_TABLE, RUNTIME_PARTITION, type Projection } from './projection.js';

export interface ProjectorOptions<Row> {
  readonly projection: Projection<Row>;
  readonly log: EventLog;
  readonly view: ReadView;
  readonly clock: { nowMs(): number };
  /** What happens to an entity whose events cannot be folded: it is set aside, or the whole line stops (a rebuild). */
  readonly onPoison?: 'park' | 'stop';
  /** Rows kept decoded between batches (default 2,000). */
  readonly cachedRows?: number;
  /** Events folded into one commit while catching up (default 8,000); live, a commit takes what there is. */
  readonly foldEvents?: number;
  readonly onNotice?: (notice: ProjectorNotice) => void;
}

/** For the log and for alerts. */
export type ProjectorNotice =
  | { readonly kind: 'parked'; readonly parked: ParkedEntity }
  /** The log or the store cannot be reached; said once until it works again. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  | { readonly kind: 'resumed' }
  /** Another projector moved the checkpoint, or the store lost its data. */
  | { readonly kind: 'checkpoint_moved'; readonly reason: string }
  /** The view was filled from another log: it is cleared and filled anew. */
  | { readonly kind: 'other_log' }
  /** A defect: tried again, slowly. */
  | { readonly kind: 'failed'; readonly error: unknown };

export interface ProjectorStats {
  /** Since the start of the process. */
  readonly events: number;
  readonly commits: number;
  /** Entities set aside since the start, and their events passed over. */
  readonly parkings: number;
  readonly skippedEvents: number;
  /** Entities that are set aside now. */
  readonly parked: number;
}

export interface Lag {
  /** Events of the projection not yet in the view; counted up to 1,000. */
  readonly events: number;
  /** Age of the oldest of them. */
  readonly seconds: number;
}

/** A projection met an event it cannot fold, and was told to stop there. */
export class PoisonedProjection extends Error {
  constructor(readonly parked: ParkedEntity) {
    super(`${parked.type} ${parked.eventId} of ${parked.stream} cannot be folded: ${parked.error}`);
    this.name = 'PoisonedProjection';
  }
}

const FIRST_BACK_OFF_MS = 50;
const LAST_BACK_OFF_MS = 1_000;
const WATCH_MS = 1_000;
/** About 10 ms of the event loop. */
const READ_EVENTS = 1_000;
const LAG_COUNT_LIMIT = 1_000;

/**
 * Runs one projection: subscribes after the view's checkpoint, folds batches, commits each with its checkpoint. The same
 * log gives the same view whatever the batches were. Survives an unreachable log or store and a moved checkpoint by
 * beginning again at the checkpoint it finds (spec §8.4).
 */
export class Projector<Row = unknown> {
  private readonly fold: BatchFold<Row>;
  private readonly stopping = new AbortController();
  private view: ReadView;
  private running: Promise<void> | null = null;
  /** Committed up to here, and sent to be committed up to here. */
  private committed: Position | null = null;
  private sent: Position | null = null;
  /** Folded up to here, perhaps not yet sent. */
  private taken: Position | null = null;
  private inFlight: Promise<void> = Promise.resolve();
  private failure: { readonly error: unknown } | null = null;
  private turn: Promise<void> = Promise.resolve();
  private follow = new AbortController();
  private waiters: { readonly position: Position; readonly resolve: (reached: boolean) => void }[] = [];
  private until: Position | null = null;
  private isTroubled = false;
  private events = 0;
  private commits = 0;
  private parkings = 0;

  constructor(private readonly options: ProjectorOptions<Row>) {
    this.view = options.view;
    this.fold = new BatchFold(
      options.projection,
      options.view,
      options.cachedRows ?? 2_000,
      () => this.settled(),
      (stream) => this.history(stream),
    );
  }

  /** Follows the log until `stop`. */
  start(): void {
    this.running ??= this.supervise();
  }

  /** Folds up to exactly this position and resolves; for a view beside the live one. Not after `start`. */
  async runUntil(position: Position): Promise<void> {
    this.until = position;
    await this.supervise();
  }

  /** Resolves once what was being committed is committed. Waiting queries are told that it was not reached. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.follow.abort();
    await this.running?.catch(() => undefined);
    await this.inFlight;
    for (const { resolve } of this.waiters.splice(0)) resolve(false);
  }

  /** The log is in the view up to here; null before the first commit. */
  get checkpoint(): Position | null {
    return this.committed;
  }

  get stats(): ProjectorStats {
    const { events, commits, parkings } = this;
    return { events, commits, parkings, skippedEvents: this.fold.skipped, parked: this.fold.parkedEntities.length };
  }

  get parked(): readonly ParkedEntity[] {
    return this.fold.parkedEntities;
  }

  /** Whether the view holds everything up to `position`, waiting for it `timeoutMs` at most: `after=` of a query. */
  waitFor(position: Position, timeoutMs: number): Promise<boolean> {
    if (this.committed !== null && this.committed >= position) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter = {
        position,
        resolve: (reached: boolean) => {
          clearTimeout(timer);
          resolve(reached);
        },
      };
      const timer = setTimeout(() => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        resolve(false);
      }, timeoutMs);
      this.waiters.push(waiter);
    });
  }

  /** Reads the log to know: for a metrics scrape, not for every request. */
  async lag(): Promise<Lag> {
    const { log, projection, clock } = this.options;
    const { events } = await log.readAll({
      ...(this.committed === null ? {} : { after: this.committed }),
      filter: projection.filter,
      limit: LAG_COUNT_LIMIT,
    });
    const oldest = events[0];
    if (oldest === undefined) return { events: 0, seconds: 0 };
    return { events: events.length, seconds: Math.max(0, (clock.nowMs() - effectiveRecordedAtMs(oldest)) / 1_000) };
  }

  /**
   * Folds a parked entity again from its stream, after its cause was removed. False: it fails still, and is parked where it
   * does now. Throws when there is no such parked entity, or when its stored row is unreadable (then only a rebuild helps).
   */
  async unpark(entity: string): Promise<boolean> {
    return this.whilePaused(async (checkpoint) => {
      const parked = this.fold.parkedEntities.find((each) => each.entity === entity);
      if (parked === undefined || checkpoint === null) throw new Error(`${entity} is not parked`);
      const history = (await this.history(parked.stream)).filter(({ position }) => position <= checkpoint);
      const { ops, stillPoisoned } = await this.fold.refold(parked, history);
      try {
        await this.view.commit(checkpoint, checkpoint, ops);
      } catch (error) {
        this.restartAfter(error);
        throw error;
      }
      return stillPoisoned === null;
    });
  }

  /** Runs `work` while nothing is folded or committed. */
  async whilePaused<T>(work: (checkpoint: Position | null) => Promise<T>): Promise<T> {
    return this.exclusively(async () => {
      // What was taken and not yet committed would otherwise be folded by rules that `work` changes.
      if (this.taken !== null && this.taken !== this.sent) await this.commitTo(this.taken);
      await this.settled();
      return work(this.committed);
    });
  }

  /** Goes on with another view, which must be at the same checkpoint; to be called from within `whilePaused`. */
  async switchTo(view: ReadView): Promise<void> {
    this.view = view;
    try {
      await this.fold.reset(view);
    } catch (error) {
      this.restartAfter(error);
    }
  }

  private async supervise(): Promise<void> {
    let backOffMs = FIRST_BACK_OFF_MS;
    while (!this.stopping.signal.aborted) {
      try {
        await this.exclusively(() => this.begin());
        const startedAt = this.commits;
        try {
          if (await this.followLog()) return;
        } finally {
          if (this.commits > startedAt) backOffMs = FIRST_BACK_OFF_MS;
        }
      } catch (error) {
        if (error instanceof PoisonedProjection) throw error;
        if (this.stopping.signal.aborted) return;
        // An aborted subscription may throw too; what it was aborted for is the reason.
        this.report(this.failure?.error ?? error);
        await sleep(backOffMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
        backOffMs = Math.min(LAST_BACK_OFF_MS, backOffMs * 2);
      }
    }
  }

  /** Takes up the view as it is found. */
  private async begin(): Promise<void> {
    await this.inFlight;
    this.failure = null;
    this.follow = new AbortController();
    if (this.stopping.signal.aborted) this.follow.abort();
    let found = await this.view.checkpoint();
    if (found !== null && !(await this.isSameLog(found))) {
      this.options.onNotice?.({ kind: 'other_log' });
      await this.view.clear();
      found = null;
    }
    await this.fold.reset(this.view);
    this.sent = found;
    this.taken = found;
    this.reached(found);
  }

  /** A view in Redis outlives a log that was deleted, and its positions mean nothing in the next one. */
  private async isSameLog(checkpoint: Position): Promise<boolean> {
    const { log, projection } = this.options;
    const [folded = null] = await this.view.get(LOG_TABLE, RUNTIME_PARTITION, ['first']);
    const { events } = await log.readAll({ filter: projection.filter, limit: 1 });
    const first = events[0];
    if (folded !== null) return first?.id === folded;
    return first === undefined ? (await log.head()) !== null : first.position > checkpoint;
  }

  /** True: `until` was reached. Ends when aborted; throws what went wrong. */
  private async followLog(): Promise<boolean> {
    const { log, projection, foldEvents = 8_000 } = this.options;
    const { signal } = this.follow;
    const watch = setInterval(() => void this.watch(), WATCH_MS);
    watch.unref();
    try {
      if (this.isAtEnd()) return true;
      const subscription = log.subscribe({
        ...(this.sent === null ? {} : { after: this.sent }),
        filter: projection.filter,
        batchSize: READ_EVENTS,
        signal,
      });
      for await (const { events, caughtUp, scannedTo } of subscription) {
        if (signal.aborted) break;
        if (this.isTroubled) this.recovered();
        if (scannedTo === null) continue;
        await this.exclusively(async () => {
          const to = await this.take(events, scannedTo);
          if (caughtUp || this.fold.size >= foldEvents || this.isBeyondEnd(to)) await this.commitTo(to);
        });
        if (this.isAtEnd()) {
          await this.settled();
          return true;
        }
      }
      await this.settled();
      return false;
    } finally {
      clearInterval(watch);
    }
  }

  /** Folds what is new among the events; where that ends. */
  private async take(events: readonly RecordedEvent[], scannedTo: Position): Promise<Position> {
    if (this.failure !== null) throw this.failure.error;
    const { taken } = this;
    const to = this.until !== null && scannedTo > this.until ? this.until : scannedTo;
    if (taken !== null && to <= taken) return taken;
    await this.fold.take(events.filter(({ position }) => (taken === null || position > taken) && position <= to));
    this.taken = to;
    return to;
  }

  /** Sends everything taken to be committed, once the commit before is through. */
  private async commitTo(to: Position): Promise<void> {
    const from = this.sent;
    if (from !== null && to <= from) return;
    const folded = await this.fold.finish(from, to);
    for (const parked of folded.parked) {
      if (this.options.onPoison === 'stop') throw new PoisonedProjection(parked);
      this.parkings += 1;
      this.options.onNotice?.({ kind: 'parked', parked });
    }
    // One commit under way while the next batch is folded: the store works in another process or on another core.
    await this.settled();
    folded.keep();
    this.sent = to;
    this.inFlight = this.view.commit(from, to, folded.ops).then(
      () => {
        this.events += folded.events;
        this.commits += 1;
        this.reached(to);
      },
      (error: unknown) => this.restartAfter(error),
    );
  }

  private async history(stream: string): Promise<RecordedEvent[]> {
    const events = await this.options.log.readStream(stream);
    return events.filter((event) => passes(this.options.projection.filter, event));
  }

  /** Waits for the commit under way; throws when it, or anything since the beginning, failed. */
  private async settled(): Promise<void> {
    await this.inFlight;
    if (this.failure !== null) throw this.failure.error;
  }

  private restartAfter(error: unknown): void {
    this.failure ??= { error };
    this.follow.abort();
  }

  /** While nothing happens nobody would notice that Redis was emptied: queries would find nothing until the next event. */
  private async watch(): Promise<void> {
    const { sent, commits } = this;
    if (sent !== this.committed || this.failure !== null) return;
    try {
      const found = await this.view.checkpoint();
      if (found !== sent && commits === this.commits && sent === this.sent) {
        this.restartAfter(new CheckpointMoved(sent, found));
      }
    } catch (error) {
      this.restartAfter(error);
    }
  }

  private isAtEnd(): boolean {
    return this.until !== null && this.isBeyondEnd(this.sent);
  }

  private isBeyondEnd(position: Position | null): boolean {
    return this.until !== null && position !== null && position >= this.until;
  }

  private reached(position: Position | null): void {
    this.committed = position;
    if (position === null || this.waiters.length === 0) return;
    const reached = this.waiters.filter((waiter) => waiter.position <= position);
    if (reached.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => waiter.position > position);
    for (const { resolve } of reached) resolve(true);
  }

  private report(error: unknown): void {
    if (error instanceof CheckpointMoved) {
      this.options.onNotice?.({ kind: 'checkpoint_moved', reason: error.message });
    } else if (isUnavailable(error)) {
      if (!this.isTroubled) this.options.onNotice?.({ kind: 'unavailable', reason: error.message });
      this.isTroubled = true;
    } else {
      this.options.onNotice?.({ kind: 'failed', error });
    }
  }

  private recovered(): void {
    this.isTroubled = false;
    this.options.onNotice?.({ kind: 'resumed' });
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}

function isUnavailable(error: unknown): error is Error {
  return error instanceof StoreUnavailable || (error instanceof EventLogError && error.code === 'STORE_UNAVAILABLE');
}

function passes({ streamPrefixes, eventTypes }: Projection['filter'], { stream, type }: RecordedEvent): boolean {
  if (streamPrefixes !== undefined && !streamPrefixes.some((prefix) => stream.startsWith(prefix))) return false;
  return eventTypes === undefined || eventTypes.includes(type);
}
