import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { REPORT_NAMES } from '#libs/read-models/src/reports.js';
import { done, HandClockedLedger } from './support/hand-clocked-ledger.js';
import type { LedgerClient } from './support/ledger-client.js';

/** A Monday. */
const START = '2026-03-02T09:00:00.000Z';
/** Reports that need to be asked for a period. */
const PERIOD = 'from=2026-02-01&to=2026-04-01';

describe('merging over HTTP', () => {
  let ledger: HandClockedLedger;
  let admin: LedgerClient;
  let ops: LedgerClient;
  let marketing: LedgerClient;

  const setClock = (now: string) => ledger.setClock(now);
  const capture = (email: string, person: object = {}) =>
    marketing.command('/v1/leads', {
      person: { givenName: 'Ada', email, ...person },
      captureMethod: 'form',
      interest: { kind: 'active', request: 'demo' },
      source: { channel: 'search', campaignId: 'spring' },
      consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
    });
  const newLead = async (email: string, person: object = {}) =>
    (await done(capture(email, person), 201)).leadId as string;
  const act = (leadId: string, action: string, body: unknown = {}, by = ops, commandId = randomUUID()) =>
    by.command(`/v1/leads/${leadId}/${action}`, body, commandId);
  const items = async (path: string) => (await done(ops.get(path))).items as { leadId: string }[];
  /** Every report there is, without what names the moment of the question. */
  const reports = async (after: string) => {
    const told = await Promise.all(
      REPORT_NAMES.map(async (name) => {
        const plain = await admin.get(`/v1/reports/${name}?by=source,owner&after=${after}`);
        const { body } = plain.status === 200 ? plain : await admin.get(`/v1/reports/${name}?${PERIOD}&after=${after}`);
        return [name, { ...body, position: null }];
      }),
    );
    return Object.fromEntries(told) as Record<string, unknown>;
  };

  beforeAll(async () => {
    ledger = await HandClockedLedger.start(START);
    admin = ledger.admin;
    ops = await ledger.person('olga', 'ops', []);
    marketing = await ledger.person('mia', 'marketing', ['marketing']);
  }, 60_000);

  afterAll(async () => {
    await ledger?.stop();
  }, 30_000);

  it('makes two leads one, and two again, without a trace in any report', async () => {
    const duplicate = await newLead('ada@home.example');
    await done(act(duplicate, 'mark-mql', { reason: 'fits' }, marketing));
    await setClock('2026-03-02T12:00:00.000Z');
    const survivor = await newLead('ada@work.example', { phone: '+4930555001' });
    const marked = await done(act(survivor, 'mark-mql', { reason: 'fits' }, marketing));
    const before = await reports(marked.position);
    expect(before.stock).toMatchObject({ total: { states: { MQL: { count: 2 } } } });

    expect((await act(survivor, 'merge', { duplicateLeadId: duplicate }, marketing)).status).toBe(403);
    const commandId = randomUUID();
    const body = { duplicateLeadId: duplicate, survivorLeadId: survivor };
    const merged = await done(act(survivor, 'merge', body, ops, commandId));
    expect(merged).toMatchObject({ leadId: survivor, state: 'MQL' });
    expect(await done(act(survivor, 'merge', body, ops, commandId))).toEqual({ ...merged, replayed: true });
    // Posted to the other of the two it is the same merge.
    expect(await done(act(duplicate, 'merge', body, ops, commandId))).toEqual({ ...merged, replayed: true });

    const stock = await done(ops.get(`/v1/reports/stock?after=${merged.position}`));
    expect(stock.total.states.MQL.count).toBe(1);
    // Also in the days before: whoever knows of the merge knows of one person only.
    const early = await done(ops.get('/v1/reports/stock?asOf=2026-03-02T10:00:00Z'));
    expect(early.total.leads.count).toBe(1);
    expect((await items('/v1/leads')).map(({ leadId }) => leadId)).toEqual([survivor]);
    expect(await items('/v1/leads?filter[state]=MERGED')).toMatchObject([{ leadId: duplicate, mergedInto: survivor }]);
    expect(await items('/v1/audit?filter[type]=MergedInto')).toMatchObject([
      { leadId: duplicate, fromState: 'MQL', toState: 'MERGED', mergedInto: survivor, actor: { role: 'ops' } },
    ]);
    expect(await items('/v1/sla/clocks')).toHaveLength(1);

    const card = await done(ops.get(`/v1/leads/${survivor}`));
    expect(card).toMatchObject({ capturedAt: START, absorbed: [{ leadId: duplicate, touches: 2 }], mergedInto: null });
    expect(await done(ops.get(`/v1/leads/${duplicate}`))).toMatchObject({
      state: 'MERGED',
      leadStatus: 'merged',
      openHandoff: null,
      mergedInto: { leadId: survivor },
      nextActions: [],
    });

    const refused = await act(duplicate, 'behaviours', { kind: 'page_view' }, marketing);
    expect(refused).toMatchObject({ status: 409, body: { code: 'LEAD_MERGED', survivorLeadId: survivor } });
    const { events } = await done(ops.get('/v1/events?types=DuplicateAbsorbed,MergedInto,SlaClockCancelled'));
    expect(events.map(({ type }: { type: string }) => type)).toEqual([
      'io.leadledger.DuplicateAbsorbed.v1',
      'io.leadledger.MergedInto.v1',
      'io.leadledger.SlaClockCancelled.v1',
    ]);

    const reverted = await done(act(survivor, 'unmerge', { duplicateLeadId: duplicate, reason: 'two sisters' }));
    expect(await reports(reverted.position)).toEqual(before);
    expect((await act(survivor, 'unmerge', { duplicateLeadId: duplicate })).body.code).toBe('NOT_MERGED');
    expect(await items('/v1/audit?filter[type]=MergedInto')).toMatchObject([
      { kinds: expect.arrayContaining(['voided']), voided: { reason: 'two sisters', actor: { role: 'ops' } } },
    ]);
    await done(act(duplicate, 'behaviours', { kind: 'page_view' }, marketing));
  });

  it('brings later captures of the duplicate’s address to the survivor, until the merge is taken back', async () => {
    const [mine, theirs] = ['bea@work.example', 'bea@home.example'];
    const survivor = await newLead(mine);
    const duplicate = await newLead(theirs);
    await done(act(survivor, 'merge', { duplicateLeadId: duplicate }));
    expect(await done(capture(theirs))).toMatchObject({ leadId: survivor });
    await done(act(survivor, 'unmerge', {}));
    expect(await done(capture(theirs))).toMatchObject({ leadId: duplicate });
  });

  it('lists who may be one person until somebody says', async () => {
    const phone = '+4930555009';
    const one = await newLead('cleo@a.example', { phone });
    const two = await newLead('cleo@b.example', { phone });
    const three = await newLead('cleo@c.example', { phone });
    const desk = async () => {
      const head = (await done(ops.get(`/v1/leads/${one}`))).position;
      return items(`/v1/duplicates?after=${head}&filter[lead]=${one}`);
    };
    expect(await desk()).toMatchObject([
      { candidateLeadId: one, basis: ['same_phone'], score: 0.6, candidate: { state: 'LEAD' } },
      { candidateLeadId: one, lead: { state: 'LEAD' } },
    ]);
    expect((await done(ops.get(`/v1/leads/${two}`))).suspectedDuplicates).toEqual([one]);
    await done(act(one, 'dismiss-duplicate', { candidateLeadId: three }));
    expect((await desk()).map(({ leadId }) => leadId)).toEqual([two]);
    await done(act(one, 'merge', { duplicateLeadId: two }));
    expect(await desk()).toEqual([]);
    await done(act(one, 'unmerge'));
    expect((await desk()).map(({ leadId }) => leadId)).toEqual([two]);
    expect((await ops.get('/v1/duplicates?limit=x')).status).toBe(400);
  });

  it.each([
    ['merge', {}, 400, 'VALIDATION_FAILED'],
    ['merge', { duplicateLeadId: 7 }, 400, 'VALIDATION_FAILED'],
    ['merge', { duplicateLeadId: '\ud800' }, 400, 'VALIDATION_FAILED'],
    ['merge', { duplicateLeadId: 'nobody' }, 404, 'LEAD_NOT_FOUND'],
    ['merge', { duplicateLeadId: randomUUID(), survivorLeadId: randomUUID() }, 400, 'VALIDATION_FAILED'],
    ['unmerge', { mergeId: 'x' }, 422, 'NOT_MERGED'],
    ['dismiss-duplicate', { candidateLeadId: randomUUID() }, 404, 'LEAD_NOT_FOUND'],
    ['complete-merge', { mergeId: 'x', survivorLeadId: 'y' }, 404, 'NOT_FOUND'],
  ])('refuses %s %j with %i %s and writes nothing', async (action, body, status, code) => {
    const leadId = (await items('/v1/leads?limit=1'))[0]!.leadId;
    const before = (await done(ops.get(`/v1/leads/${leadId}`))).position;
    const refused = await act(leadId, action, body);
    expect([refused.status, refused.body.code]).toEqual([status, code]);
    const batch = await ops.call('POST', '/v1/commands', {
      raw: `${JSON.stringify({ command: 'CompleteMerge', leadId, mergeId: 'x', survivorLeadId: 'y' })}\n`,
      headers: { 'content-type': 'application/x-ndjson' },
    });
    expect(JSON.parse(batch.body)).toMatchObject({ code: 'FORBIDDEN_ROLE', status: 403 });
    expect((await done(ops.get(`/v1/leads/${leadId}`))).position).toBe(before);
  });
});
