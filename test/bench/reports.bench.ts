import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { EventLog, NewEvent, Position } from '#libs/event-log/src/event-log.js';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { Projector } from '#libs/projections/src/projector.js';
import { LAST_PART } from '#libs/read-models/src/dimensions.js';
import { percentile } from '#libs/read-models/src/figures.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';
import { PATH_TABLE } from '#libs/read-models/src/path.js';
import { ReportError } from '#libs/read-models/src/report-error.js';
import type { Query } from '#libs/read-models/src/report-params.js';
import { REPORT_NAMES, type ReportName, runReport } from '#libs/read-models/src/reports.js';
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import { RedisStore } from '#libs/read-models/src/store/redis-store.js';
import { appendGeneratedLeads } from '../support/generated-leads.js';
import { hasRedis, startRedis } from '../support/redis-server.js';

const LEADS = 100_000;
const ROUNDS = 20;
const LIVE_EVERY_MS = 50;
const NOW_MS = Date.parse('2025-07-01T00:00:00.000Z');
const PERIOD = { from: '2025-02-01', to: '2025-03-01' };
const clock = { nowMs: () => NOW_MS };

export const bench = {
  name: 'reports',

  /**
   * Every report, whole and by source, over all time, asked in turn while a projector applies twenty events a second: leads
   * get another owner, most of them leads of the last days. `from the facts`: asked by somebody whose earlier questions are
   * not remembered.
   */
  async run(leads = LEADS): Promise<void> {
    const dir = mkdtempSync(join(tmpdir(), 'lead-ledger-reports-bench-'));
    const log = await EmbeddedLog.open({ dir, clock });
    try {
      await appendGeneratedLeads(log, leads);
      console.log(`${leads.toLocaleString('en')} leads, in memory`);
      await measure(log, new MemoryStore().open('bench', 1));
      if (!hasRedis()) {
        console.log('Redis: not measured, redis-server is not on PATH');
        return;
      }
      const server = await startRedis();
      const store = new RedisStore({ url: server.url, commandTimeoutMs: 30_000 });
      try {
        console.log(`${leads.toLocaleString('en')} leads, in Redis`);
        await measure(log, store.open('bench', 1));
      } finally {
        await store.close();
        await server.stop();
      }
    } finally {
      await log.close();
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

interface Question {
  readonly name: ReportName;
  readonly query: Query;
  readonly fromFactsMs: number;
  readonly ms: number[];
}

async function measure(log: EventLog, view: ReadView): Promise<void> {
  const policies = new PolicyBook();
  for (const event of defaultConfigEvents(0)) policies.apply(event);
  const projector = new Projector({ projection: funnelProjection, log, view, clock });
  projector.start();
  if (!(await projector.waitFor((await log.head()) as Position, 600_000))) throw new Error('not caught up');

  let asked = 0;
  const ask = async (of: ReadView, name: ReportName, query: Query): Promise<number> => {
    // As live: each question is as of its own now.
    const nowMs = NOW_MS + (asked += 1);
    await nextTurn();
    const startedMs = performance.now();
    await runReport(of, name, query, { nowMs, defaultTz: 'UTC', policies, position: null });
    return performance.now() - startedMs;
  };
  const questions: Question[] = [];
  for (const name of REPORT_NAMES) {
    for (const split of [{}, { by: 'source' }]) {
      for (const query of [split, { ...split, ...PERIOD }]) {
        try {
          // Another object is another view to whoever remembers answers.
          const fromFactsMs = await ask(Object.create(view) as ReadView, name, query);
          questions.push({ name, query, fromFactsMs, ms: [] });
          break;
        } catch (error) {
          // Some must be asked of a period.
          if (!(error instanceof ReportError)) throw error;
        }
      }
    }
  }

  const live = changes(log, await leadsByLastChange(view));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const { ms, name, query } of questions) {
      const took = await ask(view, name, query);
      // The first time is from the facts.
      if (round > 0) ms.push(took);
    }
  }
  await live.stop();
  await projector.stop();

  console.log(`${''.padEnd(36)} from the facts        p50        p95`);
  for (const { fromFactsMs, ms, name, query } of questions) {
    const sorted = ms.sort((a, b) => a - b);
    const columns = [fromFactsMs, percentile(sorted, 50), percentile(sorted, 95)];
    console.log(
      `${`${name} ${query.by === undefined ? '' : `by ${String(query.by)}`}`.padEnd(36)} ${columns
        .map((value, index) => `${(value ?? NaN).toFixed(1)} ms`.padStart(index === 0 ? 14 : 10))
        .join(' ')}`,
    );
  }
  console.log(`${live.events} live events; ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`);
}

async function leadsByLastChange(view: ReadView): Promise<string[]> {
  return (await view.rowsBetween(PATH_TABLE, '', LAST_PART)).map(([, leadId]) => leadId);
}

/** Four of five changes are to the twentieth of the leads that changed last, the others to any. */
function changes(log: EventLog, leadIds: readonly string[]): { events: number; stop(): Promise<void> } {
  let running = Promise.resolve();
  const live = {
    events: 0,
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
  const timer = setInterval(() => {
    const among = Math.random() < 0.8 ? Math.ceil(leadIds.length / 20) : leadIds.length;
    const leadId = leadIds[leadIds.length - 1 - Math.floor(Math.random() * among)] as string;
    running = running.then(async () => {
      await log.append({
        stream: `lead-${leadId}`,
        expectedRevision: 'any',
        events: [ownerAssigned(leadId, live.events)],
      });
      live.events += 1;
    });
  }, LIVE_EVERY_MS);
  return live;
}

function ownerAssigned(leadId: string, number: number): NewEvent {
  const occurredAt = new Date(NOW_MS).toISOString();
  return {
    id: randomUUID(),
    type: 'OwnerAssigned',
    data: {
      occurredAt,
      leadId,
      ownerId: `rep${number % 20}`,
      teamId: 'sales',
      reason: 'manual',
      previousOwnerId: null,
    },
    metadata: { actor: { type: 'user', id: 'ann', role: 'sales_manager' }, recordedAt: occurredAt },
  };
}
