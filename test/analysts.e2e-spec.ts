import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { done, HandClockedLedger } from './support/hand-clocked-ledger.js';

/** A Monday. */
const START = '2026-03-02T09:00:00.000Z';
const FUNNEL = fileURLToPath(new URL('../docs/analysts/funnel.mjs', import.meta.url));
/** Of a source whose history names no stage between qualified and won, one that was won before it was there, and a plain one. */
const HISTORY = `lead_id,occurred_at,stage,email,source
H1,2026-01-05,lead,h1@example.org,fair
H1,2026-01-09,mql,,
H1,2026-02-02,won,,
H2,2026-01-12,lead,h2@example.org,fair
H2,2026-01-13,mql,,
H3,2026-01-20,lead,h3@example.org,
`;

describe('the history for analysts', () => {
  let ledger: HandClockedLedger;
  let folder: string;

  const act = async (leadId: string, action: string, body: object = {}) =>
    done(ledger.admin.command(`/v1/leads/${leadId}/${action}`, body));
  const capture = async (name: string, code?: string): Promise<string> =>
    (
      await done(
        ledger.admin.command('/v1/leads', {
          person: { givenName: name, email: `${name}@example.org` },
          captureMethod: 'form',
          interest: { kind: 'passive' },
          source: { channel: 'search', ...(code === undefined ? {} : { code }) },
          consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
        }),
        201,
      )
    ).leadId as string;
  const file = async (table: string, format: string): Promise<{ bytes: Buffer; headers: Headers }> => {
    const headers = { authorization: `Bearer ${ledger.admin.key}` };
    const answer = await fetch(`${ledger.admin.url}/v1/export/tables/${table}?format=${format}`, { headers });
    if (!answer.ok) throw new Error(await answer.text());
    return { bytes: Buffer.from(await answer.arrayBuffer()), headers: answer.headers };
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lead-ledger-analysts-'));
    ledger = await HandClockedLedger.start(START);
    const imported = { raw: HISTORY, headers: { 'content-type': 'text/csv' } };
    await done(ledger.admin.call('POST', '/v1/imports?wait=60', imported));
    const [ada, bob, cy, dee, dup] = [await capture('ada', 'fair'), await capture('bob'), await capture('cy', 'webinar'), await capture('dee', 'fair'), await capture('dup', 'webinar')]; // prettier-ignore
    await ledger.setClock('2026-03-03T09:00:00.000Z');
    for (const lead of [ada, bob, cy]) await act(lead, 'mark-mql', { reason: 'fits' });
    for (const lead of [ada, bob]) await act(lead, 'accept');
    await act(cy, 'reject', { reasonCode: 'no_interest_confirmed' });
    // Never happened, never was one of them, was earlier than said.
    const { events } = await act(dee, 'mark-mql', { reason: 'mistaken' });
    const { eventId } = events.find(({ type }: { type: string }) => type === 'MarkedMQL') as { eventId: string };
    await act(dee, 'void-transition', { eventId, reason: 'the wrong lead' });
    await act(ada, 'merge', { duplicateLeadId: dup });
  }, 90_000);

  afterAll(async () => {
    await ledger?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 30_000);

  it('gives the figures of the funnel report by SQL over its Parquet files', async () => {
    for (const table of ['events', 'transitions', 'merges', 'leads'])
      await writeFile(join(folder, `${table}.parquet`), (await file(table, 'parquet')).bytes);
    const env = { ...process.env, LEDGER_URL: ledger.admin.url, LEDGER_API_KEY: ledger.admin.key };
    const { stdout } = await promisify(execFile)(process.execPath, [FUNNEL, folder], { env });
    const { rows } = await done(ledger.admin.get('/v1/reports/funnel?by=source'));
    const figures = (rows as { reached: Record<string, { count: number }> }[]).flatMap(({ reached }) =>
      Object.keys(reached).flatMap((_, step) =>
        Object.values(reached)[step]?.count === 0 ? [] : Array(5 - step).fill(0),
      ),
    );
    expect(stdout).toContain(`${figures.length} of ${figures.length} figures are those of ${ledger.admin.url}`);
    expect(figures.length).toBeGreaterThan(20);
  }, 60_000);

  it('has the same rows in every format, counted and digested', async () => {
    const csv = await file('transitions', 'csv');
    const ndjson = await file('transitions', 'ndjson');
    const lines = csv.bytes.toString().trim().split('\r\n');
    const rows = ndjson.bytes
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toBe(Object.keys(rows[0] as object).join(','));
    expect(lines.length - 1).toBe(rows.length);
    expect(csv.headers.get('x-ledger-rows')).toBe(String(rows.length));
    expect(csv.headers.get('x-ledger-sha256')).toBe(createHash('sha256').update(csv.bytes).digest('hex'));
    expect((await file('transitions', 'parquet')).headers.get('x-ledger-rows')).toBe(String(rows.length));
    expect(rows.find(({ reason }) => reason === 'no_interest_confirmed')).toMatchObject({
      from_state: 'MQL',
      to_state: 'RECYCLED',
      type: 'RejectedBySales',
      occurred_at: '2026-03-03T09:00:00.000Z',
      cycle_no: 1,
    });
  });

  it('holds nothing personal', async () => {
    const { tables } = await done(ledger.admin.get('/v1/history'));
    for (const table of tables as string[]) {
      const text = (await file(table, 'ndjson')).bytes.toString();
      for (const name of ['ada', 'bob', 'example.org']) expect(text).not.toContain(name);
    }
  });

  it('equals the log encoded anew, and is where the log is', async () => {
    expect(await done(ledger.admin.call('POST', '/v1/history/verify'))).toMatchObject({ equal: true });
    const status = await done(ledger.admin.get('/v1/history'));
    expect(status).toMatchObject({ position: status.head, lag: { events: 0 } });
  });

  it('names what there is when asked for something else', async () => {
    const { body, status } = await ledger.admin.get('/v1/export/tables/persons');
    expect([status, body.code]).toEqual([404, 'NOT_FOUND']);
    expect(body.detail).toContain('transitions');
    expect((await ledger.admin.get('/v1/export/tables/leads?format=xls')).status).toBe(400);
    expect((await ledger.admin.get('/v1/export/tables/leads?form=csv')).status).toBe(400);
  });
});
