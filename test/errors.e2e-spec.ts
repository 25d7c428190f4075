import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningLedger } from '#apps/ledger/src/start.js';
import { HTTP_STATUS } from '#libs/lead/src/errors.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { PLATFORM_STATUS } from '#libs/platform/src/problem.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { defaultPipeline, standardAgreement } from '#libs/policy/src/defaults.js';
import { POLICY_STATUS } from '#libs/policy/src/errors.js';
import { LedgerClient, type Answer } from './support/ledger-client.js';
import { ledgerHere } from './support/ledger-here.js';

/** Every coded refusal, as a client meets it over HTTP: status, code, and the field to blame. */

const ADMIN_KEY = 'an-administrators-key-of-errors';
/** A Monday. */
const START = '2026-03-02T10:00:00.000Z';
const EUR = (amountMinor: number) => ({ amountMinor, currency: 'EUR' });
const yes = { value: 'yes', note: 'She said so on the phone' };
const allYes = { interest: yes, need: yes, budget: yes, authority: yes, timing: yes };

/** Provoked over HTTP by another test: the file says the code. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  AGREEMENT_NOT_COUNTERSIGNED: 'test/config.e2e-spec.ts',
  ALERT_CLEARED: 'test/alerts.e2e-spec.ts',
  ALERT_NOT_FOUND: 'test/alerts.e2e-spec.ts',
  BULK_TOO_LARGE: 'test/bulk.e2e-spec.ts',
  CALENDAR_INVALID: 'test/config.e2e-spec.ts',
  DRY_RUN_REQUIRED: 'test/bulk.e2e-spec.ts',
  MODEL_INVALID: 'test/config.e2e-spec.ts',
  PROBABILITY_NOT_MONOTONE: 'test/config.e2e-spec.ts',
  PROTECTED_ATTRIBUTE: 'test/config.e2e-spec.ts',
  RATE_LIMITED: 'test/known-at.e2e-spec.ts',
  REVIEW_EXISTS: 'test/alerts.e2e-spec.ts',
  REVIEW_INCOMPLETE: 'test/alerts.e2e-spec.ts',
  REVIEW_NOT_FOUND: 'test/alerts.e2e-spec.ts',
  STAGE_IN_USE: 'test/config.e2e-spec.ts',
  STORE_UNAVAILABLE: 'test/app.e2e-spec.ts',
  TIME_ZONE_INVALID: 'test/config.e2e-spec.ts',
  UNKNOWN_AGREEMENT: 'test/config.e2e-spec.ts',
  UNKNOWN_CALENDAR: 'test/config.e2e-spec.ts',
  UNKNOWN_VERSION: 'test/config.e2e-spec.ts',
  VERSION_IMMUTABLE: 'test/config.e2e-spec.ts',
  WINDOW_INVALID: 'test/known-at.e2e-spec.ts',
};

/** No client can bring these about on purpose: a bug of ours, a connection that says nothing for a long time. */
const NOT_BY_A_CLIENT: ReadonlySet<string> = new Set(['INTERNAL_ERROR', 'REQUEST_TIMEOUT']);

/** Codes of the specification that nothing can provoke, and why. */
const NOT_YET: Readonly<Record<string, string>> = {
  LEAD_ERASED: 'erasing a person is not built',
  LEAD_RESTRICTED: 'restricting the processing of a person is not built',
};

describe('refusals over HTTP', () => {
  let dir: string;
  let ledger: RunningLedger;
  let admin: LedgerClient;
  let marketing: LedgerClient;
  let rita: LedgerClient;
  let nils: LedgerClient;
  let maria: LedgerClient;
  let ops: LedgerClient;
  let analyst: LedgerClient;
  const provoked = new Set<string>();

  const done = async (answer: Promise<Answer>, status?: number) => {
    const { body, ...rest } = await answer;
    const well = status === undefined ? rest.status < 300 : rest.status === status;
    if (!well) throw new Error(`answered ${rest.status}: ${JSON.stringify(body)}`);
    return body;
  };
  const setClock = (now: string) =>
    done(admin.call('PUT', '/v1/testing/clock', { body: { now, sweep: 'continuous' } }));

  let people = 0;
  const person = () => ({ email: `person-${++people}@example.org` });
  const form = (more: object = {}) => ({
    person: person(),
    source: { channel: 'search' },
    consents: [{ purpose: 'email_marketing', basis: 'consent' }],
    ...more,
  });
  const lead = async (more: object = {}): Promise<string> =>
    (await done(marketing.command('/v1/leads', form(more)), 201)).leadId;
  const ask = (by: LedgerClient, leadId: string, action: string, body: unknown = {}) =>
    by.command(`/v1/leads/${leadId}/${action}`, body);
  const act = (by: LedgerClient, leadId: string, action: string, body: unknown = {}) =>
    done(ask(by, leadId, action, body));
  const mql = async (more: object = {}) => {
    const leadId = await lead(more);
    await act(marketing, leadId, 'mark-mql', { reason: 'agreed criteria' });
    return leadId;
  };
  const sal = async (more: object = {}) => {
    const leadId = await mql(more);
    await act(rita, leadId, 'accept');
    return leadId;
  };
  const sql = async (more: object = {}) => {
    const leadId = await sal(more);
    await act(rita, leadId, 'contact-attempts', { channel: 'phone', outcome: 'connected' });
    await act(rita, leadId, 'mark-sql', { qualification: allYes });
    return leadId;
  };
  const deal = { amount: EUR(100_000), expectedCloseDate: '2026-06-01' };
  const opportunity = async (more: object = {}) => {
    const leadId = await sql(more);
    await act(rita, leadId, 'open-opportunity', deal);
    return leadId;
  };
  const card = (leadId: string) => done(admin.get(`/v1/leads/${leadId}`));

  const CONFIG = '/v1/config';
  const inForce = async (kind: string, id: string, document: object) => {
    const { version } = await done(admin.command(`${CONFIG}/${kind}`, { id, document }), 201);
    const path = `${CONFIG}/${kind}/${id}/versions/${version}`;
    for (const party of ['marketing', 'sales']) await done(admin.command(`${path}/approve`, { party }));
    await done(admin.command(`${path}/activate`));
  };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lead-ledger-errors-'));
    const settings = parseSettings({
      DATA_DIR: join(dir, 'data'),
      PORT: '0',
      LEDGER_ADMIN_KEY: ADMIN_KEY,
      LEDGER_TEST_CLOCK: '1',
      LOG_LEVEL: 'silent',
    });
    ledger = await ledgerHere(settings, makeLogger('silent', 'errors'));
    admin = new LedgerClient(ledger.url, ADMIN_KEY);
    await setClock(START);
    const keyFor = async (actorId: string, role: string, teams: string[]) =>
      admin.as(
        (await done(admin.call('POST', '/v1/keys', { body: { name: actorId, actorId, role, teams } }), 201)).key,
      );
    marketing = await keyFor('mia', 'marketing', ['marketing']);
    rita = await keyFor('rita', 'sales', ['sales']);
    nils = await keyFor('nils', 'sales', ['north']);
    maria = await keyFor('maria', 'sales_manager', ['sales']);
    ops = await keyFor('olga', 'ops', []);
    analyst = await keyFor('ana', 'analyst', []);

    // A pipeline of its own for the leads that are to meet the strict rules.
    const blocked = ['EP-1', 'EP-5', 'EP-7', 'EP-8'].map((policy) => [policy, 'block']);
    const [meeting, demo, ...stages] = defaultPipeline.dealStages;
    await inForce('pipelines', 'strict', {
      ...defaultPipeline,
      leadTypes: ['strict'],
      autoHandoff: false,
      opportunityRule: 'discovery_success',
      recycleCooldownDays: 30,
      contactCap: { attempts: 1, days: 7, attemptsPerCycle: 8 },
      engagementPolicies: Object.fromEntries(blocked),
      tracks: [{ trackId: 'basics', kind: 'education', allowedStates: ['LEAD'] }],
    });
    await inForce('pipelines', 'careful', {
      ...defaultPipeline,
      leadTypes: ['careful'],
      dealStages: [meeting, { ...demo, requiredFields: ['challenge'] }, ...stages],
    });
    await inForce('icps', 'default', { minAnnualRevenue: EUR(100_000_000), hardCriteria: ['annualRevenue'] });
    await inForce('personas', 'ines', { name: 'Ines, head of operations' });

    const team = { function: 'sales', agreementId: 'standard', calendarId: 'office', timeZone: 'UTC' };
    await done(admin.command(`${CONFIG}/agreements`, { id: 'unsigned', document: standardAgreement }), 201);
    const someday = { timeZone: 'UTC', weekly: [{ weekday: 1, from: '09:00', to: '17:00' }] };
    await done(admin.command(`${CONFIG}/calendars`, { id: 'someday', document: someday }), 201);
    await done(admin.command(`${CONFIG}/teams`, { id: 'north', name: 'North', ...team }), 201);
    const unsigned = { ...team, agreementId: 'unsigned' };
    await done(admin.command(`${CONFIG}/teams`, { id: 'unsigned', name: 'Unsigned', ...unsigned }), 201);
    const unready = { ...team, calendarId: 'someday' };
    await done(admin.command(`${CONFIG}/teams`, { id: 'unready', name: 'Unready', ...unready }), 201);
    for (const repId of ['nora', 'gone']) await done(admin.command(`${CONFIG}/teams/north/reps`, { repId }), 201);
    await done(admin.command(`${CONFIG}/teams/north/reps/gone/leave`));

    await done(marketing.command('/v1/accounts', { accountId: 'small', name: 'Small' }), 201);
    await done(marketing.command('/v1/accounts/small/firmographics', { annualRevenue: EUR(1_000_000) }));
    for (const accountId of ['acme', 'acme-old'])
      await done(marketing.command('/v1/accounts', { accountId, name: 'Acme' }), 201);
    await done(ops.command('/v1/accounts/acme-old/merge', { survivorId: 'acme' }));
    const campaign = { campaignId: 'spring', name: 'Spring', purpose: 'attract', channel: 'search', budget: EUR(100) };
    await done(marketing.command('/v1/campaigns', campaign), 201);
  }, 60_000);

  afterAll(async () => {
    await ledger?.stop();
    await rm(dir, { recursive: true, force: true });
  }, 30_000);

  type Case = readonly [code: string, status: number, field: string | undefined, ask: () => Promise<Answer>];

  // prettier-ignore
  const captureCases: Case[] = [
    ['VALIDATION_FAILED', 400, 'role', () => marketing.command('/v1/leads', form({ role: 'king' }))],
    ['EMAIL_INVALID', 400, 'person.email', () => marketing.command('/v1/leads', form({ person: { email: 'nobody@' } }))],
    ['PHONE_INVALID', 400, 'person.phone', () => marketing.command('/v1/leads', form({ person: { phone: '12' } }))],
    ['COUNTRY_INVALID', 400, 'location.country', () => marketing.command('/v1/leads', form({ location: { country: 'XX' } }))],
    ['CONSENT_INVALID', 400, 'consents.0.purpose', () => marketing.command('/v1/leads', form({ consents: [{ purpose: 'fun', basis: 'consent' }] }))],
    ['CONTACT_POINT_REQUIRED', 422, 'person', () => marketing.command('/v1/leads', form({ person: {} }))],
    ['SOURCE_REQUIRED', 422, 'source.channel', () => marketing.command('/v1/leads', form({ source: {} }))],
    ['LEGAL_BASIS_REQUIRED', 422, 'consents', () => marketing.command('/v1/leads', form({ consents: [] }))],
    ['UNKNOWN_ACCOUNT', 422, 'accountId', () => marketing.command('/v1/leads', form({ accountId: 'nowhere' }))],
    ['UNKNOWN_CAMPAIGN', 422, 'source.campaignId', () => marketing.command('/v1/leads', form({ source: { channel: 'search', campaignId: 'autumn' } }))],
    ['DUPLICATE_LEAD', 409, undefined, async () => {
      const known = person();
      await lead({ person: known });
      return marketing.command('/v1/leads', form({ person: known, onDuplicate: 'reject' }));
    }],
    ['COMMAND_ID_REUSED', 409, undefined, async () => {
      const [leadId, commandId] = [await lead(), randomUUID()];
      await done(marketing.command(`/v1/leads/${leadId}/behaviours`, { kind: 'page_view' }, commandId));
      return marketing.command(`/v1/leads/${leadId}/behaviours`, { kind: 'guide' }, commandId);
    }],
    ['CONFLICT', 409, undefined, async () => marketing.command(`/v1/leads/${await lead()}/mark-mql`, { reason: 'fits' }, randomUUID(), { 'if-match': '"77"', })],
    ['UNAUTHENTICATED', 401, undefined, () => admin.call('GET', '/v1/leads', { key: null })],
    ['FORBIDDEN_ROLE', 403, undefined, async () => ask(analyst, await lead(), 'mark-mql', { reason: 'fits' })],
    ['LEAD_NOT_FOUND', 404, undefined, () => ask(rita, randomUUID(), 'accept')],
    ['NOT_FOUND', 404, undefined, () => rita.get('/v1/reports/weather')],
    ['METHOD_NOT_ALLOWED', 405, undefined, () => rita.call('DELETE', '/v1/reports/stock')],
    ['OCCURRED_IN_FUTURE', 400, 'occurredAt', async () => ask(marketing, await lead(), 'behaviours', { kind: 'guide', occurredAt: '2026-03-03T10:00:00Z' })],
    ['BACKDATE_LIMIT_EXCEEDED', 400, 'occurredAt', async () => ask(marketing, await lead(), 'behaviours', { kind: 'guide', occurredAt: '2026-02-01T10:00:00Z' })],
    ['OUT_OF_ORDER', 400, 'occurredAt', async () => ask(marketing, await lead(), 'mark-mql', { reason: 'fits', occurredAt: '2026-03-01T10:00:00Z' })],
  ];

  // prettier-ignore
  const profileCases: Case[] = [
    ['FIELD_IMMUTABLE', 422, 'changes.leadType', async () => ask(marketing, await lead(), 'update-lead-details', { changes: { leadType: 'other' } })],
    ['UNKNOWN_PERSONA', 422, 'personaId', async () => ask(marketing, await lead(), 'assign-persona', { personaId: 'otto' })],
    ['UNKNOWN_ICP', 422, 'icpId', async () => ask(marketing, await lead(), 'assess-icp-fit', { icpId: 'none' })],
    ['UNKNOWN_REP', 422, 'ownerId', async () => ask(ops, await lead(), 'assign-owner', { ownerId: 'gone' })],
    ['NOT_IN_TEAM', 422, 'teamId', async () => ask(ops, await lead(), 'assign-owner', { ownerId: 'nora', teamId: 'sales' })],
    ['UNKNOWN_BEHAVIOUR', 422, 'kind', async () => ask(marketing, await lead(), 'behaviours', { kind: 'dance' })],
    ['NO_CONSENT', 422, 'channel', async () => {
      const leadId = await lead();
      await act(marketing, leadId, 'withdraw-consent', { purpose: 'phone' });
      return ask(rita, leadId, 'contact-attempts', { channel: 'phone', outcome: 'no_answer' });
    }],
    ['CHANNEL_NOT_ALLOWED', 422, undefined, async () => {
      const leadId = await lead({ leadType: 'strict' });
      await act(rita, leadId, 'responses', { channel: 'email' });
      return ask(rita, leadId, 'contact-attempts', { channel: 'email', outcome: 'sent', oneToOne: false });
    }],
    ['UNKNOWN_TRACK', 422, 'trackId', async () => ask(marketing, await lead({ leadType: 'strict' }), 'enrol-in-nurture', { trackId: 'none' })],
    ['TRACK_NOT_ALLOWED', 422, 'trackId', async () => ask(marketing, await mql({ leadType: 'strict' }), 'enrol-in-nurture', { trackId: 'basics' })],
    ['UNKNOWN_SEQUENCE', 422, 'sequenceId', async () => ask(rita, await lead(), 'start-contact-sequence', { sequenceId: 'gentle' })],
    ['PITCH_BEFORE_GOAL', 422, undefined, async () => ask(rita, await lead({ leadType: 'strict' }), 'contact-attempts', { channel: 'phone', outcome: 'connected', intent: 'pitch', })],
    ['WRONG_CONTACT', 422, undefined, async () => ask(rita, await lead({ leadType: 'strict' }), 'start-contact-sequence')],
    ['CONTACT_CAP_EXCEEDED', 422, undefined, async () => {
      const leadId = await lead({ leadType: 'strict', role: 'decision_maker' });
      const call = { channel: 'phone', outcome: 'no_answer' };
      await act(rita, leadId, 'contact-attempts', call);
      return ask(rita, leadId, 'contact-attempts', call);
    }],
    ['MEETING_TIME_INVALID', 400, 'at', async () => ask(rita, await lead(), 'book-meeting', { at: '2026-03-01T10:00:00Z' })],
    ['NOT_A_CUSTOMER', 422, undefined, async () => ask(rita, await lead(), 'record-feedback', { about: 'product', rating: 3 })],
  ];

  // prettier-ignore
  const qualificationCases: Case[] = [
    ['NO_INTEREST_SHOWN', 422, undefined, async () => ask(marketing, await lead({ interest: { kind: 'none' } }), 'promote')],
    ['NO_TWO_WAY_EVIDENCE', 422, undefined, async () => ask(rita, await lead(), 'mark-prospect')],
    ['INVALID_TRANSITION', 422, undefined, async () => ask(rita, await lead(), 'win', { amount: EUR(1) })],
    ['SCORE_BELOW_THRESHOLD', 422, 'reason', async () => ask(marketing, await lead(), 'mark-mql')],
    ['ICP_THRESHOLD_FAILED', 422, undefined, async () => ask(marketing, await lead({ accountId: 'small' }), 'mark-mql', { reason: 'we like them' })],
    ['RECYCLE_COOLDOWN', 422, undefined, async () => {
      const leadId = await mql({ leadType: 'strict' });
      await act(marketing, leadId, 'hand-off');
      await act(rita, leadId, 'accept');
      await act(rita, leadId, 'recycle', { reasonCode: 'timing', nurtureTrackId: 'basics' });
      return ask(marketing, leadId, 'mark-mql', { reason: 'again' });
    }],
    ['CONSENT_WITHDRAWN', 422, undefined, async () => {
      const leadId = await lead();
      await act(marketing, leadId, 'withdraw-consent', { purpose: 'email_marketing' });
      return ask(marketing, leadId, 'mark-mql', { reason: 'fits' });
    }],
    ['ALREADY_HANDED_OFF', 422, undefined, async () => ask(marketing, await mql(), 'hand-off')],
    ['UNKNOWN_TEAM', 422, 'teamId', async () => ask(marketing, await mql({ leadType: 'strict' }), 'hand-off', { teamId: 'south' })],
    ['NO_ACTIVE_AGREEMENT', 422, undefined, async () => ask(marketing, await mql({ leadType: 'strict' }), 'hand-off', { teamId: 'unsigned' })],
    ['NOT_READY', 422, undefined, async () => ask(marketing, await mql({ leadType: 'strict' }), 'hand-off', { teamId: 'unready' })],
    ['NOT_HANDED_OFF', 422, undefined, async () => ask(rita, await mql({ leadType: 'strict' }), 'accept')],
    ['NOT_IN_ASSIGNED_TEAM', 403, undefined, async () => ask(nils, await mql(), 'accept')],
    ['UNKNOWN_REASON_CODE', 422, 'reasonCode', async () => ask(rita, await mql(), 'reject', { reasonCode: 'moon' })],
    ['NOTE_REQUIRED', 422, 'note', async () => ask(rita, await mql(), 'reject', { reasonCode: 'other' })],
    ['STAGE_SKIP_NOT_ALLOWED', 422, undefined, async () => ask(rita, await lead(), 'mark-sql')],
    ['QUALIFICATION_INCOMPLETE', 422, undefined, async () => ask(rita, await sal(), 'mark-sql')],
    ['NO_CONTACT_RECORDED', 422, undefined, async () => ask(rita, await sal(), 'mark-sql', { qualification: allYes })],
    ['UNKNOWN_EVIDENCE', 422, 'answers.need.evidenceEventId', async () => ask(rita, await sal(), 'answer-qualification', { answers: { need: { value: 'yes', evidenceEventId: 'x' } } })],
    ['HOLD_TOO_LONG', 422, 'until', async () => ask(rita, await sal(), 'hold', { reasonCode: 'budget_cycle', until: '2027-03-01T00:00:00Z' })],
    ['NOT_ON_HOLD', 422, undefined, async () => ask(rita, await sal(), 'resume')],
    ['LEAD_ON_HOLD', 423, undefined, async () => {
      const leadId = await sql();
      await act(rita, leadId, 'hold', { reasonCode: 'budget_cycle' });
      return ask(rita, leadId, 'open-opportunity', deal);
    }],
    ['NURTURE_TRACK_REQUIRED', 422, 'nurtureTrackId', async () => ask(rita, await sal(), 'recycle', { reasonCode: 'timing' })],
    ['REVISIT_DATE_INVALID', 400, 'revisitOn', async () => ask(rita, await sal(), 'recycle', { reasonCode: 'timing', nurtureTrackId: 'later', revisitOn: '2026-03-01' })],
    ['SEQUENCE_NOT_EXHAUSTED', 422, undefined, async () => ask(rita, await sal(), 'recycle', { reasonCode: 'unresponsive', nurtureTrackId: 'later' })],
    ['NOTHING_NEW', 422, undefined, async () => {
      const leadId = await lead();
      await act(marketing, leadId, 'mark-junk', { reasonCode: 'spam' });
      return ask(marketing, leadId, 'reopen', { reasonCode: 'mistake' });
    }],
  ];

  // prettier-ignore
  const dealCases: Case[] = [
    ['AMOUNT_INVALID', 422, 'amount', async () => ask(rita, await sql(), 'open-opportunity', { ...deal, amount: EUR(0) })],
    ['CLOSE_DATE_IN_PAST', 400, 'expectedCloseDate', async () => ask(rita, await sql(), 'open-opportunity', { ...deal, expectedCloseDate: '2026-03-01' })],
    ['UNKNOWN_DEAL_STAGE', 422, undefined, async () => ask(rita, await sql(), 'open-opportunity', { ...deal, dealStage: 'party' })],
    ['DISCOVERY_NOT_HELD', 422, undefined, async () => {
      const leadId = await mql({ leadType: 'strict', role: 'decision_maker' });
      await act(marketing, leadId, 'hand-off');
      await act(rita, leadId, 'accept');
      await act(rita, leadId, 'contact-attempts', { channel: 'phone', outcome: 'connected' });
      await act(rita, leadId, 'mark-sql', { qualification: allYes });
      return ask(rita, leadId, 'open-opportunity', deal);
    }],
    ['DEAL_ALREADY_OPEN', 422, undefined, async () => {
      const leadId = await opportunity();
      await act(rita, leadId, 'return-to-qualification', { reasonCode: 'budget_lost' });
      return ask(rita, leadId, 'open-opportunity', deal);
    }],
    ['DEAL_OPEN', 422, undefined, async () => ask(ops, await opportunity(), 'disqualify', { reasonCode: 'no_need' })],
    ['UNKNOWN_DEAL', 422, 'dealId', async () => ask(rita, await sql(), 'change-close-date', { expectedCloseDate: '2026-06-01', reason: 'slow' })],
    ['CURRENCY_MISMATCH', 422, 'amount.currency', async () => ask(rita, await opportunity(), 'change-deal-amount', { amount: { amountMinor: 1, currency: 'USD' }, reason: 'moved', })],
    ['REASON_REQUIRED', 422, 'reason', async () => {
      const leadId = await opportunity();
      await act(rita, leadId, 'change-deal-stage', { to: 'demo' });
      return ask(rita, leadId, 'change-deal-stage', { to: 'meeting_booked' });
    }],
    ['STAGE_CRITERIA_MISSING', 422, 'fields.challenge', async () => ask(rita, await opportunity({ leadType: 'careful' }), 'change-deal-stage', { to: 'demo' })],
    ['PROPOSAL_INCOMPLETE', 422, undefined, async () => ask(rita, await opportunity(), 'send-proposal')],
    ['UNKNOWN_OBJECTION', 422, 'objectionId', async () => ask(rita, await opportunity(), 'resolve-objection', { objectionId: 'x', how: 'talked' })],
    ['LOSS_REASON_REQUIRED', 422, 'reasonCode', async () => ask(rita, await opportunity(), 'lose')],
  ];

  // prettier-ignore
  const correctionCases: Case[] = [
    ['UNKNOWN_EVENT', 422, 'eventId', async () => ask(ops, await mql(), 'void-transition', { eventId: 'x', reason: 'wrong' })],
    ['NOT_LATEST_TRANSITION', 422, undefined, async () => {
      const leadId = await mql();
      const { items } = await done(ops.get(`/v1/leads/${leadId}/timeline`));
      return ask(ops, leadId, 'void-transition', { eventId: items[0].eventId, reason: 'wrong' });
    }],
    ['SECOND_APPROVER_REQUIRED', 422, 'approvedBy', async () => {
      const leadId = await sql();
      const { items } = await done(ops.get(`/v1/leads/${leadId}/timeline`));
      const { eventId } = items.find(({ type }: { type: string }) => type === 'MarkedSQL');
      return ask(ops, leadId, 'void-transition', { eventId, reason: 'wrong' });
    }],
    ['UNKNOWN_CLOCK', 422, 'clockId', async () => ask(ops, await sal(), 'rebase-clock', { clockId: 'x', reason: 'holiday', approvedBy: 'maria' })],
    ['MERGE_SAME_LEAD', 422, 'duplicateLeadId', async () => {
      const leadId = await lead();
      return ask(ops, leadId, 'merge', { duplicateLeadId: leadId });
    }],
    ['MERGE_SURVIVOR_LESS_ADVANCED', 422, undefined, async () => ask(ops, await lead(), 'merge', { duplicateLeadId: await mql() })],
    ['MERGE_BOTH_HAVE_OPEN_DEALS', 422, undefined, async () => ask(ops, await opportunity(), 'merge', { duplicateLeadId: await opportunity() })],
    ['NOT_MERGED', 422, undefined, async () => ask(ops, await lead(), 'unmerge')],
    ['LEAD_MERGED', 409, undefined, async () => {
      const duplicateLeadId = await lead();
      await act(ops, await mql(), 'merge', { duplicateLeadId });
      return ask(marketing, duplicateLeadId, 'mark-mql', { reason: 'fits' });
    }],
  ];

  // prettier-ignore
  const companyCases: Case[] = [
    ['ACCOUNT_NOT_FOUND', 404, undefined, () => marketing.command('/v1/accounts/nowhere/assess-icp')],
    ['ACCOUNT_EXISTS', 409, undefined, () => marketing.command('/v1/accounts', { accountId: 'acme', name: 'Acme' })],
    ['ACCOUNT_MERGED', 409, undefined, () => marketing.command('/v1/accounts/acme-old/assess-icp')],
    ['MERGE_SAME_ACCOUNT', 422, 'survivorId', () => ops.command('/v1/accounts/acme/merge', { survivorId: 'acme' })],
    ['UNKNOWN_LEAD', 422, 'leadId', () => marketing.command('/v1/accounts/acme/buying-roles', { leadId: randomUUID(), role: 'user' })],
    ['CAMPAIGN_NOT_FOUND', 404, undefined, () => marketing.command('/v1/campaigns/autumn/launch')],
    ['CAMPAIGN_EXISTS', 409, undefined, () => marketing.command('/v1/campaigns', { campaignId: 'spring', name: 'Spring', purpose: 'attract', channel: 'search', budget: EUR(1), })],
  ];

  // prettier-ignore
  const otherCases: Case[] = [
    ['AGREEMENT_INCOMPLETE', 422, 'definitions', async () => {
      const document = { ...standardAgreement, definitions: [] };
      const { version } = await done(admin.command(`${CONFIG}/agreements`, { id: 'short', document }), 201);
      const path = `${CONFIG}/agreements/short/versions/${version}`;
      for (const party of ['marketing', 'sales']) await done(admin.command(`${path}/approve`, { party }));
      return admin.command(`${path}/activate`);
    }],
    ['PIPELINE_IN_USE', 422, undefined, () => ops.command(`${CONFIG}/pipelines/default/versions/1/retire`)],
    ['PROJECTION_BEHIND', 503, undefined, () => analyst.get('/v1/reports/stock?after=7fffffffffffffff')],
    ['AS_OF_NOT_SUPPORTED', 422, undefined, () => analyst.get('/v1/audit?asOf=2026-01-01T00:00:00Z')],
  ];

  const refused = async ([code, status, field, cause]: Case) => {
    const answer = await cause();
    const told = { status: answer.status, code: answer.body.code, field: answer.body.fields?.[0]?.field };
    expect(told).toEqual({ status, code, field });
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    provoked.add(code);
  };
  const each = (cases: readonly Case[]) => it.each(cases.map((one) => [one[0], one[1], one] as const));

  // First: the default pipeline is only asked for itself while no deal is open.
  describe('of configuration and questions', () => {
    each(otherCases)('%s is %i', (_code, _status, one) => refused(one));
  });
  describe('of a capture, or of any command', () => {
    each(captureCases)('%s is %i', (_code, _status, one) => refused(one));
  });
  describe('of profile, nurture and contact', () => {
    each(profileCases)('%s is %i', (_code, _status, one) => refused(one));
  });
  describe('of qualification, hold and leaving', () => {
    each(qualificationCases)('%s is %i', (_code, _status, one) => refused(one));
  });
  describe('of deals', () => {
    each(dealCases)('%s is %i', (_code, _status, one) => refused(one));
  });
  describe('of corrections and merges', () => {
    each(correctionCases)('%s is %i', (_code, _status, one) => refused(one));
  });
  describe('of accounts and campaigns', () => {
    each(companyCases)('%s is %i', (_code, _status, one) => refused(one));
  });

  it('UNMERGE_TOO_LATE and GRACE_EXPIRED are 422, a month after', async () => {
    const [survivor, duplicateLeadId, late] = [await mql(), await lead(), await sal()];
    const { events } = await act(rita, late, 'contact-attempts', { channel: 'phone', outcome: 'bounced' });
    await act(ops, survivor, 'merge', { duplicateLeadId });
    await setClock('2026-04-02T10:00:00.000Z');
    await refused(['UNMERGE_TOO_LATE', 422, undefined, () => ask(ops, survivor, 'unmerge', { duplicateLeadId })]);
    expect((await card(duplicateLeadId)).state).toBe('MERGED');
    const { clocks } = await card(late);
    const broken = clocks.find(({ clockType }: { clockType: string }) => clockType === 'first_contact');
    const body = { clockId: broken.clockId, evidenceEventId: events[0].eventId, approvedBy: 'olga' };
    await refused(['GRACE_EXPIRED', 422, undefined, () => ask(maria, late, 'retract-breach', body)]);
  });

  it('leaves no code of the ledger out', async () => {
    const codes = new Set([...Object.keys({ ...HTTP_STATUS, ...POLICY_STATUS, ...PLATFORM_STATUS }), 'AS_OF_NOT_SUPPORTED']); // prettier-ignore
    const told = [...provoked, ...Object.keys(ELSEWHERE), ...NOT_BY_A_CLIENT, ...Object.keys(NOT_YET)];
    expect([...told].sort()).toEqual([...codes].sort());
    for (const [code, file] of Object.entries(ELSEWHERE))
      expect({ code, said: (await readFile(file, 'utf8')).includes(`'${code}'`) }).toEqual({ code, said: true });
  });
});
