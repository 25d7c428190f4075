import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { EventLogError, type EventLog } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import { ApiKeys } from '#libs/platform/src/api-keys.js';
import { Authentication } from '#libs/platform/src/authentication.js';
import { SystemClock, TestClock, type Clock } from '#libs/platform/src/clock.js';
import { ADMIN_KEY_FILE, keptSecret, MASTER_KEY_FILE } from '#libs/platform/src/data-dir.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { measured, Metrics } from '#libs/platform/src/metrics.js';
import { Oidc } from '#libs/platform/src/oidc.js';
import type { PlatformResources } from '#libs/platform/src/platform.module.js';
import { SettingsError, type Settings } from '#libs/platform/src/settings.js';
import { SignInLink } from '#libs/platform/src/sign-in-link.js';
import { masterKeyOf, type MasterKey } from '#libs/privacy/src/master-key.js';
import type { ReadStore } from '#libs/read-models/src/store/read-store.js';
import { connectLog, logDir, openStore, unreachable } from './open-stores.js';
import { Policies } from './policies.js';
import { PastViews } from './reports/past-views.js';
import type { Answers } from './reports/questions.js';
import { ViewAnswers } from './reports/view-answers.js';
import { Views } from './views.js';

/** The read models and who answers questions about them. */
export interface ReadSide {
  readonly store: ReadStore;
  readonly answers: Answers;
  close(): Promise<void>;
}

/** What is open when the read side is opened. */
export interface WriteSide {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly log: EventLog;
  readonly embedded: EmbeddedLog | null;
  /** Not loaded yet. */
  readonly policies: Policies;
}

/** Everything a process holds open. Opened before Nest starts; closed after Nest has stopped. */
export interface Resources extends PlatformResources {
  readonly store: ReadStore;
  readonly answers: Answers;
  /** The log as it was opened, when it is the embedded one: the wire endpoint serves it. */
  readonly embedded: EmbeddedLog | null;
  readonly master: MasterKey;
  /** Loaded, and seeded at the first start ever. */
  readonly policies: Policies;
  close(): Promise<void>;
}

/** Throws `SettingsError` naming the setting to look at when something cannot be opened; nothing stays open then. */
export async function openResources(
  settings: Settings,
  logger: Logger,
  openReadSide: (opened: WriteSide) => Promise<ReadSide> = readHere,
): Promise<Resources> {
  const opened: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const one of opened.splice(0).toReversed()) await one();
  };
  try {
    const clock: Clock = settings.testClock ? new TestClock() : new SystemClock();
    const metrics = new Metrics();
    const { adminKey, master } = await secrets(settings);
    const { log: bareLog, embedded } = await openLog(settings, clock, logger);
    opened.push(() => bareLog.close());
    const log = measured(bareLog, metrics);
    if (clock instanceof TestClock) await goOn(clock, log);
    const policies = new Policies({
      log,
      clock,
      testClock: settings.testClock,
      onBroken: (event, error) =>
        logger.error({ err: error, stream: event.stream, revision: event.revision }, 'a configuration event is broken'),
    });
    const opening = openReadSide({ settings, logger, clock, log, embedded, policies });
    opened.push(async () => (await opening.catch(() => null))?.close());
    opening.catch(() => undefined);
    await policies.load();
    const keys = new ApiKeys(log, clock, logger, adminKey);
    await keys.open();
    opened.push(() => keys.close());
    const { answers, store } = await opening;
    const oidc = settings.oidc === null ? null : new Oidc(settings.oidc.issuer, settings.oidc.audience);
    return {
      settings,
      clock,
      logger,
      metrics,
      log,
      embedded,
      store,
      answers,
      policies,
      master,
      keys,
      authentication: new Authentication(keys, oidc),
      signInLink: new SignInLink(new SystemClock(), adminKey),
      close,
    };
  } catch (error) {
    await close().catch(() => undefined);
    if (error instanceof EventLogError && error.code === 'STORE_UNAVAILABLE') throw unreachable(settings, error);
    throw error;
  }
}

/** In this thread, over what is open already. */
async function readHere({ clock, log, logger, policies, settings }: WriteSide): Promise<ReadSide> {
  const store = await openStore(settings, logger);
  const answers = new ViewAnswers(
    new Views(store, log),
    new PastViews({ log, clock, directory: join(settings.dataDir, 'past') }),
    policies,
  );
  return { store, answers, close: () => store.close() };
}

/** A test clock of a ledger that has leads goes on where the last of their events was recorded. */
async function goOn(clock: TestClock, log: EventLog): Promise<void> {
  const page = await log.readAll({ direction: 'backwards', limit: 1, filter: { streamPrefixes: ['lead-'] } });
  const [last] = page.events;
  if (last !== undefined) clock.set(effectiveRecordedAtMs(last));
}

async function secrets(settings: Settings): Promise<{ adminKey: string; master: MasterKey }> {
  try {
    const adminKey =
      settings.adminKey ??
      (await keptSecret(settings.dataDir, ADMIN_KEY_FILE, () => randomBytes(32).toString('base64url')));
    const masterKey =
      settings.masterKey ??
      Buffer.from(
        await keptSecret(settings.dataDir, MASTER_KEY_FILE, () => randomBytes(32).toString('base64')),
        'base64',
      );
    return { adminKey, master: masterKeyOf(masterKey) };
  } catch (error) {
    throw new SettingsError('DATA_DIR', `${settings.dataDir}: ${(error as Error).message}`);
  }
}

async function openLog(
  settings: Settings,
  clock: Clock,
  logger: Logger,
): Promise<{ log: EventLog; embedded: EmbeddedLog | null }> {
  if (settings.eventstoreUrl === null) {
    const embedded = await EmbeddedLog.open({ dir: logDir(settings), clock });
    return { log: embedded, embedded };
  }
  return { log: await connectLog(settings, settings.eventstoreUrl, logger), embedded: null };
}
