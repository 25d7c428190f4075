import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningLedger } from '#apps/ledger/src/start.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { LedgerClient, type Answer } from './support/ledger-client.js';
import { ledgerHere } from './support/ledger-here.js';

const ADMIN_KEY = 'an-administrators-key-of-the-e2e';
const EUR = (amountMinor: number) => ({ amountMinor, currency: 'EUR' });
const yes = { value: 'yes', note: 'She said so on the phone' };
const allYes = { interest: yes, need: yes, budget: yes, authority: yes, timing: yes };

describe('accounts and campaigns over HTTP', () => {
  let dir: string;
  let ledger: RunningLedger;
  let admin: LedgerClient;
  let marketing: LedgerClient;
  let sales: LedgerClient;
  let analyst: LedgerClient;

  const start = async () => {
    const settings = parseSettings({
      DATA_DIR: join(dir, 'data'),
      PORT: '0',
      LEDGER_ADMIN_KEY: ADMIN_KEY,
      LOG_LEVEL: 'silent',
    });
    ledger = await ledgerHere(settings, makeLogger('silent', 'e2e'));
    admin = new LedgerClient(ledger.url, ADMIN_KEY);
    const keyFor = async (actorId: string, role: string, teams: string[]) => {
      const answer = await admin.call('POST', '/v1/keys', { body: { name: actorId, actorId, role, teams } });
      return admin.as(answer.body.key);
    };
    marketing = await keyFor('mia', 'marketing', ['marketing']);
    sales = await keyFor('rita', 'sales', ['sales']);
    analyst = await keyFor('ana', 'analyst', []);
  };

  const command = async (client: LedgerClient, path: string, body: unknown = {}, status = 200): Promise<Answer> => {
    const answer = await client.command(path, body);
    if (answer.status !== status) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer;
  };
  const refused = async (client: LedgerClient, path: string, body: unknown = {}) => {
    const { status, body: problem } = await client.command(path, body);
    return { status, code: problem.code, field: problem.fields?.[0]?.field };
  };
  /** What the worker brings about takes a moment. */
  const eventually = async (leadId: string, holds: (card: Answer['body']) => boolean): Promise<Answer['body']> => {
    for (let tries = 0; tries < 400; tries++) {
      const { body } = await admin.get(`/v1/leads/${leadId}`);
      if (holds(body)) return body;
      await sleep(25);
    }
    throw new Error(`it never came about: ${JSON.stringify((await admin.get(`/v1/leads/${leadId}`)).body)}`);
  };
  let captured = 0;
  const capture = async (more: object): Promise<string> => {
    const body = {
      person: { email: `person-${++captured}@example.org` },
      source: { channel: 'search' },
      consents: [{ purpose: 'email_marketing', basis: 'consent' }],
      ...more,
    };
    return (await command(marketing, '/v1/leads', body, 201)).body.leadId;
  };
  const activateIcp = async (document: object): Promise<void> => {
    const draft = await command(admin, '/v1/config/icps', { id: 'default', ...document }, 201);
    const version = `/v1/config/icps/default/versions/${draft.body.version}`;
    for (const party of ['marketing', 'sales']) await command(admin, `${version}/approve`, { party });
    await command(admin, `${version}/activate`);
  };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lead-ledger-accounts-'));
    await start();
    await activateIcp({ minAnnualRevenue: EUR(100_000_000), hardCriteria: ['annualRevenue'] });
  }, 60_000);

  afterAll(async () => {
    await ledger?.stop();
    await rm(dir, { recursive: true, force: true });
  }, 30_000);

  it('keeps the leads of a company below the minimum from being qualified until its figures are corrected', async () => {
    const registered = await command(
      marketing,
      '/v1/accounts',
      { accountId: 'acme', name: 'Acme', country: 'DE' },
      201,
    );
    expect(registered.body).toMatchObject({ accountId: 'acme', events: [{ type: 'AccountRegistered' }, {}] });
    expect(registered.headers.get('etag')).toBe('"1"');
    await command(marketing, '/v1/accounts/acme/firmographics', { annualRevenue: EUR(5_000_000), employees: 12 });

    const leadId = await capture({ accountId: 'acme' });
    expect((await admin.get(`/v1/leads/${leadId}`)).body).toMatchObject({
      accountId: 'acme',
      icpFit: { result: 'fail', failures: [{ criterion: 'annualRevenue', hard: true }] },
    });
    const mark = `/v1/leads/${leadId}/mark-mql`;
    expect(await refused(marketing, mark, { reason: 'we like them' })).toMatchObject({
      status: 422,
      code: 'ICP_THRESHOLD_FAILED',
    });

    await command(marketing, '/v1/accounts/acme/firmographics', {
      annualRevenue: EUR(500_000_000),
      provider: 'register',
    });
    const card = await eventually(leadId, ({ icpFit }) => icpFit.result === 'pass');
    expect(card.icpFit.firmographics).toMatchObject({ employees: 12, country: 'DE' });
    expect((await command(marketing, mark, { reason: 'big enough' })).body.state).toBe('MQL');
    const { items } = (await admin.get(`/v1/leads/${leadId}/timeline`)).body;
    expect(items.filter(({ type }: { type: string }) => type === 'IcpFitAssessed')).toMatchObject([
      { actor: { id: 'mia' } },
      { actor: { id: 'system:icp', type: 'system' } },
    ]);
  }, 30_000);

  it('judges the leads anew when another profile comes into force, and the account too', async () => {
    const leadId = await capture({ accountId: 'acme' });
    await activateIcp({
      industries: ['chemistry'],
      minAnnualRevenue: EUR(900_000_000),
      hardCriteria: ['annualRevenue'],
    });
    const card = await eventually(leadId, ({ icpFit }) => icpFit.result === 'fail');
    expect(card.icpFit).toMatchObject({ criteria: { annualRevenue: 'fail', industry: 'unknown' } });
    expect((await admin.get('/v1/accounts/acme')).body.icpFit).toMatchObject({ result: 'fail' });
    await activateIcp({ minAnnualRevenue: EUR(100_000_000), hardCriteria: ['annualRevenue'] });
    await eventually(leadId, ({ icpFit }) => icpFit.result === 'pass');
  }, 30_000);

  it('tells an open deal that the decision maker of its account has left', async () => {
    const leadId = await capture({ accountId: 'acme' });
    const lead = `/v1/leads/${leadId}`;
    await command(marketing, `${lead}/mark-mql`, { reason: 'fits' });
    await command(sales, `${lead}/accept`);
    await command(sales, `${lead}/contact-attempts`, { channel: 'phone', outcome: 'connected' });
    await command(sales, `${lead}/mark-sql`, { qualification: allYes });
    await command(sales, `${lead}/open-opportunity`, { amount: EUR(100_000), expectedCloseDate: '2099-12-31' });
    await command(sales, '/v1/accounts/acme/buying-roles', { leadId, role: 'decision_maker' });
    const left = await command(sales, '/v1/accounts/acme/decision-maker-left', { leadId });
    expect(left.body.events).toMatchObject([{ type: 'DecisionMakerLeft' }]);
    const card = await eventually(leadId, ({ deal }) => deal.decisionMaker !== null);
    expect(card).toMatchObject({
      state: 'OPPORTUNITY',
      deal: { decisionMaker: { kind: 'left', previousLeadId: leadId } },
      proposals: [{ action: 'return-to-qualification', reasonCode: 'decision_maker_left' }],
    });
    const account = (await admin.get('/v1/accounts/acme')).body;
    expect(account).toMatchObject({ buyingRoles: [], decisionMakersLeft: [{ leadId }] });
  }, 30_000);

  it('shows how to work a lead: goal, persona, journey stage, follow-up level', async () => {
    const leadId = await capture({});
    const lead = `/v1/leads/${leadId}`;
    await command(sales, `${lead}/identify-goal`, { goal: 'Halve the time to a quote', challengeCode: 'slow_quotes' });
    await command(sales, `${lead}/assess-intent`, { level: 'high', channel: 'phone' });
    await command(sales, `${lead}/answer-buying-questions`, {
      productKnowledge: 2,
      ourKnowledgeOfBusiness: 1,
      visitFrequencyPer30d: 4,
      understandsValue: 2,
      hasBudget: 'yes',
      wantsProposal: 'yes',
    });
    await command(sales, `${lead}/assign-persona`, { personaId: 'plant-paul' });
    await command(sales, `${lead}/verify-contact-person`, { isDecisionMaker: true, evidence: 'asked' });
    await command(sales, `${lead}/observe-journey-stage`, { stage: 'consideration' });
    const checked = await command(sales, `${lead}/check-data-quality`);
    const card = (await sales.get(lead)).body;
    expect(card).toMatchObject({
      goal: { text: 'Halve the time to a quote', challengeCode: 'slow_quotes' },
      followUp: { level: 'intense', sum: 12 },
      buyingIntent: 'high',
      personaId: 'plant-paul',
      journeyStage: 'consideration',
      contactPerson: { isDecisionMaker: true },
      leadStatus: 'open',
    });
    expect((await analyst.get(lead)).body.goal).toEqual({
      text: null,
      challengeCode: 'slow_quotes',
      interestedInBuying: 'unknown',
    });
    // The words are sealed in the log.
    expect(JSON.stringify(await ledger.log.readStream(`lead-${leadId}`))).not.toContain('Halve');
    const { position } = checked.body;
    const stock = await analyst.get(`/v1/leads?filter[persona]=plant-paul&after=${position}`);
    expect(stock.body.items).toMatchObject([{ leadId, personaId: 'plant-paul' }]);
  });

  it('splits figures by ICP result and persona', async () => {
    const { status, body } = await analyst.get('/v1/reports/stock?by=icpResult,persona');
    expect(status).toBe(200);
    const results = body.rows.map(({ dimensions }: Answer['body']) => dimensions.icpResult);
    expect(results).toEqual(expect.arrayContaining(['pass', null]));
  });

  it('moves the leads of a merged account to the survivor', async () => {
    await command(marketing, '/v1/accounts', { accountId: 'acme-2', name: 'Acme again' }, 201);
    const leadId = await capture({ accountId: 'acme-2' });
    expect(await refused(marketing, '/v1/accounts/acme-2/merge', { survivorId: 'acme' })).toMatchObject({
      status: 403,
    });
    const ops = admin;
    expect(await refused(ops, '/v1/accounts/acme-2/merge', { survivorId: 'nobody' })).toMatchObject({
      status: 422,
      code: 'UNKNOWN_ACCOUNT',
    });
    await command(ops, '/v1/accounts/acme-2/merge', { survivorId: 'acme' });
    const card = await eventually(leadId, ({ accountId }) => accountId === 'acme');
    expect(card.icpFit.result).toBe('pass');
    const leadIds = async (account: string) =>
      (await analyst.get(`/v1/leads?filter[account]=${account}&after=${card.position}`)).body.items.map(
        (item: Answer['body']) => item.leadId,
      );
    expect(await leadIds('acme')).toContain(leadId);
    expect(await leadIds('acme-2')).toEqual([]);
    expect(await leadIds('')).not.toContain(leadId);
    expect((await analyst.get(`/v1/accounts/acme?after=${card.position}`)).body.leads).toContainEqual(
      expect.objectContaining({ leadId, accountId: 'acme', icpResult: 'pass' }),
    );
    expect(await refused(marketing, '/v1/leads', { ...(await lateCapture()), accountId: 'acme-2' })).toMatchObject({
      status: 422,
      code: 'UNKNOWN_ACCOUNT',
      field: 'accountId',
    });
    const page = (await analyst.get('/v1/accounts?limit=1')).body;
    expect(page).toMatchObject({ items: [{ accountId: 'acme' }], nextCursor: '1' });
    expect((await analyst.get('/v1/accounts?cursor=1')).body).toMatchObject({
      items: [{ accountId: 'acme-2', mergedInto: 'acme' }],
      nextCursor: null,
    });
  }, 30_000);

  const lateCapture = async () => ({
    person: { email: 'late@example.org' },
    source: { channel: 'search' },
    consents: [{ purpose: 'email_marketing', basis: 'consent' }],
  });

  it('refuses what does not fit, with a code, and answers a repetition as the first time', async () => {
    const path = '/v1/accounts/acme/firmographics';
    expect(await refused(marketing, path, {})).toMatchObject({ status: 400, code: 'VALIDATION_FAILED' });
    expect(await refused(marketing, path, { revenue: 1 })).toMatchObject({ status: 400, field: 'revenue' });
    expect(await refused(analyst, path, { employees: 1 })).toMatchObject({ status: 403, code: 'FORBIDDEN_ROLE' });
    expect(await refused(marketing, '/v1/accounts/nobody/firmographics', { employees: 1 })).toMatchObject({
      status: 404,
      code: 'ACCOUNT_NOT_FOUND',
    });
    expect(await refused(marketing, '/v1/accounts/acme/nothing')).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    expect((await analyst.get('/v1/accounts/nobody')).body.code).toBe('ACCOUNT_NOT_FOUND');
    const first = await marketing.command(path, { employees: 200 }, 'the-same-key');
    const again = await marketing.command(path, { employees: 200 }, 'the-same-key');
    expect(again.body).toEqual({ ...first.body, replayed: true });
    expect((await marketing.command(path, { employees: 201 }, 'the-same-key')).body.code).toBe('COMMAND_ID_REUSED');
    const stale = await marketing.command(path, { employees: 300 }, undefined, { 'if-match': '"0"' });
    expect(stale).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
  });

  it('asks captures for a planned campaign as soon as there is one', async () => {
    await capture({ source: { channel: 'email', campaignId: 'anything' } });
    const plan = { campaignId: 'spring', name: 'Spring', purpose: 'attract', channel: 'email', budget: EUR(500_000) };
    expect(await refused(sales, '/v1/campaigns', plan)).toMatchObject({ status: 403 });
    await command(marketing, '/v1/campaigns', plan, 201);
    await capture({ source: { channel: 'email', campaignId: 'spring' } });
    const wrong = { ...(await lateCapture()), source: { channel: 'email', campaignId: 'anything' } };
    expect(await refused(marketing, '/v1/leads', wrong)).toMatchObject({
      status: 422,
      code: 'UNKNOWN_CAMPAIGN',
      field: 'source.campaignId',
    });
    await command(marketing, '/v1/campaigns/spring/launch');
    expect(await refused(marketing, '/v1/campaigns/spring/launch')).toMatchObject({ code: 'INVALID_TRANSITION' });
    await command(marketing, '/v1/campaigns/spring/costs', { amount: EUR(20_000), date: '2026-03-01' });
    await command(marketing, '/v1/campaigns/spring/end');
    expect((await analyst.get('/v1/campaigns/spring')).body).toMatchObject({
      status: 'ended',
      spentMinor: 20_000,
      costs: [{ amountMinor: 20_000, date: '2026-03-01' }],
    });
    expect((await analyst.get('/v1/campaigns')).body.items).toHaveLength(1);
    expect((await analyst.get('/v1/campaigns/autumn')).status).toBe(404);
  });

  it('goes on after a restart where it stopped, and repeats nothing', async () => {
    const leadId = await capture({ accountId: 'acme' });
    await command(marketing, '/v1/accounts/acme/firmographics', { annualRevenue: EUR(1) });
    await eventually(leadId, ({ icpFit }) => icpFit.result === 'fail');
    const before = (await admin.get(`/v1/leads/${leadId}`)).body.revision;
    await ledger.stop();
    await start();
    await command(marketing, '/v1/accounts/acme/firmographics', { annualRevenue: EUR(200_000_000) });
    const card = await eventually(leadId, ({ icpFit }) => icpFit.result === 'pass');
    const { items } = (await admin.get(`/v1/leads/${leadId}/timeline`)).body;
    const later = items.slice(before + 1).filter(({ type }: { type: string }) => type === 'IcpFitAssessed');
    expect(later).toHaveLength(1);
    expect(card.accountId).toBe('acme');
  }, 60_000);
});
