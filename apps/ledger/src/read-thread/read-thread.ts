import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { ReadSide, WriteSide } from '#apps/api/src/resources.js';
import type { Answers } from '#apps/api/src/reports/questions.js';
import type { History } from '#apps/projector/src/history.js';
import type { Projections } from '#apps/projector/src/projections.js';
import { EventLogError } from '#libs/event-log/src/event-log.js';
import type { Follower } from '#libs/event-log/src/embedded-store.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { Problem } from '#libs/platform/src/problem.js';
import { SettingsError } from '#libs/platform/src/settings.js';
import { type PackedError, ThreadPort, unpackedError } from '#libs/platform/src/thread-port.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { PolicyError } from '#libs/policy/src/errors.js';
import { ReportError } from '#libs/read-models/src/report-error.js';
import { CheckpointMoved, StoreUnavailable } from '#libs/read-models/src/store/read-store.js';
import { ThreadStore } from '#libs/read-models/src/store/thread-store.js';
import type { ReadSideCalls, ReadSideSettings } from './read-side.js';

/** What the thread calls in the main one. */
export interface MainCalls {
  log(
    level: 'info' | 'warn' | 'error',
    fields: Readonly<Record<string, unknown>>,
    message: string,
    err: PackedError | null,
  ): void;
}

/** Of the thread's young generation: folding is no faster with more, and twice as much stays resident. */
const SEMI_SPACE_MIB = 16;

const ERRORS = [
  CheckpointMoved,
  EventLogError,
  LeadError,
  PolicyError,
  Problem,
  ReportError,
  SettingsError,
  StoreUnavailable,
];

/**
 * The read side in a thread of its own: the projector, the read models, and whoever computes figures over them. Commands and HTTP have
 * the main thread to themselves, and a report keeps nobody waiting but who asked for it.
 */
export class ReadThread implements ReadSide {
  readonly store: ThreadStore;
  readonly answers: Answers;
  readonly projections: Projections;
  readonly history: History;
  /** Resolves with the reason when the thread ends and nobody closed it. Whatever asks it fails with `StoreUnavailable` then. */
  readonly failed: Promise<Error>;
  readonly #worker: Worker;
  readonly #thread: ThreadPort<ReadSideCalls>;
  readonly #untell: () => void;
  #closing = false;

  private constructor(worker: Worker, { clock, embedded, logger }: WriteSide) {
    this.#worker = worker;
    const thread = new ThreadPort<ReadSideCalls>(worker, { log: logTo(logger) }, ERRORS);
    this.#thread = thread;
    this.failed = new Promise((resolve) => {
      const gone = (reason: Error): void => {
        this.#untell();
        thread.fail(new StoreUnavailable('the thread of the read models has ended', { cause: reason }));
        if (!this.#closing) resolve(reason);
      };
      worker.once('error', gone);
      worker.once('exit', (code) => gone(new Error(`the thread of the read models has ended with ${code}`)));
    });
    const follower: Follower = {
      advance: (head) => thread.tell('advance', head),
      // A thread that is gone has let go of everything.
      release: () => thread.call('release').catch(() => undefined),
      resume: () => thread.tell('resume'),
    };
    this.#untell = embedded?.store.tell(follower) ?? (() => undefined);
    this.store = new ThreadStore({
      store: (...asked) => thread.call('store', ...asked),
      view: (...asked) => thread.call('view', ...asked),
    });
    this.answers = { to: (asked) => thread.call('answer', asked) as Promise<never> };
    const ask = (method: keyof Projections, ...args: readonly unknown[]): Promise<never> =>
      thread.call('projections', method, args, clock.nowMs()) as Promise<never>;
    this.projections = {
      list: () => ask('list'),
      lags: () => ask('lags'),
      parked: (projection) => ask('parked', projection),
      retry: (projection, entity) => ask('retry', projection, entity),
      rebuild: (projection, waitMs) => ask('rebuild', projection, waitMs),
    };
    const tell = (method: keyof History, ...args: readonly unknown[]): Promise<never> =>
      thread.call('history', method, args, clock.nowMs()) as Promise<never>;
    this.history = {
      status: () => tell('status'),
      caughtUp: (...asked) => tell('caughtUp', ...asked),
      send: (tables) => tell('send', tables),
      verify: () => tell('verify'),
      export: (what) => tell('export', what),
    };
  }

  /** Errors: SettingsError. `flags`: of the thread's Node, such as what lets it run from sources. */
  static async start(opened: WriteSide, flags: readonly string[] = []): Promise<ReadThread> {
    const { dataDir, eventstoreUrl, redisUrl, testClock } = opened.settings;
    const workerData: ReadSideSettings = { dataDir, eventstoreUrl, redisUrl, testClock };
    const file = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);
    // For threads that begin from here on; the flag of the command line is meant for the main one and beats a thread's own limits.
    setFlagsFromString(`--max-semi-space-size=${SEMI_SPACE_MIB}`);
    const worker = new Worker(file, {
      workerData,
      name: 'read models',
      ...(flags.length > 0 ? { execArgv: [...flags] } : {}),
    });
    const thread = new ReadThread(worker, opened);
    try {
      await Promise.race([thread.#thread.call('ready'), thread.failed.then((error) => Promise.reject(error))]);
      return thread;
    } catch (error) {
      thread.#closing = true;
      await worker.terminate();
      throw error;
    }
  }

  /** Writes the snapshot and ends the thread. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    try {
      await this.#thread.call('close');
    } catch (error) {
      // It is gone already.
      if (!(error instanceof StoreUnavailable)) throw error;
    } finally {
      this.#untell();
      await this.#worker.terminate();
    }
  }
}

const logTo =
  (logger: Logger): MainCalls['log'] =>
  (level, fields, message, err) =>
    logger[level](err === null ? fields : { ...fields, err: unpackedError(err) }, message);
