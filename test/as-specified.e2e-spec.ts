import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningLedger } from '#apps/ledger/src/start.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { LedgerClient } from './support/ledger-client.js';
import { ledgerHere } from './support/ledger-here.js';

/** Requests as somebody writes them who has read the specification and nothing of ours. */

const ADMIN_KEY = 'an-administrators-key-of-a-stranger';
const consents = [{ purpose: 'email_marketing', basis: 'consent' }];

describe('a stranger', () => {
  let dir: string;
  let ledger: RunningLedger;
  let admin: LedgerClient;

  const post = async (path: string, body: object = {}) => {
    const answer = await admin.call('POST', path, { body });
    if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const get = async (path: string) => (await admin.get(path)).body;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ledger-as-specified-'));
    const settings = parseSettings({
      DATA_DIR: dir,
      PORT: '0',
      LEDGER_ADMIN_KEY: ADMIN_KEY,
      LEDGER_TEST_CLOCK: '1',
      LOG_LEVEL: 'silent',
    });
    ledger = await ledgerHere(settings, makeLogger('silent', 'as-specified'));
    admin = new LedgerClient(ledger.url, ADMIN_KEY);
    // A Thursday, before Easter and the night the clocks change.
    await admin.call('PUT', '/v1/testing/clock', { body: { now: '2027-03-25T14:00:00Z' } });
  });

  afterAll(async () => {
    await ledger?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('configures hours, an agreement and a pipeline with the fields of the specification only', async () => {
    const inForce = async (kind: string, document: { id: string; [field: string]: unknown }, approved: boolean) => {
      const { version } = await post(`/v1/config/${kind}`, document);
      const path = `/v1/config/${kind}/${document.id}/versions/${version}`;
      if (approved) for (const party of ['marketing', 'sales']) await post(`${path}/approve`, { party });
      await post(`${path}/activate`);
    };
    const weekly = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'].map((weekday) => ({
      weekday,
      from: '09:00',
      to: '17:00',
    }));
    const holidays = ['2027-03-26', '2027-03-29'];
    await inForce('calendars', { id: 'berlin', timeZone: 'Europe/Berlin', weekly, holidays }, false);
    const terms = [
      'lifecycle stages',
      'lead types',
      'deal stages',
      'lead status',
      'score criteria',
      'MQL',
      'SAL',
      'SQL',
    ];
    const agreement = {
      id: 'berlin',
      definitions: terms.map((term) => ({ term, text: term })),
      goals: [{ metric: 'acceptance', target: 0.9 }],
      clocks: [{ clockType: 'handoff_response', targetOpenS: 28_800, warnOpenS: 14_400, calendarId: 'berlin' }],
    };
    await inForce('agreements', agreement, true);
    const zone = { calendarId: 'berlin', timeZone: 'Europe/Berlin' };
    await post('/v1/config/teams', { id: 'berlin', name: 'Berlin', function: 'sales', agreementId: 'berlin', ...zone });
    await inForce('pipelines', { id: 'default', autoHandoff: false }, false);

    const { leadId } = await post('/v1/leads', {
      commandId: '11111111-1111-1111-1111-111111111111',
      leadId: '22222222-2222-2222-2222-222222222222',
      person: { email: 'ann@example.org' },
      source: { channel: 'search' },
      consents,
      externalIds: [{ system: 'crm', id: 'A:1' }],
    });
    await post(`/v1/leads/${leadId}/mark-mql`, { basis: 'marketing', reason: 'agreed criteria' });
    await post(`/v1/leads/${leadId}/hand-off`, { leadId, teamId: 'berlin' });
    // Two hours are left of Thursday; Tuesday is the next day of work, in summer time.
    const { clocks } = await get(`/v1/leads/${leadId}`);
    expect(clocks[0]).toMatchObject({ dueAt: '2027-03-30T13:00:00.000Z', warnAt: '2027-03-30T09:00:00.000Z' });
  });

  it('finds a lead by the id another system has for it', async () => {
    const found = await get('/v1/leads?externalId=crm:A:1');
    expect(found.items.map(({ leadId }: { leadId: string }) => leadId)).toEqual([
      '22222222-2222-2222-2222-222222222222',
    ]);
    expect((await get('/v1/leads?externalId=crm:A')).items).toEqual([]);
    expect((await admin.get('/v1/leads?externalId=crm')).status).toBe(400);
  });

  it('sends a file of history without saying how it is written', async () => {
    const raw = 'lead_id,occurred_at,stage,email,source\nH1,2026-05-01,lead,h1@example.org,fair\nH1,2026-05-09,mql,,\n';
    const headers = { 'content-type': 'text/csv' };
    const { status, body } = await admin.call('POST', '/v1/imports?wait=60', { raw, headers });
    expect([status, body.mapping, body.counts]).toEqual([200, 'generic', { accepted: 1, skipped: 0, rejected: 0 }]);
  });
});
