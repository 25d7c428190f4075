import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningLedger } from '#apps/ledger/src/start.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { exportConfig, importConfig } from '#apps/ledger/src/verbs/config-files.js';
import { LedgerHttp } from '#apps/ledger/src/verbs/ledger-http.js';
import { LedgerClient, type Answer } from './support/ledger-client.js';
import { ledgerHere } from './support/ledger-here.js';

const ADMIN_KEY = 'an-administrators-key-of-configuration';
/** A Monday. */
const START = '2026-03-02T09:00:00.000Z';
const CONFIG = '/v1/config';

describe('configuration over HTTP', () => {
  let dir: string;
  let ledger: RunningLedger;
  let admin: LedgerClient;
  let ops: LedgerClient;
  let marketing: LedgerClient;
  let manager: LedgerClient;
  let rita: LedgerClient;

  const expectProblem = (answer: Answer, status: number, code: string) => {
    expect({ status: answer.status, code: answer.body.code, type: answer.headers.get('content-type') }).toEqual({
      status,
      code,
      type: 'application/problem+json; charset=utf-8',
    });
    return answer.body;
  };
  const done = async (answer: Promise<Answer>, status = 200) => {
    const { body, ...rest } = await answer;
    if (rest.status !== status) throw new Error(`answered ${rest.status}: ${JSON.stringify(body)}`);
    return body;
  };
  const setClock = (now: string) =>
    done(admin.call('PUT', '/v1/testing/clock', { body: { now, sweep: 'continuous' } }));
  const versionOf = (kind: string, id: string, version: number) => `${CONFIG}/${kind}/${id}/versions/${version}`;
  const draft = (kind: string, body: unknown) => done(ops.command(`${CONFIG}/${kind}`, body), 201);
  /** The document in force, as a GET gives it. */
  const inForce = async (kind: string, id: string) => {
    const { versionInForce, versions } = await done(ops.get(`${CONFIG}/${kind}/${id}`));
    return versions.find(({ version }: { version: number }) => version === versionInForce).document;
  };
  const approveBoth = async (kind: string, id: string, version: number) => {
    await done(marketing.command(`${versionOf(kind, id, version)}/approve`));
    await done(manager.command(`${versionOf(kind, id, version)}/approve`));
  };
  const capture = async (name: string) => {
    const person = { givenName: name, email: `${name.toLowerCase()}@example.org` };
    const consents = [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }];
    const body = { person, captureMethod: 'form', source: { channel: 'search' }, consents };
    return (await done(marketing.command('/v1/leads', body), 201)).leadId as string;
  };
  const act = (client: LedgerClient, leadId: string, action: string, body: unknown = {}) =>
    done(client.command(`/v1/leads/${leadId}/${action}`, body));

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lead-ledger-config-'));
    const settings = parseSettings({
      DATA_DIR: join(dir, 'data'),
      PORT: '0',
      LEDGER_ADMIN_KEY: ADMIN_KEY,
      LEDGER_TEST_CLOCK: '1',
      LOG_LEVEL: 'silent',
    });
    ledger = await ledgerHere(settings, makeLogger('silent', 'config'));
    admin = new LedgerClient(ledger.url, ADMIN_KEY);
    await done(admin.call('PUT', '/v1/testing/clock', { body: { now: START, sweep: 'none' } }));
    const keyFor = async (actorId: string, role: string, teams: string[]) =>
      admin.as(
        (await done(admin.call('POST', '/v1/keys', { body: { name: actorId, actorId, role, teams } }), 201)).key,
      );
    ops = await keyFor('olga', 'ops', []);
    marketing = await keyFor('mia', 'marketing', ['marketing']);
    manager = await keyFor('max', 'sales_manager', ['sales']);
    rita = await keyFor('rita', 'sales', ['sales']);
  }, 60_000);

  afterAll(async () => {
    await ledger?.stop();
    await rm(dir, { recursive: true, force: true });
  }, 30_000);

  it('is ready from the start, with a warning where no target is set', async () => {
    const { ready, teams } = await done(ops.get(`${CONFIG}/readiness`));
    expect(ready).toBe(true);
    expect(teams).toContainEqual(expect.objectContaining({ teamId: 'sales', ready: true, missing: [] }));
    await draft('targets', { period: '2026', amount: { amountMinor: 60_000_00, currency: 'EUR' } });
    expect(await done(ops.get(`${CONFIG}/readiness?team=sales`))).toMatchObject({ teams: [{ warnings: [] }] });
    expectProblem(await ops.get(`${CONFIG}/readiness?team=nobody`), 404, 'NOT_FOUND');
  });

  it('takes an agreement from draft to force, and decides the next command under it', async () => {
    const document = await inForce('agreements', 'standard');
    const clocks = document.clocks.map((clock: { clockType: string }) =>
      clock.clockType === 'handoff_response' ? { ...clock, warnOpenS: 1800, targetOpenS: 3600 } : clock,
    );
    const drafted = await draft('agreements', { id: 'standard', document: { ...document, clocks } });
    expect(drafted).toMatchObject({ id: 'standard', version: 2, position: expect.any(String) });
    const refused = await ops.command(`${versionOf('agreements', 'standard', 2)}/activate`);
    expect(expectProblem(refused, 422, 'AGREEMENT_NOT_COUNTERSIGNED').missing).toEqual(['marketing', 'sales']);
    const before = await capture('Anna');
    await act(marketing, before, 'mark-mql', { reason: 'agreed criteria' });

    await approveBoth('agreements', 'standard', 2);
    await done(ops.command(`${versionOf('agreements', 'standard', 2)}/activate`));
    const after = await capture('Ben');
    await act(marketing, after, 'mark-mql', { reason: 'agreed criteria' });
    const dueAt = async (leadId: string) => (await done(ops.get(`/v1/leads/${leadId}`))).clocks[0].dueAt;
    expect([await dueAt(before), await dueAt(after)]).toEqual(['2026-03-02T17:00:00.000Z', '2026-03-02T10:00:00.000Z']);
    const { items } = await done(ops.get(`/v1/leads/${after}/timeline`));
    expect(items.at(-1).policyRefs).toMatchObject({ pipelineVersion: 1, agreementVersion: 2, calendarVersion: 1 });

    const { changes } = await done(ops.get(`${CONFIG}/agreements/standard/diff?from=1&to=2`));
    expect(changes).toEqual([
      { path: 'clocks[handoff_response].targetOpenS', old: 28_800, new: 3600 },
      { path: 'clocks[handoff_response].warnOpenS', old: 14_400, new: 1800 },
    ]);
  });

  it('lets the administrator alone draft, approve for both, and activate', async () => {
    const drafted = await done(admin.command(`${CONFIG}/icps`, { industries: ['energy'], regions: [] }), 201);
    const path = versionOf('icps', drafted.id, 1);
    expectProblem(await admin.command(`${path}/approve`), 400, 'VALIDATION_FAILED');
    await done(admin.command(`${path}/approve`, { party: 'marketing' }));
    await done(admin.command(`${path}/approve`, { party: 'sales' }));
    await done(admin.command(`${path}/activate`));
    expect((await done(ops.get(`${CONFIG}/icps/${drafted.id}`))).versions[0]).toMatchObject({
      status: 'in_force',
      approvals: [{ party: 'marketing' }, { party: 'sales' }],
    });
    await done(admin.command(`${path}/retire`));
  });

  it('decides before and after a scheduled version by another version', async () => {
    const document = await inForce('pipelines', 'default');
    const reasons = [...document.reasonCodes.junk, { code: 'wrong_number', needsNote: false }];
    const next = { ...document, reasonCodes: { ...document.reasonCodes, junk: reasons } };
    const { version } = await draft('pipelines', { id: 'default', ...next });
    const effectiveFrom = '2026-03-03T09:00:00+01:00';
    await done(ops.command(`${versionOf('pipelines', 'default', version)}/activate`, { effectiveFrom }));
    expect(await done(ops.get(`${CONFIG}/pipelines/default`))).toMatchObject({
      versionInForce: 1,
      versions: [{ status: 'in_force' }, { status: 'scheduled', effectiveFrom: '2026-03-03T08:00:00.000Z' }],
    });
    const leadId = await capture('Carla');
    const junk = () => marketing.command(`/v1/leads/${leadId}/mark-junk`, { reasonCode: 'wrong_number' });
    expectProblem(await junk(), 422, 'UNKNOWN_REASON_CODE');
    await setClock('2026-03-03T08:00:00.000Z');
    await done(junk());
    expect((await done(ops.get(`${CONFIG}/pipelines/default`))).versionInForce).toBe(2);
  });

  it('moves open deals out of a stage that a version removes, once it says where to', async () => {
    const leadId = await capture('Dora');
    await act(marketing, leadId, 'mark-mql', { reason: 'agreed criteria' });
    await act(rita, leadId, 'accept');
    await act(rita, leadId, 'contact-attempts', { channel: 'phone', outcome: 'connected' });
    const yes = { value: 'yes', note: 'said so' };
    const qualification = { interest: yes, need: yes, budget: yes, authority: yes, timing: yes };
    await act(rita, leadId, 'mark-sql', { qualification });
    const amount = { amountMinor: 1_200_000, currency: 'EUR' };
    await act(rita, leadId, 'open-opportunity', { amount, expectedCloseDate: '2026-06-01' });
    await act(rita, leadId, 'change-deal-stage', { to: 'demo' });

    const document = await inForce('pipelines', 'default');
    const dealStages = document.dealStages.filter(({ code }: { code: string }) => code !== 'demo');
    const { version } = await draft('pipelines', { id: 'default', document: { ...document, dealStages } });
    const path = `${versionOf('pipelines', 'default', version)}/activate`;
    const refused = expectProblem(await ops.command(path), 422, 'STAGE_IN_USE');
    expect(refused.stages).toEqual([{ stage: 'demo', deals: 1 }]);
    expect((await done(ops.get(`${CONFIG}/pipelines/default`))).versionInForce).toBe(version - 1);
    await done(ops.command(path, { stageMapping: { demo: 'quote_development' } }));
    const card = await done(rita.get(`/v1/leads/${leadId}`));
    expect(card.deal.stage).toBe('quote_development');
    const { items } = await done(rita.get(`/v1/leads/${leadId}/timeline`));
    expect(items.at(-1)).toMatchObject({ type: 'DealStageChanged', actor: { id: 'system:pipeline' } });

    // A version to come moves them when its time has come, with nobody working on the lead.
    const renamed = dealStages.map((stage: { code: string }) =>
      stage.code === 'quote_development' ? { ...stage, code: 'offer' } : stage,
    );
    const later = await draft('pipelines', { id: 'default', document: { ...document, dealStages: renamed } });
    const effectiveFrom = '2026-03-04T09:00:00.000Z';
    const scheduled = { effectiveFrom, stageMapping: { quote_development: 'offer' } };
    await done(ops.command(`${versionOf('pipelines', 'default', later.version)}/activate`, scheduled));
    const stage = async () => (await done(rita.get(`/v1/leads/${leadId}`))).deal.stage;
    expect(await stage()).toBe('quote_development');
    await setClock(effectiveFrom);
    expect(await stage()).toBe('offer');
  });

  it('hires, trains and lets go', async () => {
    const team = {
      name: 'North',
      function: 'sales',
      agreementId: 'standard',
      calendarId: 'office',
      timeZone: 'Europe/Oslo',
    };
    await draft('teams', { id: 'north', ...team });
    const reps = `${CONFIG}/teams/north/reps`;
    await done(ops.command(reps, { repId: 'nora', weeklyLeadCapacity: 10 }), 201);
    await done(ops.command(`${reps}/nora/trained`, { topic: 'pricing' }));
    await done(ops.command(`${reps}/nora/capacity`, { weeklyLeadCapacity: 5 }));
    const rule = { strategies: ['territory'], territories: [{ countries: ['NO'], repIds: ['nora'] }] };
    await done(ops.command(`${CONFIG}/teams/north/routing`, rule));
    expect((await done(ops.get(reps))).items).toEqual([
      { repId: 'nora', teamId: 'north', weeklyLeadCapacity: 5, skills: [], trained: ['pricing'], active: true },
    ]);
    expect((await done(ops.get(`${CONFIG}/teams/north/routing`))).routing).toMatchObject(rule);
    await done(ops.command(`${reps}/nora/leave`));
    expect((await done(ops.get(reps))).items).toEqual([]);
    expectProblem(await ops.command(`${reps}/nobody/leave`), 404, 'NOT_FOUND');
  });

  it('takes a scoring model that both teams approved', async () => {
    const model = await inForce('scoring-models', 'default');
    const thresholds = { ...model.thresholds, mql: { minTotal: 70, minGrade: 'C' } };
    const { version } = await draft('scoring-models', { id: 'default', ...model, thresholds });
    expectProblem(
      await ops.command(`${versionOf('scoring-models', 'default', version)}/activate`),
      422,
      'AGREEMENT_NOT_COUNTERSIGNED',
    );
    await approveBoth('scoring-models', 'default', version);
    await done(ops.command(`${versionOf('scoring-models', 'default', version)}/activate`));
    expect((await inForce('scoring-models', 'default')).thresholds.mql).toEqual({ minTotal: 70, minGrade: 'C' });
  });

  it('is the same after it went to files and came back, and another one when a file was changed', async () => {
    const folder = join(dir, 'files');
    const asAdmin = new LedgerHttp(ledger.url, ADMIN_KEY, dir);
    const { files, others } = await exportConfig(asAdmin, folder);
    expect(files).toEqual(
      expect.arrayContaining(['agreements/standard.json', 'targets/2026-all.json', 'teams/north.json']),
    );
    expect(others).toEqual([]);
    const head = await ledger.log.head();
    const same = await importConfig(asAdmin, folder, true);
    expect(same).toEqual({ drafted: [], activated: [], refused: [], unchanged: expect.any(Array) });
    expect(same.unchanged).toHaveLength(files.length);
    expect(await ledger.log.head()).toBe(head);

    const change = async (file: string, from: string, to: string) => {
      const text = await readFile(join(folder, file), 'utf8');
      expect(text).toContain(from);
      await writeFile(join(folder, file), text.replace(from, to));
    };
    await change('agreements/standard.json', '"acceptanceTarget": 0.9', '"acceptanceTarget": 0.93');
    await change('calendars/weekdays.json', '"timeZone": "UTC"', '"timeZone": "Europe/Atlantis"');
    await change('targets/2026-all.json', '6000000', '7000000');
    const drafts = await importConfig(new LedgerHttp(ledger.url, ops.key, dir), folder, false);
    expect(drafts.drafted).toEqual(['agreements/standard version 3', 'targets/2026-all version 2']);
    expect(drafts.refused).toEqual([
      { file: 'calendars/weekdays.json', reason: expect.stringContaining('TIME_ZONE_INVALID') },
    ]);
    const forced = await importConfig(asAdmin, folder, true);
    expect(forced).toMatchObject({ drafted: [], activated: ['agreements/standard version 3'] });
    expect((await inForce('agreements', 'standard')).acceptanceTarget).toBe(0.93);
  });

  it('answers a repeated act with its first outcome, and a stale one not at all', async () => {
    const body = { id: 'nights', timeZone: 'UTC', weekly: [{ weekday: 1, from: '18:00', to: '24:00' }] };
    const key = randomUUID();
    const first = await ops.command(`${CONFIG}/calendars`, body, key);
    const again = await ops.command(`${CONFIG}/calendars`, body, key);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual({ ...first.body, replayed: true });
    const unnamed = { ...body, id: undefined };
    const made = [
      await ops.command(`${CONFIG}/calendars`, unnamed, 'a'),
      await ops.command(`${CONFIG}/calendars`, unnamed, 'a'),
    ];
    expect(made[1]!.body.id).toBe(made[0]!.body.id);
    const other = { ...body, timeZone: 'Europe/Oslo' };
    expectProblem(await ops.command(`${CONFIG}/calendars`, other, key), 409, 'COMMAND_ID_REUSED');
    const stale = await ops.command(`${CONFIG}/calendars`, other, randomUUID(), { 'if-match': '"7"' });
    expectProblem(stale, 409, 'CONFLICT');
    expect((await done(ops.get(`${CONFIG}/calendars/nights`))).latestVersion).toBe(1);
  });

  it('refuses what is wrong with the code of the specification, and leaves what is in force untouched', async () => {
    const [agreement, pipeline, model] = [
      await inForce('agreements', 'standard'),
      await inForce('pipelines', 'default'),
      await inForce('scoring-models', 'default'),
    ];
    const head = await ledger.log.head();
    const post =
      (kind: string, body: unknown, client = ops) =>
      () =>
        client.command(`${CONFIG}/${kind}`, body);
    const on =
      (path: string, body: unknown = {}, client = ops) =>
      () =>
        client.command(`${CONFIG}/${path}`, body);
    const office = (weekly: unknown, timeZone = 'UTC') => ({ id: 'office', timeZone, weekly });
    const hours = (from: string, to: string) => ({ weekday: 1, from, to });
    const stages = pipeline.dealStages.map((stage: object, n: number) => ({ ...stage, winProbability: 0.9 - n / 10 }));
    const penalty = { id: 'left', on: 'unsubscribe', points: -5, halfLifeDays: 14 };
    const fitOn = (field: string) => ({ fit: [{ id: 'x', when: [{ field, equals: 'x' }], points: 5 }] });
    const north = {
      id: 'south',
      name: 'South',
      function: 'sales',
      agreementId: 'standard',
      calendarId: 'office',
      timeZone: 'UTC',
    };
    // prettier-ignore
    const cases: readonly [what: string, ask: () => Promise<Answer>, status: number, code: string][] = [
      ['overlapping hours', post('calendars', office([hours('09:00', '12:00'), hours('11:00', '17:00')])), 400, 'CALENDAR_INVALID'],
      ['hours that end before they begin', post('calendars', office([hours('17:00', '09:00')])), 400, 'CALENDAR_INVALID'],
      ['an unknown time zone', post('calendars', office([hours('09:00', '17:00')], 'Europe/Atlantis')), 400, 'TIME_ZONE_INVALID'],
      ['falling probabilities', post('pipelines', { id: 'default', ...pipeline, dealStages: stages }), 400, 'PROBABILITY_NOT_MONOTONE'],
      ['a decaying penalty', post('scoring-models', { id: 'default', ...model, penalty: [penalty] }), 400, 'MODEL_INVALID'],
      ['an unknown field in a rule', post('scoring-models', { id: 'default', ...model, ...fitOn('shoeSize') }), 400, 'MODEL_INVALID'],
      ['age in a rule', post('scoring-models', { id: 'default', ...model, ...fitOn('age') }), 400, 'PROTECTED_ATTRIBUTE'],
      ['gender in a rule', post('scoring-models', { id: 'default', ...model, ...fitOn('gender') }), 400, 'PROTECTED_ATTRIBUTE'],
      ['an active version activated', on('agreements/standard/versions/2/activate'), 422, 'VERSION_IMMUTABLE'],
      ['an active version drafted again', post('agreements', { id: 'standard', version: 2, document: agreement }), 422, 'VERSION_IMMUTABLE'],
      ['a version that does not exist', on('agreements/standard/versions/9/activate'), 404, 'UNKNOWN_VERSION'],
      ['a version that is none', on('agreements/standard/versions/latest/activate'), 400, 'VALIDATION_FAILED'],
      ['a document that does not exist', on('agreements/none/versions/1/activate'), 404, 'NOT_FOUND'],
      ['a kind that does not exist', post('spells', {}), 404, 'NOT_FOUND'],
      ['teams, which have no versions', on('teams/sales/versions/1/activate'), 404, 'NOT_FOUND'],
      ['a team on an unknown agreement', post('teams', { ...north, agreementId: 'none' }), 422, 'UNKNOWN_AGREEMENT'],
      ['a team on an unknown calendar', post('teams', { ...north, calendarId: 'none' }), 422, 'UNKNOWN_CALENDAR'],
      ['an unknown field', post('agreements', { id: 'standard', ...agreement, colour: 'red' }), 400, 'VALIDATION_FAILED'],
      ['a field beside the document', post('agreements', { id: 'standard', document: agreement, colour: 'red' }), 400, 'VALIDATION_FAILED'],
      ['an id that is none', post('calendars', { ...office([]), id: '../keys' }), 400, 'VALIDATION_FAILED'],
      ['no time', on('agreements/standard/versions/2/activate', { effectiveFrom: 'soon' }), 400, 'VALIDATION_FAILED'],
      ['a period that is none', post('targets', { period: '2026-13', amount: { amountMinor: 1, currency: 'EUR' } }), 400, 'VALIDATION_FAILED'],
      ['marketing that configures', post('calendars', office([hours('09:00', '17:00')]), marketing), 403, 'FORBIDDEN_ROLE'],
      ['ops that approves', on('agreements/standard/versions/2/approve'), 403, 'FORBIDDEN_ROLE'],
      ['marketing that approves for sales', on('agreements/standard/versions/2/approve', { party: 'sales' }, marketing), 403, 'FORBIDDEN_ROLE'],
      ['a seller who hires', on('teams/sales/reps', { repId: 'rob' }, rita), 403, 'FORBIDDEN_ROLE'],
      ['versions to compare that are not there', () => ops.get(`${CONFIG}/agreements/standard/diff?from=1&to=9`), 404, 'NOT_FOUND'],
    ];
    for (const [what, ask, status, code] of cases) {
      const { status: answered, body } = await ask();
      expect({ what, status: answered, code: body.code }).toEqual({ what, status, code });
    }
    expect(await ledger.log.head()).toBe(head);
  });
});
