import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simulateHistory } from '#apps/ledger/src/demo/history.js';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { SystemClock } from '#libs/platform/src/clock.js';
import { MASTER } from '../support/command-path.js';
import { compareAsOf } from './as-of-answers.js';

/**
 * `npm run oracle:as-of -- <instants> [seed]`: lives the demo company's history, and compares at random instants what every report,
 * list and lead card answered then with what the whole ledger answers about that instant. Exits 1 when an answer differs.
 */
const DAYS = 300;
const LEADS_PER_DAY = 2;
const UNTIL_MS = Date.parse('2026-11-22T12:00:00.000Z');
const MAX_SHOWN = 10;

const wanted = Number(process.argv[2] ?? 100);
const seed = Number(process.argv[3] ?? 1);
if (!Number.isSafeInteger(wanted) || wanted < 1 || !Number.isSafeInteger(seed)) {
  console.error('oracle: usage: oracle:as-of -- <instants> [seed]');
  process.exit(2);
}

const dataDir = await mkdtemp(join(tmpdir(), 'oracle-as-of-'));
try {
  await simulateHistory({ dataDir, seed: `as-of ${seed}`, master: MASTER, untilMs: UNTIL_MS, days: DAYS, leadsPerDay: LEADS_PER_DAY }); // prettier-ignore
  const log = await EmbeddedLog.open({ dir: join(dataDir, 'log'), clock: new SystemClock() });
  try {
    const { answers, differences, instants, refused } = await compareAsOf(log, wanted, seed);
    for (const difference of differences.slice(0, MAX_SHOWN)) console.error(difference);
    console.log(
      `seed ${seed}: ${answers} answers (${refused} refused) at ${instants} instants, ${differences.length} differences`,
    );
    process.exitCode = differences.length === 0 ? 0 : 1;
  } finally {
    await log.close();
  }
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
