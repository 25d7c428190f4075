import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import type { ReadStore } from '#libs/read-models/src/store/read-store.js';
import { Policies } from './policies.js';

/** A shared store gets so long to answer at start before the process gives up. */
const START_WAIT_MS = 5000;

/** Everything a process holds open. Opened before Nest starts; closed after Nest has stopped. */
export interface Resources extends PlatformResources {
  readonly store: ReadStore;
  /** The log as it was opened, when it is the embedded one: the wire endpoint serves it. */
  readonly embedded: EmbeddedLog | null;
  readonly master: MasterKey;
  /** Loaded, and seeded at the first start ever. */
  readonly policies: Policies;
  close(): Promise<void>;
}

/** Throws `SettingsError` naming the setting to look at when something cannot be opened; nothing stays open then. */
export async function openResources(settings: Settings, logger: Logger): Promise<Resources> {
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
    const store = await openStore(settings, logger);
    opened.push(() => store.close());
    const policies = new Policies({
      log,
      clock,
      testClock: settings.testClock,
      onBroken: (event, error) =>
        logger.error({ err: error, stream: event.stream, revision: event.revision }, 'a configuration event is broken'),
    });
    await policies.load();
    const keys = new ApiKeys(log, clock, logger, adminKey);
    await keys.open();
    opened.push(() => keys.close());
    const oidc = settings.oidc === null ? null : new Oidc(settings.oidc.issuer, settings.oidc.audience);
    return {
      settings,
      clock,
      logger,
      metrics,
      log,
      embedded,
      store,
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
    const embedded = await EmbeddedLog.open({ dir: join(settings.dataDir, 'log'), clock });
    return { log: embedded, embedded };
  }
  // The clients of other stores are heavy to load, and most ledgers run without them.
  const { EventStoreDBLog } = await import('#libs/event-log/src/eventstoredb-log.js');
  const log = EventStoreDBLog.connect({ url: settings.eventstoreUrl });
  try {
    await answering(() => log.head(), logger, 'the event log does not answer yet');
  } catch (error) {
    await log.close().catch(() => undefined);
    throw unreachable(settings, error);
  }
  return { log, embedded: null };
}

async function openStore(settings: Settings, logger: Logger): Promise<ReadStore> {
  if (settings.redisUrl === null) {
    return new MemoryStore({
      directory: join(settings.dataDir, 'views'),
      onProblem: (problem) => logger.warn(problem, 'snapshot of the read models'),
    });
  }
  const { RedisStore } = await import('#libs/read-models/src/store/redis-store.js');
  const store = new RedisStore({
    url: settings.redisUrl,
    onProblem: (problem) => logger.warn(problem, 'Redis'),
  });
  try {
    await answering(() => store.ping(), logger, 'Redis does not answer yet');
  } catch (error) {
    await store.close().catch(() => undefined);
    throw new SettingsError(
      'REDIS_URL',
      `cannot reach Redis at ${withoutPassword(settings.redisUrl)}: ${reason(error)}`,
    );
  }
  return store;
}

/** Asks until there is an answer or the time for the start is over. */
async function answering(ask: () => Promise<unknown>, logger: Logger, waiting: string): Promise<void> {
  const deadline = performance.now() + START_WAIT_MS;
  for (let tries = 1; ; tries++) {
    try {
      await ask();
      return;
    } catch (error) {
      if (performance.now() >= deadline) throw error;
      if (tries === 5) logger.warn({ reason: reason(error) }, waiting);
      await sleep(200);
    }
  }
}

const unreachable = (settings: Settings, error: unknown): SettingsError =>
  settings.eventstoreUrl === null
    ? new SettingsError('DATA_DIR', `cannot open the log under ${settings.dataDir}: ${reason(error)}`)
    : new SettingsError(
        'EVENTSTORE_URL',
        `cannot reach the event log at ${withoutPassword(settings.eventstoreUrl)}: ${reason(error)}`,
      );

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const withoutPassword = (url: string): string => url.replace(/\/\/[^@/]*@/, '//');
