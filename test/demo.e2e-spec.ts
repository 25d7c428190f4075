import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runDemo, type RunningDemo } from '#apps/ledger/src/demo/start-demo.js';
import { simulateHistory, type History } from '#apps/ledger/src/demo/history.js';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import { clockHistoryOf } from '#libs/history/src/clock-history.js';
import { clocksEncoder } from '#libs/history/src/encode-clocks.js';
import { GrowingTables } from '#libs/history/src/growing-tables.js';
import { replaySla } from '#libs/history/src/sla-replay.js';
import { SystemClock } from '#libs/platform/src/clock.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { masterKeyOf } from '#libs/privacy/src/master-key.js';
import { REPORT_NAMES } from '#libs/read-models/src/reports.js';
import { compareAsOf } from './oracle/as-of-answers.js';
import { scoringInForceOf } from './support/company-history.js';
import { FROM_SOURCES } from './support/ledger-here.js';

const ADMIN_KEY = 'an-administrators-key-of-the-demo';
const UNTIL_MS = Date.parse('2026-11-22T12:00:00.000Z');
const DAY_MS = 86_400_000;
const logger = makeLogger('error', 'demo');

const settingsOf = (dataDir: string, more: Readonly<Record<string, string>> = {}) =>
  parseSettings({ DATA_DIR: dataDir, PORT: '0', LEDGER_ADMIN_KEY: ADMIN_KEY, LOG_LEVEL: 'error', ...more });

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'demo-'));
});
afterAll(() => rm(home, { recursive: true, force: true }), 30_000);

async function eventsOf(dataDir: string): Promise<RecordedEvent[]> {
  const log = await EmbeddedLog.open({ dir: join(dataDir, 'log'), clock: new SystemClock() });
  const events: RecordedEvent[] = [];
  for (let after: string | null | undefined; after !== null;) {
    const page = await log.readAll({ limit: 10_000, ...(after === undefined ? {} : { after }) });
    events.push(...page.events);
    after = page.next;
  }
  await log.close();
  return events;
}

describe('a simulated history', () => {
  const live = (dir: string, seed: string): Promise<History> =>
    simulateHistory({
      dataDir: join(home, dir),
      seed,
      master: masterKeyOf(Buffer.alloc(32, 7)),
      untilMs: UNTIL_MS,
      days: 61,
      leadsPerDay: 2,
    });

  it('is the same for the same seed, event by event and place by place', async () => {
    const first = await live('first', 'one seed');
    await live('again', 'one seed');
    await live('other', 'another seed');
    const events = await eventsOf(join(home, 'first'));
    expect(first.commands).toBeGreaterThan(500);
    expect(digestOf(await eventsOf(join(home, 'again')))).toBe(digestOf(events));
    expect(digestOf(await eventsOf(join(home, 'other')))).not.toBe(digestOf(events));
  }, 120_000);

  it('is recorded when it happened, in order, and ends at the present', async () => {
    const recorded = (await eventsOf(join(home, 'first'))).map(effectiveRecordedAtMs);
    expect(recorded).toEqual([...recorded].sort((a, b) => a - b));
    expect(recorded[0]).toBe(UNTIL_MS - 61 * DAY_MS);
    expect(recorded.at(-1)).toBeLessThanOrEqual(UNTIL_MS);
    expect(recorded.at(-1)).toBeGreaterThan(UNTIL_MS - 2 * DAY_MS);
  });

  it('is answered about any instant of it as it was then', async () => {
    const log = await EmbeddedLog.open({ dir: join(home, 'first', 'log'), clock: new SystemClock() });
    try {
      const { answers, differences, refused } = await compareAsOf(log, 3, 7);
      expect(differences).toEqual([]);
      expect([answers > 100, refused]).toEqual([true, 0]);
    } finally {
      await log.close();
    }
  }, 240_000);

  it('breaks and keeps its promises as the policies in force make of its facts', async () => {
    const policies = new PolicyBook();
    const tables = new GrowingTables();
    const events = await eventsOf(join(home, 'first'));
    for (const event of events) {
      policies.apply(event);
      if (event.stream.startsWith('lead-')) void clocksEncoder.encode(event, tables);
    }
    const { check } = await replaySla(clockHistoryOf(tables), policies, {
      fromMs: 0,
      toMs: UNTIL_MS,
      asOfMs: UNTIL_MS,
      candidate: { calendars: new Map() },
      limit: 0,
    });
    const recorded = (type: string) => events.filter((event) => event.type === type).length;
    expect(check).toEqual({
      clocks: recorded('SlaClockStarted'),
      breaches: recorded('SlaBreached'),
      differences: 0,
      examples: [],
    });
    expect(check.clocks).toBeGreaterThan(100);
    expect(check.breaches).toBeGreaterThan(5);
  });

  /** Without what privacy draws anew each time: data keys, what they seal, the ids of identity claims. */
  function digestOf(events: readonly RecordedEvent[]): string {
    const digest = createHash('sha256');
    for (const { data, id, metadata, position, recordedAtMs, revision, stream, type } of events) {
      const isPrivate = stream.startsWith('leadkey-') || stream.startsWith('identity-');
      const { sealed, ...open } = data;
      const { piiKeyId, ...told } = metadata;
      const own = isPrivate ? null : { id, open, told, isSealed: sealed !== undefined, hasKey: piiKeyId !== undefined };
      digest.update(JSON.stringify([position, stream, revision, type, recordedAtMs, own]));
    }
    return digest.digest('hex');
  }
});

describe('a running demo', () => {
  let demo: RunningDemo;
  let lived: RecordedEvent[] = [];
  const dir = () => join(home, 'running');
  const start = () =>
    runDemo(settingsOf(dir()), logger, { ...FROM_SOURCES, seed: 'reports', days: 330, leadsPerDay: 2 });

  beforeAll(async () => {
    demo = await start();
    await ready();
  }, 180_000);
  afterAll(() => demo.stop(), 30_000);

  /** `/readyz` answers 200 when the views have caught up. */
  async function ready(): Promise<void> {
    const until = performance.now() + 60_000;
    while (!(await fetch(`${demo.url}/readyz`)).ok && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const get = (path: string): Promise<Response> =>
    fetch(`${demo.url}${path}`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
  async function read(response: Response): Promise<Record<string, unknown>> {
    expect(`${response.url} ${response.status}`).toBe(`${response.url} 200`);
    return (await response.json()) as Record<string, unknown>;
  }
  const ask = async (path: string) => read(await get(path));

  it.each(REPORT_NAMES)('has figures to report about %s', async (name) => {
    const from = new Date(Date.now() - 120 * DAY_MS).toISOString().slice(0, 10);
    const to = new Date(Date.now() + DAY_MS).toISOString().slice(0, 10);
    // Reports about this moment take no period.
    const period = await get(`/v1/reports/${name}?from=${from}&to=${to}`);
    const { rows, total } = period.status === 400 ? await ask(`/v1/reports/${name}`) : await read(period);
    const numbers = figuresIn({ rows, total });
    expect(numbers.filter((figure) => figure !== 0).length).toBeGreaterThan(1);
  });

  it('shows a funnel that narrows, kept promises and broken ones', async () => {
    const { total: funnel } = (await ask('/v1/reports/funnel')) as unknown as {
      total: { reached: Record<string, { count: number }> };
    };
    const reached = ['LEAD', 'MQL', 'SAL', 'SQL', 'OPPORTUNITY', 'CUSTOMER'].map(
      (stage) => funnel.reached[stage]!.count,
    );
    expect(reached).toEqual([...reached].sort((a, b) => b - a));
    expect(reached.at(-1)).toBeGreaterThan(0);
    const { total: acceptance } = (await ask('/v1/reports/acceptance')) as unknown as {
      total: { acceptance: { rate: number } };
    };
    expect(acceptance.acceptance.rate).toBeGreaterThan(0.84);
    expect(acceptance.acceptance.rate).toBeLessThan(0.97);
    const { total: winRate } = (await ask('/v1/reports/win-rate')) as unknown as {
      total: { byCount: { rate: number } };
    };
    expect(winRate.byCount.rate).toBeGreaterThan(0.15);
    expect(winRate.byCount.rate).toBeLessThan(0.5);
    for (const path of [
      '/v1/sla/clocks',
      '/v1/sla/breaches',
      '/v1/audit',
      '/v1/accounts',
      '/v1/campaigns',
      '/v1/reviews',
    ])
      expect(((await ask(path)).items as unknown[]).length).toBeGreaterThan(0);
  });

  it('explains every score to the last milli-point, at any instant', async () => {
    const { items: leads } = (await ask('/v1/leads?limit=200')) as unknown as { items: { leadId: string }[] };
    expect(leads.length).toBeGreaterThan(100);
    const nowMs = Date.now();
    let scored = 0;
    for (const [n, { leadId }] of leads.entries()) {
      for (let k = 0; k < 5; k++) {
        // Scattered over the lead's past, the same for every run.
        const atMs = nowMs - Math.floor(((n * 7919 + k * 104_729) % 9973) * (300 / 9973) * DAY_MS);
        const response = await get(`/v1/leads/${leadId}/score?asOf=${new Date(atMs).toISOString()}`);
        // Not captured yet at that instant.
        if (response.status === 404) continue;
        const { contributions, total } = (await read(response)) as unknown as {
          total: number | null;
          contributions: { mp: number }[];
        };
        const explained = contributions.reduce((sum, { mp }) => sum + mp, 0);
        expect([leadId, atMs, explained]).toEqual([leadId, atMs, total ?? 0]);
        if (contributions.length > 1) scored++;
      }
    }
    expect(scored).toBeGreaterThan(100);
  }, 60_000);

  it('raises alerts', async () => {
    const until = performance.now() + 20_000;
    let alerts: unknown[] = [];
    while (alerts.length === 0 && performance.now() < until) {
      alerts = (await ask('/v1/alerts')).items as unknown[];
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(alerts.length).toBeGreaterThan(0);
  });

  it('goes on at the next start where it was, without living through it again, and only as that demo', async () => {
    const before = (await ask('/v1/events?limit=1')) as unknown as { items?: unknown[] };
    await demo.stop();
    // Nobody holds its log now.
    lived = await eventsOf(dir());
    await expect(runDemo(settingsOf(dir()), logger, { seed: 'another' })).rejects.toThrow(
      /holds the demo of seed reports/,
    );
    let wasLived = false;
    demo = await runDemo(settingsOf(dir()), logger, FROM_SOURCES, () => (wasLived = true));
    await ready();
    expect(wasLived).toBe(false);
    expect(await ask('/v1/events?limit=1')).toEqual(before);
  }, 60_000);

  it('was scored and marked as the models in force make of its history, and never otherwise', async () => {
    const { consequences, differences, scores } = await scoringInForceOf(lived);
    expect(differences).toEqual([]);
    expect(scores).toBeGreaterThan(500);
    expect(consequences).toBeGreaterThan(100);
  }, 60_000);

  it('is never mixed into anything else', async () => {
    const real = join(home, 'real');
    await mkdir(real);
    await writeFile(join(real, 'admin.key'), 'secret\n');
    await expect(runDemo(settingsOf(real), logger)).rejects.toThrow(/DATA_DIR.*no demo/);
    const elsewhere = join(home, 'elsewhere');
    const redis = settingsOf(elsewhere, { REDIS_URL: 'redis://127.0.0.1:1' });
    await expect(runDemo(redis, logger)).rejects.toThrow(/REDIS_URL/);
    const store = settingsOf(elsewhere, {
      EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false',
      LEDGER_MASTER_KEY: 'ab'.repeat(32),
    });
    await expect(runDemo(store, logger)).rejects.toThrow(/EVENTSTORE_URL/);
    await expect(runDemo(settingsOf(elsewhere, { LEDGER_TEST_CLOCK: '1' }), logger)).rejects.toThrow(
      /LEDGER_TEST_CLOCK/,
    );
  });
});

/** Every number in an answer, links aside. */
function figuresIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(figuresIn);
}
