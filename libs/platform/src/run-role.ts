import { makeLogger, type Logger } from './logging.js';
import { environmentWithDotEnv, parseSettings, SettingsError, type Settings } from './settings.js';

/** A started process; `stop` ends what it is doing and closes what it opened. */
export interface RunningRole {
  /** Resolves with the reason when it can no longer do its work. */
  readonly failed?: Promise<Error>;
  stop(): Promise<void>;
}

/** Contract: a stopped process is gone within 10 s; this leaves time for the exit itself. */
const STOP_LIMIT_MS = 9500;
const PARENT_LOOKED_FOR_MS = 250;

/**
 * Runs one role as a process: settings → start → until SIGTERM or SIGINT → stop → exit 0. What hinders the start is one
 * line on stderr that names the setting to look at, and exit 1; a role that fails is stopped, and exit 1.
 */
export async function runRole(
  role: string,
  start: (settings: Settings, logger: Logger) => Promise<RunningRole>,
): Promise<void> {
  let running: RunningRole;
  let logger: Logger;
  try {
    const settings = parseSettings(environmentWithDotEnv());
    logger = makeLogger(settings.logLevel, role);
    for (const setting of settings.withoutEffect) logger.warn(`${setting} is set and has no effect in this version`);
    running = await start(settings, logger);
  } catch (error) {
    console.error(error instanceof SettingsError ? `ledger: ${error.message}` : error);
    process.exit(1);
  }
  let stopping = false;
  const stop = (signal: NodeJS.Signals | 'npm is gone' | 'failed', code = 0): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'stopping');
    setTimeout(() => {
      logger.error('not stopped in time; whatever was acknowledged is in the log');
      process.exit(1);
    }, STOP_LIMIT_MS).unref();
    running.stop().then(
      () => process.exit(code),
      (error: unknown) => {
        logger.error({ err: error }, 'could not stop cleanly');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', (signal) => stop(signal));
  process.on('SIGINT', (signal) => stop(signal));
  void running.failed?.then((error) => {
    logger.fatal({ err: error }, 'the ledger cannot go on; what was acknowledged is in the log, start it again');
    stop('failed', 1);
  });
  whenNpmIsGone(() => stop('npm is gone'));
}

/**
 * `npm start` puts a shell between itself and this process. SIGTERM to npm ends npm and that shell and never comes here: the
 * role would stay behind with its port and its log.
 */
function whenNpmIsGone(stop: () => void): void {
  if (process.env.npm_lifecycle_event?.startsWith('start') !== true) return;
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && stop(), PARENT_LOOKED_FOR_MS).unref();
}
