import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import type { PlainLogger } from '#libs/platform/src/logging.js';
import { SettingsError, type Settings } from '#libs/platform/src/settings.js';
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import type { ReadStore } from '#libs/read-models/src/store/read-store.js';

/** A shared store gets so long to answer at start before the process gives up. */
const START_WAIT_MS = 5000;

/** The log and the read models as the settings say where they are. */
export type StoreSettings = Pick<Settings, 'dataDir' | 'eventstoreUrl' | 'redisUrl'>;

/** The folder of the embedded log. */
export const logDir = ({ dataDir }: StoreSettings): string => join(dataDir, 'log');

/** EventStoreDB, once it answers. Throws `SettingsError` naming EVENTSTORE_URL when it does not. */
export async function connectLog(settings: StoreSettings, url: string, logger: PlainLogger): Promise<EventLog> {
  // The clients of other stores are heavy to load, and most ledgers run without them.
  const { EventStoreDBLog } = await import('#libs/event-log/src/eventstoredb-log.js');
  const log = EventStoreDBLog.connect({ url });
  try {
    await answering(() => log.head(), logger, 'the event log does not answer yet');
  } catch (error) {
    await log.close().catch(() => undefined);
    throw unreachable(settings, error);
  }
  return log;
}

/** The read models, once they answer. Throws `SettingsError` naming REDIS_URL when Redis does not. */
export async function openStore(settings: StoreSettings, logger: PlainLogger): Promise<ReadStore> {
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
async function answering(ask: () => Promise<unknown>, logger: PlainLogger, waiting: string): Promise<void> {
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

/** At start; names the setting to look at. */
export const unreachable = (settings: StoreSettings, error: unknown): SettingsError =>
  settings.eventstoreUrl === null
    ? new SettingsError('DATA_DIR', `cannot open the log under ${settings.dataDir}: ${reason(error)}`)
    : new SettingsError(
        'EVENTSTORE_URL',
        `cannot reach the event log at ${withoutPassword(settings.eventstoreUrl)}: ${reason(error)}`,
      );

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const withoutPassword = (url: string): string => url.replace(/\/\/[^@/]*@/, '//');
