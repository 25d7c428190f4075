import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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
  });

  it('are lists too, and nothing before the first event', async () => {
    const clocks = await get('/v1/sla/clocks?knownAt=2027-06-07T12:00:00Z');
    expect(clocks.items.map(({ clockType }: { clockType: string }) => clockType)).toEqual(['handoff_response']);
    const before = await get('/v1/reports/stock?knownAt=2027-06-06');
    expect([before.position, before.total.leads.count]).toEqual([null, 0]);
    const wrong = await admin.get('/v1/reports/stock?knownAt=yesterday');
    expect([wrong.status, wrong.body.code, wrong.body.fields[0].field]).toEqual([400, 'VALIDATION_FAILED', 'knownAt']);
  });
});
