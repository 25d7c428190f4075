import { join } from 'node:path';
import { connectLog, logDir, openStore, type StoreSettings } from '#apps/api/src/open-stores.js';
import { Policies } from '#apps/api/src/policies.js';
import { PastViews } from '#apps/api/src/reports/past-views.js';
import type { Asked, QuestionName } from '#apps/api/src/reports/questions.js';
import { ViewAnswers } from '#apps/api/src/reports/view-answers.js';
import { Views } from '#apps/api/src/views.js';
import { type History, RunningHistory } from '#apps/projector/src/history.js';
import { type Projections, RunningProjections } from '#apps/projector/src/projections.js';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { type Clock, SystemClock, TestClock } from '#libs/platform/src/clock.js';
import type { PlainLogger } from '#libs/platform/src/logging.js';
import { storeAnswers, type StoreQuestions } from '#libs/read-models/src/store/thread-store.js';

/** What the thread is given when it begins. */
export interface ReadSideSettings extends StoreSettings {
  readonly testClock: boolean;
}

/** What the main thread calls: the follower of its log, the store, answers, projections. */
export interface ReadSideCalls extends StoreQuestions {
  /** Resolves once everything is open and the projector runs. Errors: SettingsError. */
  ready(): Promise<void>;
  advance(head: number): Promise<void>;
  release(): Promise<void>;
  resume(): Promise<void>;
  answer(asked: Asked<QuestionName>): Promise<unknown>;
  projections(method: keyof Projections, args: readonly unknown[], nowMs: number): Promise<unknown>;
  history(method: keyof History, args: readonly unknown[], nowMs: number): Promise<unknown>;
  /** Folds no more and writes the snapshot. */
  close(): Promise<void>;
}

/** The log's reader, the projector, the store and who answers from it: everything that the main thread leaves to this one. */
export function readSide(settings: ReadSideSettings, logger: PlainLogger): ReadSideCalls {
  const opening = open(settings, logger);
  opening.catch(() => undefined);
  /** A hand-driven clock is driven in the main thread. */
  const at = (clock: Clock, nowMs: number): void => {
    if (clock instanceof TestClock) clock.set(nowMs);
  };
  return {
    async ready() {
      await opening;
    },
    async advance(head) {
      (await opening).embedded?.store.advance(head);
    },
    async release() {
      await (await opening).embedded?.store.release();
    },
    async resume() {
      (await opening).embedded?.store.resume();
    },
    store: async (method, args) => (await opening).questions.store(method, args),
    view: async (name, version, method, args) => (await opening).questions.view(name, version, method, args),
    async answer(asked) {
      const { answers, clock } = await opening;
      at(clock, asked.nowMs);
      return answers.to(asked);
    },
    async projections(method, args, nowMs) {
      const { clock, projections } = await opening;
      at(clock, nowMs);
      return (projections[method] as (...args: readonly unknown[]) => Promise<unknown>)(...args);
    },
    async history(method, args, nowMs) {
      const { clock, history } = await opening;
      at(clock, nowMs);
      return (history[method] as (...args: readonly unknown[]) => Promise<unknown>)(...args);
    },
    async close() {
      const { embedded, history, projections, store, stopFollowing } = await opening;
      await projections.stop();
      await history.stop();
      await store.close();
      await stopFollowing();
      // The connection to another server ends with the thread.
      await embedded?.close();
    },
  };
}

async function open(settings: ReadSideSettings, logger: PlainLogger) {
  const clock: Clock = settings.testClock ? new TestClock() : new SystemClock();
  const store = await openStore(settings, logger);
  const { embedded, log } = await openLog(settings, clock, logger);
  const policies = new Policies({ log, clock });
  const projections = new RunningProjections({ log, store, clock, logger });
  await projections.start();
  const history = new RunningHistory({ log, dataDir: settings.dataDir, clock, logger });
  await history.start();
  const stopping = new AbortController();
  const following = policies.follow(stopping.signal).catch((error: unknown) => {
    logger.error({ err: error }, 'the configuration is no longer followed by the read models; restart');
  });
  return {
    clock,
    embedded,
    history,
    projections,
    store,
    questions: storeAnswers(store),
    answers: new ViewAnswers(
      new Views(store, log),
      new PastViews({ log, clock, directory: join(settings.dataDir, 'past') }),
      policies,
    ),
    stopFollowing: (): Promise<void> => {
      stopping.abort();
      return following;
    },
  };
}

async function openLog(
  settings: ReadSideSettings,
  clock: Clock,
  logger: PlainLogger,
): Promise<{ log: EventLog; embedded: EmbeddedLog | null }> {
  if (settings.eventstoreUrl === null) {
    const embedded = await EmbeddedLog.follow({ dir: logDir(settings), clock });
    return { log: embedded, embedded };
  }
  return { log: await connectLog(settings, settings.eventstoreUrl, logger), embedded: null };
}
