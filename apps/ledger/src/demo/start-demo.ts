import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AccountCommands } from '#apps/api/src/accounts/account-commands.js';
import { LeadCommands } from '#apps/api/src/commands/lead-commands.js';
import { ConfigCommands } from '#apps/api/src/config/config-commands.js';
import { SystemClock } from '#libs/platform/src/clock.js';
import { keptSecret, MASTER_KEY_FILE } from '#libs/platform/src/data-dir.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { runRole, type RunningRole } from '#libs/platform/src/run-role.js';
import { environmentWithDotEnv, SettingsError, type Settings } from '#libs/platform/src/settings.js';
import { masterKeyOf } from '#libs/privacy/src/master-key.js';
import { announcement, type LedgerOptions, runLedger } from '../start.js';
import { progress } from '../verbs/output.js';
import { type History, simulateHistory } from './history.js';
import { companyAfterwards, runPresent } from './present.js';
import type { Doors } from './staff.js';

const DATA_DIR = './data/demo';
export const DEFAULT_SEED = 'lead-ledger';
const DAYS = 730;
/** Says that a directory holds a demo, and which. */
const MARK = 'demo.json';

interface Mark {
  readonly seed: string;
  /** Where the history ends and the present began. */
  readonly until: string;
  /** False while it is being lived through: a process that was cut off then begins anew. */
  readonly complete: boolean;
}

export interface DemoOptions extends LedgerOptions {
  /** Default: the seed of the demo that is there, or one of the house. */
  readonly seed?: string;
  readonly days?: number;
  readonly leadsPerDay?: number;
}

/** `npm start -- --demo`, `ledger demo`: two years of a company, then its present. */
export function startDemo(options: DemoOptions = {}): Promise<void> {
  if ((environmentWithDotEnv().DATA_DIR ?? '') === '') process.env.DATA_DIR = DATA_DIR;
  return runRole('ledger', async (settings, logger) => {
    const bar = await progress('living through two years, days', false);
    const demo = await runDemo(settings, logger, options, (done, total) => bar.update(done, total));
    bar.stop();
    console.log(
      [...demo.lines, '  demo         nobody in here exists; a command every few seconds goes on'].join('\n'),
    );
    return demo;
  });
}

export interface RunningDemo extends RunningRole {
  readonly lines: readonly string[];
  readonly url: string;
}

/**
 * Lives through the history where there is none yet, then runs the ledger on it with the real clock.
 * Errors: SettingsError when the directory holds anything but a demo, or other stores than the directory's are set.
 */
export async function runDemo(
  given: Settings,
  logger: Logger,
  options: DemoOptions = {},
  onProgress?: (doneDays: number, days: number) => void,
): Promise<RunningDemo> {
  refuseSharedStores(given);
  const { dataDir } = given;
  const known = await markIn(dataDir);
  const seed = options.seed ?? known?.seed ?? DEFAULT_SEED;
  if (known?.complete === true && known.seed !== seed)
    throw new SettingsError('DATA_DIR', `${dataDir} holds the demo of seed ${known.seed}; delete it for another one`);
  const masterKey = given.masterKey ?? (await demoMasterKey(dataDir, seed));
  const settings: Settings = { ...given, masterKey };
  let history: History | null = null;
  if (known?.complete !== true) {
    for (const part of ['log', 'views']) await rm(join(dataDir, part), { recursive: true, force: true });
    const { days = DAYS, leadsPerDay } = options;
    // To the minute: two starts within it tell the same.
    const untilMs = Math.floor(new SystemClock().nowMs() / 60_000) * 60_000;
    const mark = { seed, until: new Date(untilMs).toISOString() };
    await writeMark(dataDir, { ...mark, complete: false });
    history = await simulateHistory({
      dataDir,
      seed,
      master: masterKeyOf(masterKey),
      untilMs,
      days,
      ...(leadsPerDay === undefined ? {} : { leadsPerDay }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
    await writeMark(dataDir, { ...mark, complete: true });
  }

  const ledger = await runLedger(settings, logger, options);
  const clock = new SystemClock();
  const doors: Doors = {
    leads: ledger.app.get(LeadCommands, { strict: false }),
    accounts: ledger.app.get(AccountCommands, { strict: false }),
    config: ledger.app.get(ConfigCommands, { strict: false }),
  };
  if (history !== null) history.staff.doors = doors;
  const company = history ?? companyAfterwards(doors, seed, clock.nowMs());
  const stopping = new AbortController();
  const living = runPresent({ company, clock, logger }, stopping.signal);
  return {
    lines: announcement(ledger, settings),
    url: ledger.url,
    failed: ledger.failed,
    stop: async () => {
      stopping.abort();
      await living;
      await ledger.stop();
    },
  };
}

/** A demo is made anew at will: it lives in a directory of its own and nowhere else. */
function refuseSharedStores({ eventstoreUrl, redisUrl, testClock }: Settings): void {
  if (eventstoreUrl !== null) throw new SettingsError('EVENTSTORE_URL', 'the demo runs on a log of its own; unset it');
  if (redisUrl !== null) throw new SettingsError('REDIS_URL', 'the demo keeps its read models to itself; unset it');
  if (testClock) throw new SettingsError('LEDGER_TEST_CLOCK', 'the demo has a clock of its own; unset it');
}

/** Null: the directory is empty. Throws SettingsError when it holds anything else. */
async function markIn(dataDir: string): Promise<Mark | null> {
  const entries: readonly string[] = await readdir(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new SettingsError('DATA_DIR', `${dataDir}: ${error.message}`);
  });
  if (entries.includes(MARK)) return JSON.parse(await readFile(join(dataDir, MARK), 'utf8')) as Mark;
  if (entries.length === 0) return null;
  throw new SettingsError('DATA_DIR', `${dataDir} holds something that is no demo; give the demo an empty directory`);
}

async function writeMark(dataDir: string, mark: Mark): Promise<void> {
  const path = join(dataDir, MARK);
  await writeFile(`${path}.new`, `${JSON.stringify(mark, null, 2)}\n`);
  await rename(`${path}.new`, path);
}

/** Follows from the seed, so that the names of identity streams do: nobody in a demo has anything to hide. */
async function demoMasterKey(dataDir: string, seed: string): Promise<Buffer> {
  const key = createHash('sha256').update(`lead-ledger demo master key ${seed}`).digest('base64');
  return Buffer.from(await keptSecret(dataDir, MASTER_KEY_FILE, () => key), 'base64');
}
