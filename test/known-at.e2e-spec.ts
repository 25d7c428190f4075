import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningLedger } from '#apps/ledger/src/start.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { LedgerClient } from './support/ledger-client.js';
import { ledgerHere } from './support/ledger-here.js';

/** What the reports said, asked later (spec §8.3): `knownAt` is the time of recording, `asOf` that of the business. */

const ADMIN_KEY = 'an-administrators-key-of-the-past';

describe('figures as they were known', () => {
  let dir: string;
  let ledger: RunningLedger;
  let admin: LedgerClient;

  const setClock = async (now: string) => {
    const { status } = await admin.call('PUT', '/v1/testing/clock', { body: { now } });
    expect(status).toBe(200);
  };
  const get = async (path: string) => {
    const { status, body } = await admin.get(path);
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return body;
  };
  const act = async (path: string, body: object = {}) => {
    const answer = await admin.command(path, body);
    if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const lead = async (email: string): Promise<string> => {
    const consents = [{ purpose: 'email_marketing', basis: 'consent' }];
    return (await act('/v1/leads', { person: { email }, source: { channel: 'search' }, consents })).leadId;
  };
  const attainment = async (at: string) => {
    const { total } = await get(`/v1/reports/sla?filter[clockType]=handoff_response${at}`);
    return total.clocks.map((clock: { attainment: { numerator: number; denominator: number } }) => [
      clock.attainment.numerator,
      clock.attainment.denominator,
    ]);
  };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ledger-known-at-'));
    const settings = parseSettings({
      PORT: '0',
      DATA_DIR: dir,
      LEDGER_ADMIN_KEY: ADMIN_KEY,
      LEDGER_TEST_CLOCK: '1',
      LOG_LEVEL: 'silent',
    });
    ledger = await ledgerHere(settings, makeLogger('silent', 'known-at'));
    admin = new LedgerClient(ledger.url, ADMIN_KEY);
    // A Monday.
    await setClock('2027-06-07T09:00:00Z');
  });

  afterAll(async () => {
    await ledger?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('are those from before a correction, with drill lists of the same leads', async () => {
    const ann = await lead('ann@example.org');
    const bob = await lead('bob@example.org');
    await act(`/v1/leads/${ann}/mark-mql`, { reason: 'agreed criteria' });
    // Due at 17:00, accepted in time, entered the next morning: the breach of the night is taken back.
    await setClock('2027-06-08T08:00:00Z');
    expect(await attainment('')).toEqual([[0, 1]]);
    await setClock('2027-06-08T09:00:00Z');
    await act(`/v1/leads/${ann}/accept`, { occurredAt: '2027-06-07T16:00:00Z' });
    await act(`/v1/leads/${ann}/merge`, { duplicateLeadId: bob });

    expect(await attainment('')).toEqual([[1, 1]]);
    const night = '2027-06-08T08:00:00Z';
    expect(await attainment(`&asOf=${night}&knownAt=${night}`)).toEqual([[0, 1]]);

    const stock = async (query: string) => (await get(`/v1/reports/stock${query}`)).total;
    expect((await stock('')).leads.count).toBe(1);
    const then = await stock(`?asOf=${night}&knownAt=${night}`);
    expect([then.leads.count, then.states.LEAD.count, then.states.MQL.count]).toEqual([2, 1, 1]);
    const drilled = await get(then.states.MQL.drill);
    expect(drilled.items.map((item: { leadId: string; state: string }) => [item.leadId, item.state])).toEqual([
      [ann, 'MQL'],
    ]);
    expect(drilled.knownAt).toBe('2027-06-08T08:00:00.000Z');

    const both = await get(`/v1/reports/stock?compareAsOf=${night}&compareKnownAt=${night}`);
    expect([both.total.leads.count, both.compared.total.leads.count, both.compared.knownAt]).toEqual([1, 2, '2027-06-08T08:00:00.000Z']); // prettier-ignore
    expect(both.difference.total).toMatchObject({
      leads: { count: -1 },
      states: { MQL: { count: -1 }, SAL: { count: 1 } },
    });
  });

  it('are lists too, and nothing before the first event', async () => {
    const clocks = await get('/v1/sla/clocks?knownAt=2027-06-07T12:00:00Z');
    expect(clocks.items.map(({ clockType }: { clockType: string }) => clockType)).toEqual(['handoff_response']);
    const before = await get('/v1/reports/stock?knownAt=2027-06-06');
    expect([before.position, before.total.leads.count]).toEqual([null, 0]);
    const wrong = await admin.get('/v1/reports/stock?knownAt=yesterday');
    expect([wrong.status, wrong.body.code, wrong.body.fields[0].field]).toEqual([400, 'VALIDATION_FAILED', 'knownAt']);
  });

  it('are judged by other promises, without a trace on any lead', async () => {
    await setClock('2027-06-09T08:00:00Z');
    const head = () => ledger.log.readAll({ direction: 'backwards', limit: 1, filter: { streamPrefixes: ['lead-'] } });
    const before = await head();
    const window = { from: '2027-06-01', to: '2027-06-09' };
    const replay = (body: object) => admin.call('POST', '/v1/sla-replays?wait=30', { body });
    // Half a day's promise to answer: what was accepted at 16:00 had been offered at 09:00.
    const clocks = [{ clockType: 'handoff_response', targetOpenS: 4 * 3600, calendarId: 'office' }];
    const document = { definitions: [], goals: [], clocks };
    const { body: run, status } = await replay({ name: 'Half a day', window, agreement: { document } });
    expect([status, run.status, run.error]).toEqual([202, 'done', null]);
    // The breach of the night was taken back: noticed once, and it does not stand.
    expect(run.result.check).toEqual({ clocks: 2, breaches: 1, differences: 0, examples: [] });
    const [answers] = run.result.byClockType;
    expect([answers.clockType, answers.recorded.attainment.rate, answers.whatIf.attainment.rate]).toEqual(['handoff_response', 1, 0]); // prettier-ignore
    expect(run.result.gained.items).toMatchObject([
      { clockType: 'handoff_response', whatIfDueAt: '2027-06-07T13:00:00.000Z', stoppedAt: '2027-06-07T16:00:00.000Z' },
    ]);
    expect(run.summary).toMatchObject({ differences: 0, gained: 1 });

    const { body: kept } = await admin.get(`/v1/sla-replays/${run.id}`);
    expect(kept).toEqual(run);
    const { body: listed } = await admin.get('/v1/sla-replays');
    expect(listed.items.map(({ id, name }: { id: string; name: string }) => [id, name])).toEqual([[run.id, 'Half a day']]); // prettier-ignore
    const refused = await Promise.all([
      replay({ window: { from: '2027-06-09', to: '2027-06-08' } }),
      replay({ window, calendars: [{ calendarId: 'office', document: { timeZone: 'UTC', weekly: [] } }] }),
    ]);
    expect(refused.map((answer) => [answer.status, answer.body.code])).toEqual([
      [400, 'WINDOW_INVALID'],
      [400, 'CALENDAR_INVALID'],
    ]);
    expect(await head()).toEqual(before);
  });

  it('are tried under other scoring models, side by side, without a trace on any lead', async () => {
    await setClock('2027-06-09T09:00:00Z');
    const cara = await lead('cara@example.org');
    await act(`/v1/leads/${cara}/behaviours`, { kind: 'pricing_page' });
    await lead('dan@example.org');
    await setClock('2028-02-01T09:00:00Z');
    const key = async (role: string) =>
      (await admin.call('POST', '/v1/keys', { body: { name: role, actorId: role, role, teams: [] } })).body.key;
    const analyst = admin.as(await key('analyst'));
    const lastOfLeads = () =>
      ledger.log.readAll({ direction: 'backwards', limit: 1, filter: { streamPrefixes: ['lead-'] } });
    const before = await lastOfLeads();

    const document = {
      name: 'Whoever looks at the prices',
      behaviour: [{ id: 'prices', on: 'pricing_page', points: 10, halfLifeDays: 7 }],
      grades: { A: 3, B: 2, C: 1 },
      bands: { warm: 5, hot: 10 },
      thresholds: { mql: { minTotal: 10 } },
    };
    const window = { from: '2027-06-01', to: '2027-07-01' };
    const asked = { name: 'Prices?', models: ['active', { document }], window, by: ['channel'] };
    const replay = (body: object, from = analyst) => from.call('POST', '/v1/replays?wait=30', { body });
    const { body: run, status } = await replay(asked);
    expect([status, run.status, run.error, run.progress]).toEqual([202, 'done', null, 1]);
    // Bob is Ann by now.
    expect(run.result.population).toEqual({ leads: 3, judged: 3, immature: 0, undecided: 0 });
    expect(run.result.actual.quality.flagged).toBe(1);
    expect(run.result.flags).toEqual(['NO_POSITIVES']);
    const [active, prices] = run.result.candidates;
    expect([active.name, active.quality.flagged, prices.name, prices.quality.flagged]).toEqual(['default 1', 0, 'Whoever looks at the prices', 1]); // prettier-ignore
    const [{ gained, lost }] = prices.changes;
    expect(gained.listed).toEqual([
      { leadId: cara, at: '2027-06-09T09:00:00.000Z', outcome: 'negative', total: 10_000, grade: 'U', band: 'hot', maxTotal: 10_000, because: [{ ruleId: 'prices', mp: 10_000 }] },
    ]); // prettier-ignore
    expect([lost.leads, prices.splits[0].segments[0].value]).toEqual([1, 'search']);

    // The same again, of the same past, is the same to the last figure.
    const again = await replay({ ...asked, position: run.datasetPosition });
    expect(again.body.resultSha256).toBe(run.resultSha256);
    // What was tried may be named when it is proposed, and nothing else.
    const models = '/v1/config/scoring-models';
    await act(models, { id: 'prices', document });
    await act(models, { id: 'others', document: { ...document, thresholds: { mql: { minTotal: 11 } } } });
    const validated = (id: string, whatIfId: string) => analyst.command(`${models}/${id}/versions/1/validate`, { whatIfId }); // prettier-ignore
    expect((await validated('prices', run.id)).status).toBe(200);
    expect((await get(`${models}/prices`)).versions[0].validations).toEqual([run.id]);
    for (const [id, whatIfId] of [
      ['others', run.id],
      ['prices', randomUUID()],
    ] as const) {
      const { body, status: refused } = await validated(id, whatIfId);
      expect([refused, body.code, body.fields[0].field]).toEqual([400, 'VALIDATION_FAILED', 'whatIfId']);
    }

    const listed = (await analyst.get('/v1/replays')).body.items;
    expect(listed.map((item: { name: string }) => item.name)).toEqual(['Prices?', 'Prices?']);
    expect((await analyst.call('DELETE', `/v1/replays/${run.id}`)).status).toBe(200);
    expect((await analyst.get(`/v1/replays/${run.id}`)).status).toBe(404);
    expect(await lastOfLeads()).toEqual(before);
    // Also when the leads have gone on since.
    await act(`/v1/leads/${cara}/behaviours`, { kind: 'pricing_page' });
    const later = await replay({ ...asked, position: run.datasetPosition });
    expect(later.body.resultSha256).toBe(run.resultSha256);

    const refusal = async (answer: Promise<{ status: number; body: { code: string; detail: string } }>) => {
      const { body, status: refused } = await answer;
      return [refused, body.code, body.detail];
    };
    const of = (changed: object) => replay({ ...asked, models: [{ document: { ...document, ...changed } }] });
    const rule = { id: 'old', on: 'bounce', points: -5, halfLifeDays: 3 };
    expect(await refusal(of({ penalty: [rule] }))).toEqual([400, 'MODEL_INVALID', expect.stringContaining('rule old')]);
    const gender = { id: 'his', when: [{ field: 'gender', equals: 'm' }], points: 5 };
    expect(await refusal(of({ fit: [gender] }))).toEqual([400, 'PROTECTED_ATTRIBUTE', expect.stringContaining('rule his')]); // prettier-ignore
    const ahead = { from: '2027-06-01', to: '2030-01-01' };
    expect(await refusal(replay({ ...asked, window: ahead }))).toEqual([400, 'WINDOW_INVALID', expect.any(String)]);
    expect((await refusal(replay(asked, admin.as(await key('sdr')))))[1]).toBe('FORBIDDEN_ROLE');
    const some = Array.from({ length: 60 }, (_, n) => ({ ...asked, name: `One of many: ${n}` }));
    const answers = await Promise.all(some.map((body) => analyst.call('POST', '/v1/replays', { body })));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202, 429]));
    const { body: tooMany } = answers.find((answer) => answer.status === 429)!;
    expect(tooMany).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
  });
});
