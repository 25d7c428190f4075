import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RequestMethod } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { CommandBus } from '@nestjs/cqrs';
import { routes } from '#apps/api/src/openapi/routes.js';
import type { RunningLedger } from '#apps/ledger/src/start.js';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { startWireEndpoint } from '#libs/event-log/src/wire/wire-endpoint.js';
import { SystemClock } from '#libs/platform/src/clock.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { LedgerClient, type Answer, type Call } from './support/ledger-client.js';
import { ledgerHere } from './support/ledger-here.js';
import { hasRedis, startRedis } from './support/redis-server.js';

const ADMIN_KEY = 'an-administrators-key-of-the-e2e';
/** A Monday; calendars of the default configuration are in UTC, office hours 9 to 17. */
const START = '2026-03-02T09:00:00.000Z';

interface Backend {
  readonly name: string;
  readonly redis: boolean;
  /** The log is another process's, so to speak: it can be away. */
  readonly remote?: boolean;
  readonly open: (dir: string) => Promise<Opened>;
}
interface Opened {
  readonly env: Record<string, string>;
  close(): Promise<void>;
  /** Takes the log away; the answer brings it back. */
  outage?(): Promise<() => Promise<void>>;
}

const backends: readonly Backend[] = [
  { name: 'embedded log, memory', redis: false, open: async () => ({ env: {}, close: async () => undefined }) },
  {
    name: 'embedded log, Redis',
    redis: true,
    async open() {
      const redis = await startRedis();
      return { env: { REDIS_URL: redis.url }, close: () => redis.stop() };
    },
  },
  {
    name: 'EventStoreDB client over the wire, Redis',
    redis: true,
    remote: true,
    async open(dir) {
      const redis = await startRedis();
      const log = await EmbeddedLog.open({ dir: join(dir, 'server'), clock: new SystemClock() });
      let wire = await startWireEndpoint(log, { port: 0 });
      return {
        env: {
          REDIS_URL: redis.url,
          EVENTSTORE_URL: `esdb://127.0.0.1:${wire.port}?tls=false`,
        },
        async outage() {
          await wire.close();
          return async () => {
            wire = await startWireEndpoint(log, { port: wire.port });
          };
        },
        async close() {
          await wire.close();
          await log.close();
          await redis.stop();
        },
      };
    },
  },
];

/** Ids that a test chooses, so that every backend answers alike. */
const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const [ANNA, BEN, CARLA, DORA] = [uuid(1), uuid(2), uuid(3), uuid(4)] as const;

const RANDOM_UUID = /^(?!00000000)[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/;

/** What may differ between backends and runs: places in the log, and the ids of the sweeper's own commands. */
function normalised(value: unknown): unknown {
  if (typeof value === 'string') {
    if (/^[0-9a-f]{16}$/.test(value)) return '<position>';
    if (RANDOM_UUID.test(value)) return '<random>';
    return value.replaceAll(/after=[0-9a-f]{16}/g, 'after=<position>');
  }
  if (Array.isArray(value)) return value.map(normalised);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normalised(item)]));
}

const expectProblem = (answer: Answer, status: number, code: string) => {
  expect({ status: answer.status, code: answer.body.code, type: answer.headers.get('content-type') }).toEqual({
    status,
    code,
    type: 'application/problem+json; charset=utf-8',
  });
  expect(answer.body).toEqual(
    expect.objectContaining({
      type: expect.any(String),
      title: expect.any(String),
      detail: expect.any(String),
      status,
      fields: expect.any(Array),
      retryable: expect.any(Boolean),
    }),
  );
};

const capture = (leadId: string, name: string, code: string) => ({
  leadId,
  person: { givenName: name, familyName: 'Example', email: `${name.toLowerCase()}@example.org` },
  companyName: `${name} & Sons`,
  captureMethod: 'form',
  interest: { kind: 'active', request: 'demo', message: 'Call me' },
  source: { channel: 'search', code },
  consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
  location: { country: 'DE', city: 'Berlin' },
});
const yes = { value: 'yes', note: 'She said so on the phone' };
const allYes = { interest: yes, need: yes, budget: yes, authority: yes, timing: yes };

const transcripts = new Map<string, unknown[]>();

describe.each(backends)('the ledger on $name', ({ name, redis, remote, open }) => {
  const run = redis && !hasRedis() ? it.skip : it;
  let dir: string;
  let backend: Opened;
  let ledger: RunningLedger;
  let admin: LedgerClient;
  let marketing: LedgerClient;
  let rita: LedgerClient;
  let analyst: LedgerClient;
  let ops: LedgerClient;
  const transcript: unknown[] = [];
  let commands = 0;

  /** Asks, and writes the answer down for the comparison of backends. */
  const told = async (answer: Promise<Answer>): Promise<Answer> => {
    const { status, body, headers } = await answer;
    transcript.push(normalised({ status, body, etag: headers.get('etag') }));
    return { status, body, headers };
  };
  const command = async (client: LedgerClient, path: string, body: unknown = {}, status = 200): Promise<Answer> => {
    const answer = await told(client.command(path, body, uuid(1000 + commands++)));
    if (answer.status !== status) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer;
  };
  const setClock = async (now: string, sweep: 'continuous' | 'none' = 'continuous') => {
    const answer = await admin.call('PUT', '/v1/testing/clock', { body: { now, sweep } });
    expect(answer).toMatchObject({ status: 200, body: { now } });
  };
  const report = async (path: string) => {
    const answer = await told(analyst.get(path));
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };

  beforeAll(async () => {
    if (redis && !hasRedis()) return;
    dir = await mkdtemp(join(tmpdir(), 'lead-ledger-e2e-'));
    backend = await open(dir);
    const settings = parseSettings({
      DATA_DIR: join(dir, 'data'),
      PORT: '0',
      LEDGER_ADMIN_KEY: ADMIN_KEY,
      // The same for all: keyed hashes of identities are part of what is compared.
      LEDGER_MASTER_KEY: Buffer.alloc(32, 5).toString('base64'),
      LEDGER_TEST_CLOCK: '1',
      LOG_LEVEL: 'silent',
      ...backend.env,
    });
    ledger = await ledgerHere(settings, makeLogger('silent', 'e2e'));
    admin = new LedgerClient(ledger.url, ADMIN_KEY);
    await setClock(START, 'none');
    const keyFor = async (actorId: string, role: string, teams: string[]) => {
      const answer = await admin.call('POST', '/v1/keys', { body: { name: actorId, actorId, role, teams } });
      expect(answer.status).toBe(201);
      return admin.as(answer.body.key);
    };
    marketing = await keyFor('mia', 'marketing', ['marketing']);
    rita = await keyFor('rita', 'sales', ['sales']);
    analyst = await keyFor('ana', 'analyst', []);
    ops = await keyFor('olga', 'ops', []);
  }, 60_000);

  afterAll(async () => {
    if (redis && !hasRedis()) return;
    transcripts.set(name, transcript);
    await ledger?.stop();
    await backend?.close();
    await rm(dir, { recursive: true, force: true });
  }, 30_000);

  run('is ready and tells so', async () => {
    expect((await admin.call('GET', '/readyz', { key: null })).body).toMatchObject({ ready: true });
    expect((await admin.call('GET', '/healthz', { key: null })).status).toBe(200);
  });

  run('works a lead from capture to won', async () => {
    const captured = await command(marketing, '/v1/leads', capture(ANNA, 'Anna', 'google_ads'), 201);
    expect(captured.body).toMatchObject({ leadId: ANNA, state: 'LEAD', replayed: false });
    expect(captured.headers.get('etag')).toBe(`"${captured.body.revision}"`);

    const marked = await command(marketing, `/v1/leads/${ANNA}/mark-mql`, { reason: 'meets the agreed criteria' });
    expect(marked.body.events.map((event: { type: string }) => event.type)).toEqual(
      expect.arrayContaining(['MarkedMQL', 'HandedOffToSales', 'SlaClockStarted']),
    );
    await setClock('2026-03-02T11:00:00.000Z');
    expect((await command(rita, `/v1/leads/${ANNA}/accept`)).body.state).toBe('SAL');
    await setClock('2026-03-02T14:00:00.000Z');
    await command(rita, `/v1/leads/${ANNA}/contact-attempts`, {
      channel: 'phone',
      outcome: 'connected',
      note: 'Nice call',
    });
    await setClock('2026-03-04T10:00:00.000Z');
    expect((await command(rita, `/v1/leads/${ANNA}/mark-sql`, { qualification: allYes })).body.state).toBe('SQL');
    const opened = await command(rita, `/v1/leads/${ANNA}/open-opportunity`, {
      amount: { amountMinor: 1_200_000, currency: 'EUR' },
      expectedCloseDate: '2026-04-15',
    });
    expect(opened.body.state).toBe('OPPORTUNITY');
    await setClock('2026-03-09T10:00:00.000Z');
    await command(rita, `/v1/leads/${ANNA}/change-deal-stage`, { to: 'demo' });
    await command(rita, `/v1/leads/${ANNA}/verify-deal-value`, { evidence: 'signed_quote' });
    const won = await command(rita, `/v1/leads/${ANNA}/win`, { amount: { amountMinor: 1_200_000, currency: 'EUR' } });
    expect(won.body.state).toBe('CUSTOMER');

    const card = await told(rita.get(`/v1/leads/${ANNA}?after=${won.body.position}`));
    expect(card.status).toBe(200);
    expect(card.body).toMatchObject({
      leadId: ANNA,
      state: 'CUSTOMER',
      person: { givenName: 'Anna', email: 'anna@example.org' },
      revision: won.body.revision,
    });
  });

  run('answers a repeated command with its first outcome and appends nothing', async () => {
    const body = capture(DORA, 'Dora', 'fair');
    const first = await marketing.command('/v1/leads', body, 'dora-by-form-17');
    const head = await ledger.log.head();
    const again = await marketing.command('/v1/leads', body, 'dora-by-form-17');
    expect(again.status).toBe(first.status);
    expect(again.body).toEqual({ ...first.body, replayed: true });
    expect(await ledger.log.head()).toBe(head);
  });

  run('breaches a promise that nobody kept, once, at the due instant', async () => {
    await setClock('2026-03-10T09:00:00.000Z');
    await command(marketing, '/v1/leads', capture(BEN, 'Ben', 'google_ads'), 201);
    await command(marketing, `/v1/leads/${BEN}/mark-mql`, { reason: 'agreed criteria' });
    await setClock('2026-03-12T12:00:00.000Z');
    const breaches = await report('/v1/sla/breaches');
    expect(breaches.items).toHaveLength(1);
    expect(breaches.items[0]).toMatchObject({
      leadId: BEN,
      clockType: 'handoff_response',
      dueAt: '2026-03-10T17:00:00.000Z',
    });
    const sweep = await admin.call('POST', '/v1/testing/sweep', { body: { instances: 3 } });
    expect(sweep.status).toBe(200);
    expect((await report('/v1/sla/breaches')).items).toHaveLength(1);
    expect((await command(rita, `/v1/leads/${BEN}/accept`)).body.state).toBe('SAL');
  });

  run('recycles a lead that is not ready', async () => {
    await command(marketing, '/v1/leads', capture(CARLA, 'Carla', 'webinar'), 201);
    await command(marketing, `/v1/leads/${CARLA}/mark-mql`, { reason: 'agreed criteria' });
    await command(rita, `/v1/leads/${CARLA}/accept`);
    await command(rita, `/v1/leads/${CARLA}/contact-attempts`, { channel: 'phone', outcome: 'connected' });
    const recycled = await command(rita, `/v1/leads/${CARLA}/recycle`, {
      reasonCode: 'timing',
      nurtureTrackId: 'later',
      revisitOn: '2026-09-01',
    });
    expect(recycled.body.state).toBe('RECYCLED');
  });

  run('answers every report with the same figures', async () => {
    const position = (await report('/v1/events?limit=1000')).position;
    const at = (path: string) => report(`${path}${path.includes('?') ? '&' : '?'}after=${position}`);
    const stock = await at('/v1/reports/stock');
    expect(stock.total.states).toMatchObject({ CUSTOMER: { count: 1 }, SAL: { count: 1 }, RECYCLED: { count: 1 } });
    expect(stock.position >= position).toBe(true);
    const funnel = await at('/v1/reports/funnel?by=source');
    expect(funnel.rows.map((row: { dimensions: { source: string } }) => row.dimensions.source).sort()).toEqual([
      'fair',
      'google_ads',
      'webinar',
    ]);
    for (const name of ['flow', 'stage-durations', 'acceptance', 'sla', 'sales-cycle', 'win-rate'])
      await at(`/v1/reports/${name}?from=2026-03-01&to=2026-04-01&by=source`);
    for (const name of ['coverage', 'required-opportunities', 'stage-benchmarks', 'balance', 'forecast-accuracy'])
      await at(`/v1/reports/${name}?from=2026-03-01&to=2026-04-01&by=source`);
    expect((await at('/v1/reports/stale')).total.stale).toMatchObject({ numerator: 0, rate: 0 });
    expect((await at('/v1/reports/bottlenecks')).total.bottleneck).toBeNull();
    const [sold] = (await at('/v1/reports/forecast?from=2026-03-01&to=2026-04-01')).total.currencies;
    expect(sold).toMatchObject({ open: { deals: 0 }, won: { deals: 1 } });
    expect((await report(sold.won.drill)).items).toMatchObject([{ leadId: ANNA }]);
    const march = async (name: string, more = '') =>
      (await at(`/v1/reports/${name}?from=2026-03-01&to=2026-04-01${more}`)).total;
    expect(await march('velocity')).toMatchObject({ qualified: { count: 1 }, percent: null, complete: false });
    expect(await march('qualified')).toMatchObject({ qualified: { count: 1 }, openStock: { count: 0 } });
    expect(await march('loss-reasons')).toMatchObject({ lost: { count: 0 }, underNurtured: { rate: null } });
    expect(await march('recycling')).toMatchObject({ recycled: { rate: 0.333333 }, immature: { count: 1 } });
    expect(await march('prospects')).toMatchObject({ captured: { count: 4 } });
    expect(await march('sal-effect')).toMatchObject({
      through: { winRate: { rate: 1 } },
      skipped: { closed: { count: 0 } },
    });
    const returned = (await march('returns')).returned;
    expect(returned).toMatchObject({ numerator: 1, denominator: 3 });
    expect((await report(returned.drill)).items).toMatchObject([{ leadId: CARLA }]);
    const sal = (await march('leak')).stages.find(({ stage }: { stage: string }) => stage === 'SAL');
    expect(sal.exits).toMatchObject([{ exitKind: 'recycled', reasons: [{ reasonCode: 'timing', numerator: 1 }] }]);
    const grown = await at('/v1/reports/revenue?from=2026-03-01&to=2026-04-01&marker=2026-03-05');
    expect(grown.marker.after.total.currencies).toMatchObject([
      { won: { amountMinor: 1_200_000 }, growth: { rate: null } },
    ]);
    await at('/v1/sla/clocks');
    await at('/v1/leads?limit=2');
    await at('/v1/audit');
    for (const leadId of [ANNA, BEN, CARLA]) {
      const timeline = await at(`/v1/leads/${leadId}/timeline`);
      expect(timeline.items.length).toBeGreaterThan(3);
    }
    expect((await at(`/v1/leads/${BEN}`)).state).toBe('SAL');
  });

  run('drills into exactly the leads behind a figure', async () => {
    const { total } = await report('/v1/reports/stock');
    const drilled = await report(total.states.CUSTOMER.drill);
    expect(drilled.items.map((item: { leadId: string }) => item.leadId)).toEqual([ANNA]);
  });

  run('feeds events downstream without personal data', async () => {
    const page = await report(`/v1/events?leadId=${ANNA}&limit=3`);
    expect(page).toMatchObject({ more: true });
    expect(page.events[0]).toMatchObject({
      specversion: '1.0',
      type: 'io.leadledger.LeadCaptured.v1',
      subject: ANNA,
      time: START,
      recordedat: START,
      actor: 'user:mia',
    });
    const all = await analyst.get('/v1/events?limit=1000');
    const text = JSON.stringify(all.body);
    expect(text).not.toMatch(/anna@example\.org|Berlin|Call me|Nice call|sealed/);
    const next = await analyst.get(`/v1/events?leadId=${ANNA}&limit=3&after=${page.position}`);
    expect(next.body.events[0].revision).toBe(3);
    expect((await analyst.get(`/v1/events?types=DealWon`)).body.events).toHaveLength(1);
  });

  run('wakes a long poll when something is recorded', async () => {
    const { position } = (await analyst.get('/v1/events?limit=1000')).body;
    const waiting = analyst.get(`/v1/events?after=${position}&wait=20`);
    await command(marketing, `/v1/leads/${CARLA}/behaviours`, { kind: 'page_view' });
    expect((await waiting).body.events.map((event: { type: string }) => event.type)).toEqual([
      'io.leadledger.BehaviourRecorded.v1',
    ]);
  });

  run('takes commands as NDJSON, one result line per input line, in order', async () => {
    const lines = [
      { command: 'CaptureLead', commandId: uuid(90), ...capture(uuid(50), 'Emil', 'fair') },
      { command: 'RecordBehaviour', leadId: uuid(50), commandId: uuid(91), kind: 'pricing_page' },
      { command: 'AcceptLead', leadId: uuid(50), commandId: uuid(92) },
      { command: 'Nonsense', leadId: uuid(50) },
      { command: 'RecordBehaviour', leadId: uuid(51), commandId: uuid(93), kind: 'pricing_page' },
    ];
    const raw = `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"broken\n`;
    const answer = await marketing.call('POST', '/v1/commands', {
      raw,
      headers: { 'content-type': 'application/x-ndjson' },
    });
    expect(answer.status).toBe(200);
    const results = String(answer.body)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    transcript.push(normalised(results));
    expect(results.map(({ line, code, state }) => [line, code ?? state])).toEqual([
      [1, 'LEAD'],
      [2, 'LEAD'],
      [3, 'FORBIDDEN_ROLE'],
      [4, 'VALIDATION_FAILED'],
      [5, 'LEAD_NOT_FOUND'],
      [6, 'VALIDATION_FAILED'],
    ]);
  });

  run(
    'marks a lead by its score in the append of the behaviour, and explains the score to the milli-point',
    async () => {
      const lead = uuid(60);
      const body = { ...capture(lead, 'Gina', 'fair'), role: 'decision_maker', interest: { kind: 'passive' } };
      await command(marketing, '/v1/leads', body, 201);
      await command(marketing, `/v1/leads/${lead}/behaviours`, { kind: 'page_view', count: 9 });
      const before = await told(rita.get(`/v1/leads/${lead}/score`));
      expect(before.body).toMatchObject({ total: 25_000, grade: 'C', band: 'cold', coolsAt: null });
      expect(before.body.thresholds.mql).toMatchObject({ met: false, missing: { total: 35_000, grade: null } });

      const crossed = await command(marketing, `/v1/leads/${lead}/behaviours`, { kind: 'contact_sales_request' });
      expect(crossed.body.events.map((event: { type: string }) => event.type)).toEqual([
        'BehaviourRecorded',
        'LeadScored',
        'MarkedMQL',
        'HandedOffToSales',
        'SlaClockStarted',
      ]);
      const entries = (await told(rita.get(`/v1/leads/${lead}/timeline`))).body.items.slice(-5);
      expect(new Set(entries.map((entry: { commandId: string }) => entry.commandId)).size).toBe(1);
      expect(entries[0].actor).toMatchObject({ id: 'mia', role: 'marketing' });
      expect(entries[2]).toMatchObject({
        type: 'MarkedMQL',
        actor: { type: 'system', id: 'system:scoring' },
        policyRefs: { scoringModelVersion: 1 },
        data: { mode: 'auto', total: 65_000, grade: 'C', modelVersion: 1 },
      });

      const { body: score } = await told(rita.get(`/v1/leads/${lead}/score`));
      expect(score).toMatchObject({ total: 65_000, model: { id: 'default', version: 1 }, recorded: { total: 65_000 } });
      const sum = score.contributions.reduce((total: number, { mp }: { mp: number }) => total + mp, 0);
      expect(sum).toBe(score.total);
      expect(score.contributions).toContainEqual(
        expect.objectContaining({ ruleId: 'page_view', mp: 5000, rawMp: 9000, capped: true }),
      );
      const cooled = await told(rita.get(`/v1/leads/${lead}/score?asOf=${score.coolsAt}`));
      expect(cooled.body.total).toBeLessThan(60_000);
      expect((await rita.get(`/v1/leads/${lead}`)).body.score).toMatchObject({
        total: 65_000,
        grade: 'C',
        band: 'hot',
      });
      expectProblem(await told(rita.get(`/v1/leads/${lead}/score?modelVersion=7`)), 404, 'NOT_FOUND');
      expectProblem(await told(rita.get(`/v1/leads/${lead}/score?modelVersion=x`)), 400, 'VALIDATION_FAILED');
    },
  );

  run('scores the leads there are under a model that is activated for them', async () => {
    const lead = uuid(61);
    const body = { ...capture(lead, 'Hanna', 'fair'), role: 'decision_maker', interest: { kind: 'passive' } };
    await command(marketing, '/v1/leads', body, 201);
    await command(marketing, `/v1/leads/${lead}/behaviours`, { kind: 'guide' });
    const models = '/v1/config/scoring-models';
    const { document } = (await admin.get(`${models}/default`)).body.versions[0];
    const thresholds = { ...document.thresholds, mql: { minTotal: 25, minGrade: 'C' } };
    const draft = { id: 'default', document: { ...document, name: 'Easier', thresholds } };
    const configured = async (path: string, sent: object) => {
      const answer = await admin.call('POST', path, { body: sent });
      if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    };
    await configured(models, draft);
    for (const party of ['marketing', 'sales']) await configured(`${models}/default/versions/2/approve`, { party });
    const effectiveFrom = '2026-03-12T12:30:00.000Z';
    await configured(`${models}/default/versions/2/activate`, { effectiveFrom, rescoreExisting: true });
    await setClock('2026-03-12T13:00:00.000Z');
    const { items } = (await told(rita.get(`/v1/leads/${lead}/timeline`))).body;
    expect(items.slice(-4).map(({ type }: { type: string }) => type)).toEqual([
      'LeadScored',
      'MarkedMQL',
      'HandedOffToSales',
      'SlaClockStarted',
    ]);
    expect(items.at(-4).data).toMatchObject({ cause: 'model_activated', modelVersion: 2, occurredAt: effectiveFrom });
    const under = async (version: number) =>
      (await told(rita.get(`/v1/leads/${lead}/score?modelVersion=${version}`))).body.thresholds.mql.met;
    expect([await under(1), await under(2)]).toEqual([false, true]);
  });

  run(
    'refuses bad input with the code of the specification and appends nothing',
    async () => {
      await command(marketing, `/v1/leads/${DORA}/mark-mql`, { reason: 'agreed criteria' });
      const head = await ledger.log.head();
      const body = capture(uuid(70), 'Frieda', 'fair');
      const deep = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`;
      const array = '['.repeat(10_000) + ']'.repeat(10_000);
      const huge = JSON.stringify({ companyName: 'x'.repeat(3 * 2 ** 20) });
      const surrogate = JSON.stringify(body).replace('frieda@', String.raw`\ud800@`);
      const view = { kind: 'page_view' };
      const form = { 'content-type': 'application/x-www-form-urlencoded' };
      const ndjson = { 'content-type': 'application/x-ndjson' };
      const captured = (body: unknown) => marketing.call('POST', '/v1/leads', { body });
      const sent = (raw: Call['raw'], headers = {}) => marketing.call('POST', '/v1/leads', { raw, headers });
      const viewed = (more: object = {}, id?: string, headers?: Record<string, string>) =>
        marketing.command(`/v1/leads/${BEN}/behaviours`, { ...view, ...more }, id, headers);
      // prettier-ignore
      const cases: readonly [what: string, ask: () => Promise<Answer>, status: number, code: string, field?: string][] = [
      ['malformed JSON', () => sent('{"person":'), 400, 'VALIDATION_FAILED'],
      ['no JSON object', () => sent('[]'), 400, 'VALIDATION_FAILED'],
      ['an unknown field', () => captured({ ...body, colour: 'red' }), 400, 'VALIDATION_FAILED', 'colour'],
      ['an unknown nested field', () => captured({ ...body, person: { shoeSize: 43 } }), 400, 'VALIDATION_FAILED', 'person.shoeSize'],
      ['a wrong type', () => captured({ ...body, companyName: 7 }), 400, 'VALIDATION_FAILED', 'companyName'],
      ['10,000-deep JSON', () => sent(deep), 400, 'VALIDATION_FAILED'],
      ['a 10,000-deep array', () => sent(array), 400, 'VALIDATION_FAILED'],
      ['a huge body', () => sent(huge), 413, 'VALIDATION_FAILED'],
      ['a lone surrogate', () => sent(surrogate), 400, 'VALIDATION_FAILED', 'person.email'],
      ['bytes that are not UTF-8', () => sent(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), 400, 'VALIDATION_FAILED'],
      ['another content type', () => sent('a=b', form), 400, 'VALIDATION_FAILED', 'content-type'],
      ['NDJSON where JSON belongs', () => sent('{}', ndjson), 400, 'VALIDATION_FAILED', 'content-type'],
      ['JSON where NDJSON belongs', () => marketing.call('POST', '/v1/commands', { body: {} }), 400, 'VALIDATION_FAILED', 'content-type'],
      ['an e-mail address that is none', () => captured({ ...body, person: { email: 'nobody' } }), 400, 'EMAIL_INVALID', 'person.email'],
      ['an unknown lead', () => rita.command(`/v1/leads/${uuid(404)}/accept`), 404, 'LEAD_NOT_FOUND'],
      ['a lead id that is none', () => rita.command('/v1/leads/nobody/accept'), 404, 'LEAD_NOT_FOUND'],
      ['an unknown lead asked for', () => rita.get(`/v1/leads/${uuid(404)}`), 404, 'LEAD_NOT_FOUND'],
      ['the wrong state', () => rita.command(`/v1/leads/${ANNA}/accept`), 422, 'INVALID_TRANSITION'],
      ['the wrong role', () => marketing.command(`/v1/leads/${BEN}/mark-sql`), 403, 'FORBIDDEN_ROLE'],
      ['the wrong role for marking', () => rita.command(`/v1/leads/${BEN}/mark-mql`), 403, 'FORBIDDEN_ROLE'],
      ['an analyst who commands', () => analyst.command(`/v1/leads/${BEN}/behaviours`, view), 403, 'FORBIDDEN_ROLE'],
      ['ops who accepts for nobody', () => ops.command(`/v1/leads/${DORA}/accept`), 403, 'FORBIDDEN_ROLE'],
      ['keys wanted by marketing', () => marketing.call('POST', '/v1/keys', { body: { name: 'x', role: 'admin' } }), 403, 'FORBIDDEN_ROLE'],
      ['a stale revision', () => viewed({}, uuid(7001), { 'if-match': '"0"' }), 409, 'CONFLICT'],
      ['a revision that is none', () => viewed({}, uuid(7002), { 'if-match': 'latest' }), 400, 'VALIDATION_FAILED', 'If-Match'],
      ['a reused command id', () => marketing.command('/v1/leads', { ...body, leadId: DORA }, 'dora-by-form-17'), 409, 'COMMAND_ID_REUSED'],
      ['a command id that is none', () => marketing.command('/v1/leads', body, 'x'.repeat(201)), 400, 'VALIDATION_FAILED', 'Idempotency-Key'],
      ['a future time', () => viewed({ occurredAt: '2026-12-24T00:00:00Z' }), 400, 'OCCURRED_IN_FUTURE'],
      ['a time long ago', () => viewed({ occurredAt: '2026-01-24T00:00:00Z' }), 400, 'BACKDATE_LIMIT_EXCEEDED'],
      ['a time that is none', () => viewed({ occurredAt: 'yesterday' }), 400, 'VALIDATION_FAILED', 'occurredAt'],
      ['an unknown behaviour', () => viewed({ kind: 'sneezed' }), 422, 'UNKNOWN_BEHAVIOUR'],
      ['no key', () => marketing.call('GET', '/v1/reports/stock', { key: null }), 401, 'UNAUTHENTICATED'],
      ['a wrong key', () => marketing.as('ll_0123456789abcdef_nope').get('/v1/reports/stock'), 401, 'UNAUTHENTICATED'],
      ['no key and a malformed body', () => marketing.call('POST', '/v1/leads', { key: null, raw: '{' }), 401, 'UNAUTHENTICATED'],
      ['an unknown action', () => rita.command(`/v1/leads/${BEN}/teleport`), 404, 'NOT_FOUND'],
      ['an unknown path', () => rita.get('/v1/nothing'), 404, 'NOT_FOUND'],
      ['another method', () => rita.call('DELETE', '/v1/reports/stock'), 405, 'METHOD_NOT_ALLOWED'],
      ['a malformed path', () => rita.get('/v1/leads/%E0%A4%A'), 400, 'VALIDATION_FAILED'],
      ['an unknown query parameter', () => analyst.get('/v1/reports/stock?colour=red'), 400, 'VALIDATION_FAILED', 'colour'],
      ['an unknown parameter of the feed', () => analyst.get('/v1/events?colour=red'), 400, 'VALIDATION_FAILED', 'colour'],
      ['an unknown event type', () => analyst.get('/v1/events?types=Nothing'), 400, 'VALIDATION_FAILED', 'types.0'],
      ['a position that is none', () => analyst.get('/v1/reports/stock?after=yesterday'), 400, 'VALIDATION_FAILED', 'after'],
      ['a position far ahead', () => analyst.get('/v1/reports/stock?after=7fffffffffffffff'), 503, 'PROJECTION_BEHIND'],
      ['an unknown report', () => analyst.get('/v1/reports/horoscope'), 404, 'NOT_FOUND'],
      ['an unknown time zone', () => analyst.get('/v1/reports/funnel?tz=Mars/Olympus'), 400, 'VALIDATION_FAILED', 'tz'],
      ['a clock that runs backwards', () => admin.call('PUT', '/v1/testing/clock', { body: { now: START } }), 400, 'VALIDATION_FAILED', 'now'],
    ];
      for (const [what, ask, status, code, field] of cases) {
        const answer = await told(ask());
        try {
          expectProblem(answer, status, code);
          if (field !== undefined)
            expect(answer.body.fields.map((one: { field: string }) => one.field)).toContain(field);
        } catch (error) {
          throw new Error(`${what}: ${(error as Error).message}\n${JSON.stringify(answer.body)}`, { cause: error });
        }
      }
      expect(await ledger.log.head()).toBe(head);
    },
    60_000,
  );

  run('has exactly one handler for the commands on its bus', () => {
    const { handlers } = ledger.app.get<CommandBus, { handlers: ReadonlyMap<string, unknown> }>(CommandBus);
    expect(handlers.size).toBe(1);
  });

  const whereTheLogCanGo = remote === true ? run : undefined;
  whereTheLogCanGo?.(
    'refuses commands while the log is away, goes on reading, and recovers by itself',
    async () => {
      const comeBack = await backend.outage!();
      const id = uuid(8001);
      const view = () => marketing.command(`/v1/leads/${BEN}/behaviours`, { kind: 'page_view' }, id);
      const refused = await view();
      expectProblem(refused, 503, 'STORE_UNAVAILABLE');
      expect(refused.body.retryable).toBe(true);
      const stock = await analyst.get('/v1/reports/stock');
      expect(stock).toMatchObject({ status: 200, body: { position: expect.stringMatching(/^[0-9a-f]{16}$/) } });
      const card = await rita.get(`/v1/leads/${BEN}`);
      expect(card).toMatchObject({
        status: 200,
        body: { state: 'SAL', personal: 'unavailable', position: stock.body.position },
      });
      expect((await admin.call('GET', '/readyz', { key: null })).status).toBe(503);

      await comeBack();
      let again = await view();
      for (let tries = 0; again.status !== 200 && tries < 50; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        again = await view();
      }
      expect(again.status).toBe(200);
      const after = await analyst.get(`/v1/reports/stock?after=${again.body.position}`);
      expect(after).toMatchObject({ status: 200 });
      expect((await admin.call('GET', '/readyz', { key: null })).status).toBe(200);
    },
    60_000,
  );

  run('shows names to those who work with people, and to nobody else', async () => {
    const [seller, reader] = [await told(rita.get(`/v1/leads/${ANNA}`)), await told(analyst.get(`/v1/leads/${ANNA}`))];
    expect(seller.body).toMatchObject({
      personal: 'shown',
      person: { email: 'anna@example.org' },
      location: { city: 'Berlin' },
    });
    expect(reader.body).toMatchObject({ personal: 'withheld', person: {}, location: { country: 'DE', city: null } });
    const timeline = await told(analyst.get(`/v1/leads/${ANNA}/timeline`));
    expect(JSON.stringify([reader.body, timeline.body])).not.toMatch(
      /anna@example\.org|Berlin|Call me|Nice call|on the phone/,
    );
    expect(JSON.stringify((await rita.get(`/v1/leads/${ANNA}/timeline`)).body)).toContain('Nice call');
  });

  run('tells a lead as it was, and what its caller may do next', async () => {
    const then = await told(rita.get(`/v1/leads/${ANNA}?asOf=2026-03-03T00:00:00Z`));
    expect(then.body).toMatchObject({ state: 'SAL', asOf: '2026-03-03T00:00:00.000Z', deal: null });
    const now = await rita.get(`/v1/leads/${BEN}`);
    const actions = now.body.nextActions.map(({ action }: { action: string }) => action);
    expect(actions).toEqual(expect.arrayContaining(['mark-sql', 'recycle', 'contact-attempts']));
    expect(actions).not.toEqual(expect.arrayContaining(['mark-mql']));
    expect(actions).not.toEqual(expect.arrayContaining(['accept']));
    expect((await rita.get(`/v1/leads/${ANNA}?asOf=2026-03-01T00:00:00Z`)).status).toBe(404);
  });

  run('tells the configuration in force and where it came from', async () => {
    const agreements = await told(analyst.get('/v1/config/agreements'));
    expect(agreements.body.items).toEqual([{ id: 'standard', versionInForce: 1, latestVersion: 1 }]);
    const agreement = (await analyst.get('/v1/config/agreements/standard')).body;
    expect(agreement.versions[0]).toMatchObject({
      status: 'in_force',
      approvals: [{ party: 'marketing' }, { party: 'sales' }],
      document: { acceptanceTarget: 0.9 },
    });
    expect((await analyst.get('/v1/config/calendars')).body.items).toHaveLength(3);
    expect((await analyst.get('/v1/config/teams/sales')).body.versions[0].document.name).toBe('Sales');
    expectProblem(await analyst.get('/v1/config/teams/nobody'), 404, 'NOT_FOUND');
  });

  run('stops a revoked key at once', async () => {
    const { body } = await admin.call('POST', '/v1/keys', { body: { name: 'short-lived', role: 'analyst' } });
    const guest = admin.as(body.key);
    expect((await guest.get('/v1/reports/stock')).status).toBe(200);
    expect((await admin.call('DELETE', `/v1/keys/${body.keyId}`)).body).toMatchObject({ keyId: body.keyId });
    expectProblem(await guest.get('/v1/reports/stock'), 401, 'UNAUTHENTICATED');
    const listed = (await admin.get('/v1/keys')).body.keys;
    expect(listed.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(['rita', 'short-lived']));
    expect(JSON.stringify(listed)).not.toMatch(/hash|ll_/i);
  });

  run('lets one visitor in by the link printed at start, once', async () => {
    const first = await fetch(ledger.signInUrl);
    expect(first.status).toBe(200);
    expect(first.headers.get('cache-control')).toBe('no-store');
    expect(await first.text()).toContain(ADMIN_KEY);
    const second = await fetch(ledger.signInUrl);
    expect(second.status).toBe(401);
    expect(await second.text()).not.toContain(ADMIN_KEY);
  });

  run('exports the audit as a file whose rows and digest can be checked', async () => {
    for (const format of ['csv', 'ndjson']) {
      const answer = await analyst.get(`/v1/audit?format=${format}`);
      expect(answer.status).toBe(200);
      expect(createHash('sha256').update(answer.body).digest('hex')).toBe(answer.headers.get('x-ledger-sha256'));
      expect(answer.headers.get('x-ledger-position')).toMatch(/^[0-9a-f]{16}$/);
      const lines = String(answer.body).trimEnd().split('\n').length - (format === 'csv' ? 1 : 0);
      expect(lines).toBe(Number(answer.headers.get('x-ledger-rows')));
      expect(lines).toBeGreaterThan(8);
      expect(answer.body).not.toContain('anna@example.org');
    }
  });

  const oncePerStore = remote === true ? undefined : run;
  oncePerStore?.(
    'rebuilds its view beside the live one and finds them equal',
    async () => {
      const rebuilt = await admin.call('POST', '/v1/projections/funnel/rebuild?wait=30');
      expect(rebuilt).toMatchObject({ status: 202, body: { status: 'done', report: { equal: true } } });
      expect((await admin.get('/v1/projections')).body.projections[0]).toMatchObject({ name: 'funnel', parked: 0 });
      expect((await admin.get('/v1/projections/funnel/parked')).body).toEqual({ parked: [] });
      expect((await rita.get('/v1/projections')).status).toBe(403);
    },
    60_000,
  );

  run('describes every route that it serves, and serves every route that it describes', () => {
    const described = routes.map(({ method, path }) => ({ method, path: path.replaceAll(/\{(\w+)\}/g, ':$1') }));
    const served = servedRoutes(ledger.app.get(ModulesContainer));
    expect(served.length).toBeGreaterThan(30);
    for (const { method, path } of described)
      expect(served.filter((one) => one.method === method && matches(one.path, path))).not.toEqual([]);
    for (const { method, path } of served)
      expect(described.filter((one) => one.method === method && matches(path, one.path))).not.toEqual([]);
  });
});

/** Whether a route, perhaps with parameters, serves a path. */
const matches = (route: string, path: string): boolean =>
  new RegExp(`^${route.replaceAll(/:\w+/g, '[^/]+')}$`).test(path);

/** As the decorators of the controllers say it. */
function servedRoutes(modules: ModulesContainer): { method: string; path: string }[] {
  const controllers = [...modules.values()].flatMap((module) => [...module.controllers.values()]);
  return controllers.flatMap(({ metatype }) => {
    const { prototype } = metatype as { prototype: Record<string, object> };
    const base = Reflect.getMetadata('path', metatype as object) as string;
    return Object.getOwnPropertyNames(prototype).flatMap((name) => {
      const handler = name === 'constructor' ? undefined : prototype[name];
      const path = handler === undefined ? undefined : (Reflect.getMetadata('path', handler) as string | undefined);
      if (handler === undefined || path === undefined) return [];
      const method = RequestMethod[Reflect.getMetadata('method', handler) as number] as string;
      return [{ method, path: `/${[base, path].filter((part) => part !== '/' && part !== '').join('/')}` }];
    });
  });
}

describe('the backends', () => {
  it('answer alike, to the letter', () => {
    const [[, reference] = ['', []], ...others] = [...transcripts];
    expect(reference.length).toBeGreaterThan(60);
    for (const [name, transcript] of others) expect({ name, transcript }).toEqual({ name, transcript: reference });
  });
});
