import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simulateHistory } from '#apps/ledger/src/demo/history.js';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import { SystemClock } from '#libs/platform/src/clock.js';
import { ModelBook } from '#libs/scoring/src/model-book.js';
import { MASTER } from '../support/command-path.js';
import { seededRandom } from './business-time-questions.js';
import { checkLead, type Tally } from './explained-scores.js';

/**
 * `npm run oracle:explanations -- [instants] [seed] [days]`: lives the demo company's two years and explains every lead's score at so many
 * random instants (100): its parts add up to it and are those of spec §5.3 by hand; and each recorded score is what the lead had
 * then. Exits 1 when something differs.
 */
const UNTIL_MS = Date.parse('2026-11-22T12:00:00.000Z');
const PAGE = 5000;
const MAX_SHOWN = 10;

const wanted = Number(process.argv[2] ?? 100);
const seed = Number(process.argv[3] ?? 1);
const days = Number(process.argv[4] ?? 730);
if (![wanted, seed, days].every((one) => Number.isSafeInteger(one) && one > 0)) {
  console.error('oracle: usage: oracle:explanations -- [instants] [seed] [days]');
  process.exit(2);
}

const dataDir = await mkdtemp(join(tmpdir(), 'oracle-explanations-'));
try {
  await simulateHistory({ dataDir, seed: `explanations ${seed}`, master: MASTER, untilMs: UNTIL_MS, days });
  const log = await EmbeddedLog.open({ dir: join(dataDir, 'log'), clock: new SystemClock() });
  try {
    const models = new ModelBook();
    const streams = new Map<string, RecordedEvent[]>();
    for (let after: string | undefined; ;) {
      const { events } = await log.readAll(after === undefined ? { limit: PAGE } : { after, limit: PAGE });
      for (const event of events) {
        if (event.stream.startsWith('scoringmodel-')) models.apply(event);
        if (!event.stream.startsWith('lead-')) continue;
        const stream = streams.get(event.stream);
        if (stream === undefined) streams.set(event.stream, [event]);
        else stream.push(event);
      }
      const last = events.at(-1);
      if (last === undefined) break;
      after = last.position;
    }
    const random = seededRandom(seed);
    const tally: Tally = { leads: 0, instants: 0, explained: 0, sums: 0, recorded: 0, differences: [] };
    for (const events of streams.values()) {
      const fromMs = effectiveRecordedAtMs(events[0] as RecordedEvent);
      const instants = Array.from({ length: wanted }, () => fromMs + random() * (UNTIL_MS - fromMs));
      checkLead(
        events,
        models,
        instants.map(Math.floor).sort((a, b) => a - b),
        tally,
      );
    }
    const { differences, ...counts } = tally;
    for (const difference of differences.slice(0, MAX_SHOWN)) console.error(difference);
    const told = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
    console.log(`seed ${seed}, ${days} days: ${told.join(', ')}; ${differences.length} differences`);
    process.exitCode = differences.length === 0 ? 0 : 1;
  } finally {
    await log.close();
  }
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
