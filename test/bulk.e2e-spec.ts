import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Command } from 'commander';
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningLedger } from '#apps/ledger/src/start.js';
import { exportVerb } from '#apps/ledger/src/verbs/export.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { LedgerClient, type Answer } from './support/ledger-client.js';
import { ledgerHere } from './support/ledger-here.js';

const ADMIN_KEY = 'an-administrators-key-of-the-e2e';

describe('many leads at once, over HTTP', () => {
  let dir: string;
  let ledger: RunningLedger;
  let admin: LedgerClient;
  let marketing: LedgerClient;
  let ops: LedgerClient;
  let sales: LedgerClient;

  const ok = (answer: Answer, status = 200): Answer['body'] => {
    if (answer.status !== status) throw new Error(`answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const refusal = ({ body, status }: Answer) => ({ status, code: body.code });
  const isInOrder = (values: readonly string[]) => values.every((value, n) => n === 0 || values[n - 1]! <= value);
  let captured = 0;
  /** Answers the ids, and the position that all of them are reflected at. */
  const capture = async (count: number, more: object = {}): Promise<{ leadIds: string[]; after: string }> => {
    const lines = Array.from({ length: count }, () => {
      const person = { email: `person-${++captured}@example.org` };
      const consents = [{ purpose: 'email_marketing', basis: 'consent' }];
      return JSON.stringify({ command: 'CaptureLead', person, source: { channel: 'search' }, consents, ...more });
    });
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = ok(await marketing.call('POST', '/v1/commands', { raw: lines.join('\n'), headers }));
    const results = String(answer)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    return {
      leadIds: results.map(({ leadId }) => leadId),
      after: results.reduce((last, { position }) => (position > last ? position : last), ''),
    };
  };
  const bulk = (client: LedgerClient, body: object, key: string = randomUUID(), query = '') =>
    client.call('POST', `/v1/bulk${query}`, { body, headers: { 'idempotency-key': key } });
  const finished = async (jobId: string): Promise<Answer['body']> => {
    for (let tries = 0; tries < 400; tries++) {
      const job = ok(await ops.get(`/v1/bulk/${jobId}`));
      if (job.finishedAt !== null) return job;
      await sleep(25);
    }
    throw new Error('the job never ended');
  };
  const eventually = async (holds: () => Promise<boolean>): Promise<void> => {
    for (let tries = 0; tries < 400; tries++) {
      if (await holds()) return;
      await sleep(25);
    }
    throw new Error('it never came about');
  };

  const start = async (): Promise<void> => {
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
    ops = await keyFor('olga', 'ops', []);
    sales = await keyFor('rita', 'sales', ['sales']);
  };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lead-ledger-bulk-'));
    await start();
  }, 60_000);

  afterAll(async () => {
    await ledger?.stop();
    await rm(dir, { recursive: true, force: true });
  }, 30_000);

  it('marks a few leads in one go and says what each of them answered', async () => {
    const { leadIds } = await capture(3);
    ok(await ops.command(`/v1/leads/${leadIds[2]}/mark-junk`, { reasonCode: 'spam' }));
    const request = { command: 'MarkJunk', body: { reasonCode: 'bot' }, leadIds };
    const key = randomUUID();
    const begun = await bulk(marketing, request, key);
    expect(begun.headers.get('location')).toBe(`/v1/bulk/${key}`);
    expect(ok(begun, 202)).toMatchObject({ jobId: key, command: 'MarkJunk', startedBy: 'mia', counts: { total: 3 } });
    const job = await finished(key);
    expect(job).toMatchObject({
      status: 'finished',
      counts: { total: 3, done: 2, failed: 1, pending: 0 },
      failures: { INVALID_TRANSITION: 1 },
      items: [
        { leadId: leadIds[0], outcome: 'done', events: ['MarkedJunk'] },
        { leadId: leadIds[1], outcome: 'done' },
        { leadId: leadIds[2], outcome: 'failed', code: 'INVALID_TRANSITION' },
      ],
    });
    const { items } = ok(await admin.get(`/v1/leads/${leadIds[0]}/timeline`));
    expect(items.at(-1)).toMatchObject({ type: 'MarkedJunk', actor: { id: 'mia' }, source: { bulkJobId: key } });

    // The same request under the same key is the same job; another one is refused.
    expect(ok(await bulk(marketing, request, key), 202)).toMatchObject({ jobId: key, status: 'finished' });
    expect(refusal(await bulk(marketing, { ...request, body: { reasonCode: 'spam' } }, key))).toEqual({
      status: 409,
      code: 'COMMAND_ID_REUSED',
    });
    expect(ok(await ops.get(`/v1/bulk/${key}?outcome=failed&limit=1`)).items).toHaveLength(1);
    expect(ok(await ops.get('/v1/bulk')).items[0]).toMatchObject({ jobId: key, command: 'MarkJunk' });
    expect(refusal(await ops.get(`/v1/bulk/${randomUUID()}`))).toEqual({ status: 404, code: 'NOT_FOUND' });
  }, 30_000);

  it('asks for a dry run of the same request above a hundred leads', async () => {
    const { after } = await capture(101, { leadType: 'many', location: { country: 'PT' } });
    const request = { command: 'AssignOwner', body: { ownerId: 'rita', teamId: 'sales' }, filter: { country: 'PT' } };
    expect(refusal(await bulk(ops, request, randomUUID(), `?after=${after}`))).toEqual({
      status: 422,
      code: 'DRY_RUN_REQUIRED',
    });
    const dry = ok(await bulk(ops, { ...request, dryRun: true }));
    expect(dry).toMatchObject({ dryRun: true, total: 101, wouldSucceed: 101, wouldFail: {} });
    expect(dry.sample[0]).toMatchObject({ events: ['OwnerAssigned'] });
    expect(dry.sample.length).toBeLessThan(101);
    const { token: dryRunToken } = dry;
    expect(ok(await admin.get('/v1/leads?filter[country]=PT&filter[owner]=rita')).items).toHaveLength(0);

    const other = { ...request, body: { ownerId: 'rolf', teamId: 'sales' }, dryRunToken };
    for (const answer of [await bulk(ops, other), await bulk(admin, { ...request, dryRunToken })])
      expect(refusal(answer)).toEqual({ status: 422, code: 'DRY_RUN_REQUIRED' });
    const { jobId } = ok(await bulk(ops, { ...request, dryRunToken }), 202);
    const job = await finished(jobId);
    expect(job.counts).toEqual({ total: 101, done: 101, failed: 0, pending: 0 });
    const page = ok(
      await admin.get(`/v1/leads?filter[country]=PT&filter[owner]=rita&limit=1000&after=${job.position}`),
    );
    expect(page.items).toHaveLength(101);
    expect(
      ok(await bulk(ops, { ...request, command: 'MarkJunk', body: { reasonCode: 'bot' }, dryRun: true })),
    ).toMatchObject({
      wouldSucceed: 101,
    });
    const won = { ...request, command: 'WinDeal', body: {}, dryRun: true };
    expect(ok(await bulk(admin, won))).toMatchObject({ wouldSucceed: 0, wouldFail: { INVALID_TRANSITION: 101 } });
  }, 60_000);

  it('refuses what it cannot do, and says which field', async () => {
    const leadIds = [randomUUID()];
    const junk = { command: 'MarkJunk', body: { reasonCode: 'bot' } };
    const tooMany = Array.from({ length: 10_001 }, () => randomUUID());
    const cases: [LedgerClient, object, number, string, string?][] = [
      [ops, { ...junk, leadIds: tooMany, dryRun: true }, 422, 'BULK_TOO_LARGE'],
      [ops, { ...junk, leadIds: tooMany }, 422, 'BULK_TOO_LARGE'],
      [sales, { ...junk, leadIds }, 403, 'FORBIDDEN_ROLE'],
      [ops, { ...junk }, 400, 'VALIDATION_FAILED', 'leadIds'],
      [ops, { ...junk, leadIds, filter: {} }, 400, 'VALIDATION_FAILED', 'leadIds'],
      [ops, { ...junk, leadIds: ['x'] }, 400, 'VALIDATION_FAILED', 'leadIds.0'],
      [ops, { command: 'MarkJunk', leadIds }, 400, 'VALIDATION_FAILED', 'body.reasonCode'],
      [ops, { command: 'MergeLeads', leadIds }, 400, 'VALIDATION_FAILED', 'command'],
      [ops, { ...junk, filter: { shoeSize: '42' } }, 400, 'VALIDATION_FAILED', 'filter[shoeSize]'],
      [ops, { ...junk, leadIds, body: { reasonCode: 'bot', expectedRevision: 3 } }, 400, 'VALIDATION_FAILED', 'body.expectedRevision'], // prettier-ignore
    ];
    for (const [client, body, status, code, field] of cases) {
      const answer = await bulk(client, body);
      expect({ ...refusal(answer), field: answer.body.fields?.[0]?.field }).toEqual({ status, code, field });
    }
    const most = { ...junk, leadIds: tooMany.slice(1), dryRun: true };
    expect(ok(await bulk(ops, most))).toMatchObject({ total: 10_000, wouldFail: { LEAD_NOT_FOUND: 10_000 } });
  }, 60_000);

  it('stops a job that is cancelled, for who began it and for ops', async () => {
    const { leadIds } = await capture(90);
    const { jobId } = ok(await bulk(marketing, { command: 'MarkJunk', body: { reasonCode: 'bot' }, leadIds }), 202);
    expect(refusal(await sales.command(`/v1/bulk/${jobId}/cancel`))).toEqual({ status: 403, code: 'FORBIDDEN_ROLE' });
    const cancelled = ok(await marketing.command(`/v1/bulk/${jobId}/cancel`));
    const job = await finished(jobId);
    // The worker may have been quicker.
    if (cancelled.cancelledBy === 'mia') expect(job).toMatchObject({ status: 'cancelled', cancelledBy: 'mia' });
    expect(job.counts.done + job.counts.pending).toBe(90);
    for (const { leadId, outcome } of job.items)
      expect(ok(await admin.get(`/v1/leads/${leadId}`)).state).toBe(outcome === 'done' ? 'JUNK' : 'LEAD');
  }, 60_000);

  it('goes on after a restart with what it was in the middle of', async () => {
    const { leadIds } = await capture(100);
    const { jobId } = ok(await bulk(marketing, { command: 'MarkJunk', body: { reasonCode: 'bot' }, leadIds }), 202);
    await ledger.stop();
    await start();
    const job = await finished(jobId);
    expect(job).toMatchObject({ status: 'finished', counts: { total: 100, done: 100, failed: 0, pending: 0 } });
    for (const leadId of [leadIds[0], leadIds[99]]) {
      const { items } = ok(await admin.get(`/v1/leads/${leadId}/timeline`));
      expect(items.filter(({ type }: { type: string }) => type === 'MarkedJunk')).toHaveLength(1);
    }
  }, 60_000);

  it('hands the leads of somebody who leaves to the successor, and lists those that have none', async () => {
    const join = (repId: string) => admin.command('/v1/config/teams/sales/reps', { repId });
    for (const repId of ['ruth', 'rolf']) ok(await join(repId), 201);
    const { leadIds } = await capture(2);
    for (const leadId of leadIds) ok(await sales.command(`/v1/leads/${leadId}/assign-owner`, { ownerId: 'ruth' }));
    ok(await admin.command('/v1/config/teams/sales/reps/ruth/leave', { successorId: 'rolf' }));
    const ownerOf = async (leadId: string) => ok(await admin.get(`/v1/leads/${leadId}`)).ownerId;
    await eventually(async () => (await Promise.all(leadIds.map(ownerOf))).every((owner) => owner === 'rolf'));

    const { position } = ok(await admin.command('/v1/config/teams/sales/reps/rolf/leave'));
    const orphans = async (asked: string) =>
      ok(await ops.get(`/v1/leads?filter[orphaned]=${asked}&limit=1000`)).items.map(
        ({ leadId }: { leadId: string }) => leadId,
      );
    expect(typeof position).toBe('string');
    expect((await orphans('true')).sort()).toEqual([...leadIds].sort());
    expect(await orphans('false')).not.toContain(leadIds[0]);
    const request = {
      command: 'AssignOwner',
      body: { ownerId: 'rita', teamId: 'sales' },
      filter: { orphaned: 'true' },
    };
    const { jobId } = ok(await bulk(ops, request), 202);
    await finished(jobId);
    expect(await ownerOf(leadIds[0] as string)).toBe('rita');
  }, 60_000);

  it('hands leads to people in turn, and the account to whoever has it', async () => {
    for (const repId of ['theo', 'tina'])
      ok(await admin.command('/v1/config/teams/sales/reps', { repId, weeklyLeadCapacity: 20 }), 201);
    const rules = { strategies: ['account_owner', 'round_robin'] };
    ok(await admin.command('/v1/config/teams/sales/routing', rules));
    ok(await marketing.command('/v1/accounts', { accountId: 'acme', name: 'Acme' }), 201);
    const { leadIds } = await capture(4);
    const { leadIds: ofAcme } = await capture(1, { accountId: 'acme' });
    const offer = async (leadId: string) =>
      ok(await marketing.command(`/v1/leads/${leadId}/mark-mql`, { reason: 'fits' }));
    const ownerOf = async (leadId: string) => ok(await admin.get(`/v1/leads/${leadId}`)).ownerId;
    const owners: string[] = [];
    for (const leadId of leadIds) {
      expect((await offer(leadId)).events.map(({ type }: { type: string }) => type)).toContain('OwnerAssigned');
      owners.push(await ownerOf(leadId));
    }
    expect(owners.sort()).toEqual(['theo', 'theo', 'tina', 'tina']);

    ok(await admin.command(`/v1/leads/${ofAcme[0]}/assign-owner`, { ownerId: 'tina' }));
    const { leadIds: others } = await capture(3, { accountId: 'acme' });
    const leads = ok(await admin.get(`/v1/accounts/acme?after=${(await offer(ofAcme[0] as string)).position}`)).leads;
    expect(leads).toHaveLength(4);
    for (const leadId of others) {
      await offer(leadId);
      expect(await ownerOf(leadId)).toBe('tina');
    }
    const { items } = ok(await admin.get(`/v1/leads/${others[0]}/timeline`));
    expect(items.at(-1)).toMatchObject({ type: 'OwnerAssigned', actor: { id: 'system:routing', type: 'system' } });
  }, 60_000);

  it('tells a person and a team what is to be done, the first due first', async () => {
    const { leadIds } = await capture(2);
    const [first, second] = leadIds as [string, string];
    for (const leadId of leadIds) {
      const offer = { reason: 'fits', teamId: 'sales', ownerId: 'quentin' };
      ok(await marketing.command(`/v1/leads/${leadId}/mark-mql`, offer));
    }
    const accepted = ok(await admin.command(`/v1/leads/${first}/accept`, {}));
    const mine = ok(await sales.get(`/v1/queues/quentin?after=${accepted.position}`));
    expect(mine).toMatchObject({ ownerId: 'quentin', nextCursor: null });
    expect(mine.items.map(({ kind, leadId }: { kind: string; leadId: string }) => [leadId, kind])).toEqual([
      [second, 'handoff'],
      [first, 'clock'],
    ]);
    expect(mine.items[1]).toMatchObject({ clockType: 'first_contact', lead: { state: 'SAL', ownerId: 'quentin' } });
    const team = ok(await sales.get('/v1/queues/team/sales?limit=1000'));
    const leads = team.items.map(({ leadId }: { leadId: string }) => leadId);
    expect(leads).toEqual(expect.arrayContaining([first, second]));
    const dues = team.items.map(({ dueAt }: { dueAt: string }) => dueAt);
    expect(isInOrder(dues)).toBe(true);
    expect(refusal(await sales.get('/v1/queues/team/sales?filter[kind]=nap'))).toMatchObject({ status: 400 });
    expect(ok(await sales.get('/v1/queues/nobody')).items).toEqual([]);
  }, 30_000);

  it('exports leads, visits and events as files whose rows and digest can be checked', async () => {
    const { leadIds } = await capture(3, { source: { channel: 'search', code: '=1+1' } });
    const { position } = ok(await ops.command(`/v1/leads/${leadIds[0]}/mark-junk`, { reasonCode: 'spam' }));
    const exported = async (path: string) => {
      const answer = await sales.get(`/v1/export/${path}`);
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      const { body, headers } = answer;
      expect(createHash('sha256').update(body).digest('hex')).toBe(headers.get('x-ledger-sha256'));
      expect(headers.get('x-ledger-position')! >= position).toBe(true);
      expect(body).not.toContain('@example.org');
      return {
        lines: String(body).split(/\r?\n/).filter(Boolean),
        rows: Number(headers.get('x-ledger-rows')),
        headers,
      };
    };
    const mine = `filter[source]=${encodeURIComponent('=1+1')}`;
    const leads = await exported(`leads?${mine}&after=${position}`);
    expect(leads.rows).toBe(3);
    expect(leads.lines.map((line) => JSON.parse(line).leadId)).toEqual([...leadIds].sort());
    const visits = await exported(`visits?${mine}`);
    expect(visits.lines.map((line) => JSON.parse(line)).filter(({ leadId }) => leadId === leadIds[0])).toMatchObject([
      { visitNo: 1, state: 'LEAD', exitedTo: 'JUNK', type: 'LeadCaptured', actorId: 'mia' },
      { visitNo: 2, state: 'JUNK', exitedAt: null, exitedTo: null, reason: 'spam', actorId: 'olga' },
    ]);
    expect(visits.rows).toBe(4);
    expect((await exported(`visits?${mine}&to=2020-01-01`)).rows).toBe(0);

    const csv = await exported(`leads?format=csv&${mine}`);
    expect(csv.headers.get('content-type')).toContain('text/csv');
    expect(csv.lines).toHaveLength(4);
    expect(csv.lines[0]).toMatch(/^leadId,revision,state,/);
    // A spreadsheet would run it.
    expect(csv.lines[1]).toContain(",'=1+1,");

    const events = await exported('events');
    const all = events.lines.map((line) => JSON.parse(line));
    expect(all).toHaveLength(events.rows);
    expect(isInOrder(all.map((event) => event.position))).toBe(true);
    const last = await exported(`events?types=MarkedJunk&format=csv&after=${all.at(-2).position}`);
    expect(last.rows).toBe(1);
    expect(last.lines[1]).toContain(leadIds[0]);
    expect(refusal(await sales.get('/v1/export/leads?format=xml'))).toEqual({ status: 400, code: 'VALIDATION_FAILED' });
    expect(refusal(await sales.get('/v1/export/moods'))).toEqual({ status: 404, code: 'NOT_FOUND' });
  }, 30_000);

  it('exports from the command line too', async () => {
    const { after } = await capture(2, { leadType: 'from_shell' });
    ok(await ops.get(`/v1/leads?after=${after}`));
    const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
    exportVerb(program);
    const environment = { ...process.env };
    process.env.LEDGER_URL = ledger.url;
    process.env.LEDGER_API_KEY = ADMIN_KEY;
    const told = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      const out = join(dir, 'visits.csv');
      const filters = ['--filter', 'leadType=from_shell', 'leadType=none_such'];
      const run = (...args: string[]) => program.parseAsync(['node', 'ledger', 'export', ...args]);
      await run('visits', '--format', 'csv', ...filters, '--out', out, '--json');
      const content = await readFile(out);
      expect(content.toString().split('\r\n')).toHaveLength(4);
      expect(JSON.parse(String(told.mock.calls.at(-1)?.[0]))).toMatchObject({
        what: 'visits',
        rows: 2,
        sha256: createHash('sha256').update(content).digest('hex'),
      });
      await expect(run('events', '--from', '2026-01-01')).rejects.toThrow('--from means nothing for events');
    } finally {
      told.mockRestore();
      process.env = environment;
    }
  }, 30_000);
});
