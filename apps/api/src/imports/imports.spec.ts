import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type EventLog, EventLogError, type RecordedEvent } from '#libs/event-log/src/event-log.js';
import { mappingOf } from '#libs/import/src/mappings.js';
import { IMPORTER, importBed, type ImportBed } from '../../../../test/support/import-bed.js';

const LEADS = 'olist_marketing_qualified_leads_dataset.csv';
const DEALS = 'olist_closed_deals_dataset.csv';
const small = {
  [LEADS]: `mql_id,first_contact_date,landing_page_id,origin
m1,2018-02-01,p1,social
m2,2017-10-20,p2,
m3,2018-03-22,p1,unknown
m4,2018-03-23,p1,email
m4,2018-03-23,p1,email
m5,2018-03-32,p1,email
m6,2018-03-05,p3,paid_search
`,
  [DEALS]: `mql_id,seller_id,sr_id,won_date
m1,s1,sr9,2018-02-26 19:58:54
m6,s2,sr8,2018-03-03 19:40:00
`,
};
const GENERIC = 'lead_id,occurred_at,stage,email,phone,channel,source,reason,amount,currency,owner,expected_close_date';

let bed: ImportBed;
beforeEach(async () => {
  bed = await importBed();
});
afterEach(() => bed.close());

const leadsOf = (events: readonly RecordedEvent[]): Map<string, RecordedEvent[]> => {
  const leads = new Map<string, RecordedEvent[]>();
  for (const event of events)
    if (event.stream.startsWith('lead-')) leads.set(event.stream, [...(leads.get(event.stream) ?? []), event]);
  return leads;
};
const byKey = (events: readonly RecordedEvent[]): Record<string, RecordedEvent[]> =>
  Object.fromEntries(
    [...leadsOf(events).values()].map((own) => [(own[0]!.data.externalIds as { id: string }[])[0]!.id, own]),
  );
const rejects = async (id: string): Promise<Record<string, unknown>[]> =>
  (await readFile((await bed.imports.rejects(id))!, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('An import of Olist-shaped files', () => {
  test('writes each lead once with its past, skips a repeated row and refuses a bad one by row and field', async () => {
    const card = await bed.run('olist', small);
    expect(card).toMatchObject({ status: 'finished', counts: { accepted: 5, skipped: 1, rejected: 1 }, rows: 7, rowsDone: 7 }); // prettier-ignore
    const leads = byKey(await bed.events());
    expect(Object.keys(leads).sort()).toEqual(['m1', 'm2', 'm3', 'm4', 'm6']);
    // Asking for contact is a behaviour of its own, as it is when it happens live.
    expect(leads.m1!.map(({ type }) => type)).toEqual([
      'LeadCaptured',
      'BehaviourRecorded',
      'MarkedMQL',
      'OwnerAssigned',
      'DealWon',
    ]);
    expect(leads.m1![4]!.data).toMatchObject({
      occurredAt: '2018-02-26T19:58:54.000Z',
      fromState: 'MQL',
      toState: 'CUSTOMER',
      ownerId: 'sr9',
      teamId: 'sales',
      amount: null,
      skippedStages: ['SAL', 'SQL', 'OPPORTUNITY'],
      skipRule: 'import_unrecorded',
    });
    expect(leads.m2!.map(({ type }) => type)).toEqual(['LeadCaptured', 'BehaviourRecorded', 'MarkedMQL']);
    expect(leads.m2![0]!.data.source).toEqual({ formId: 'p2' });
    expect(leads.m3![0]!.data.source).toEqual({ code: 'unknown', formId: 'p1' });
    expect(leads.m4![0]!.data.source).toEqual({ code: 'email', channel: 'email', formId: 'p1' });
    expect(await rejects(card.id)).toEqual([
      { file: 'leads', row: 6, line: 7, code: 'VALIDATION_FAILED', field: 'first_contact_date', message: expect.any(String), columns: { mql_id: 'm5', first_contact_date: '2018-03-32', landing_page_id: 'p1', origin: 'email' } },
    ]); // prettier-ignore
    const { rows } = await bed.imports.rows(card.id, { from: 0, limit: 100 });
    const others = rows.filter(({ outcome }) => outcome !== 'accepted').sort((a, b) => a.rowNo - b.rowNo);
    expect(others).toEqual([
      { rowNo: 5, outcome: 'skipped', reason: 'duplicate_row' },
      { rowNo: 6, outcome: 'rejected', code: 'VALIDATION_FAILED', field: 'first_contact_date' },
    ]);
  });

  test('names the import in every event, starts no clock and keeps waived guards beside the transition', async () => {
    const { id } = await bed.run('olist', small);
    const leads = leadsOf(await bed.events());
    for (const event of [...leads.values()].flat()) {
      expect(event.metadata.source).toEqual({ system: 'import', importJobId: id });
      expect(event.metadata.actor).toEqual(IMPORTER);
      expect(event.type).not.toMatch(/^Sla/);
    }
    const captured = [...leads.values()].map(([first]) => first!.data);
    for (const data of captured) expect(data.guardsWaived).toEqual(expect.arrayContaining(['CONTACT_POINT_REQUIRED']));
  });

  test('takes over the earlier time of a win before its first contact, beside the time it claimed', async () => {
    await bed.run('olist', small);
    const won = byKey(await bed.events()).m6!.at(-1)!;
    expect(won.data).toMatchObject({
      occurredAt: '2018-03-05T00:00:00.000Z',
      closedAt: '2018-03-05T00:00:00.000Z',
      claimedOccurredAt: '2018-03-03T19:40:00.000Z',
    });
  });

  test('refuses such a row when the mapping does not say clamp, and leaves no trace of the lead', async () => {
    const { outOfOrder: _, ...mapping } = mappingOf('olist').document;
    const card = await bed.run({ ...mapping, name: 'strict' }, small);
    expect(card.counts).toEqual({ accepted: 4, skipped: 1, rejected: 2 });
    const events = await bed.events();
    expect(Object.keys(byKey(events)).sort()).toEqual(['m1', 'm2', 'm3', 'm4']);
    expect(events.filter(({ stream }) => stream.startsWith('identity-'))).toHaveLength(4);
    const found = await rejects(card.id);
    expect(found.filter(({ columns }) => (columns as { mql_id: string }).mql_id === 'm6')).toEqual([
      expect.objectContaining({ file: 'deals', row: 2, code: 'OUT_OF_ORDER', field: 'occurredAt' }),
      expect.objectContaining({ file: 'leads', row: 7, code: 'LEAD_REFUSED', field: null }),
    ]);
  });
});

describe('The same import again', () => {
  test('adds no event at all and answers its leads as skipped', async () => {
    const clean = { ...small, [LEADS]: small[LEADS].replace('2018-03-32', '2018-03-31') };
    const first = await bed.run('olist', clean);
    expect(first.counts).toEqual({ accepted: 6, skipped: 1, rejected: 0 });
    const before = await bed.log.head();
    const again = await bed.run('olist', clean);
    expect(again).toMatchObject({ id: first.id, status: 'finished', counts: { accepted: 0, skipped: 7, rejected: 0 } });
    expect(again.totals).toEqual(first.counts);
    const restarted = await bed.restarted().run('olist', clean);
    expect(restarted.counts).toEqual({ accepted: 0, skipped: 7, rejected: 0 });
    expect(await bed.log.head()).toBe(before);
  });

  test('tries refused rows again and adds nothing when they are refused again', async () => {
    await bed.run('olist', small);
    const before = await bed.log.head();
    const again = await bed.run('olist', small);
    expect(again).toMatchObject({ status: 'finished', counts: { accepted: 0, skipped: 6, rejected: 1 } });
    expect(await bed.log.head()).toBe(before);
    expect(await rejects(again.id)).toHaveLength(1);
  });

  test('accepts a row that was refused before once nothing stands against it', async () => {
    bed.clock.set(Date.parse('2018-03-01T00:00:00Z'));
    const future = await bed.run('olist', small);
    expect(future.counts).toEqual({ accepted: 2, skipped: 1, rejected: 4 });
    bed.clock.set(Date.parse('2018-04-01T00:00:00Z'));
    const later = await bed.run('olist', small);
    expect(later.counts).toEqual({ accepted: 3, skipped: 3, rejected: 1 });
    expect(later.totals).toEqual({ accepted: 5, skipped: 1, rejected: 1 });
    const { rows } = await bed.imports.rows(later.id, { outcome: 'rejected', from: 0, limit: 100 });
    expect(rows.map(({ rowNo }) => rowNo)).toEqual([6]);
  });

  test('under a changed mapping, or from a file in another order, finds every lead there by its external id', async () => {
    await bed.run('olist', small);
    const leadsBefore = leadsOf(await bed.events());
    const { history, ...rest } = mappingOf('olist').document;
    const changed = await bed.run({ ...rest, history: history.slice(0, 1) }, small);
    expect(changed.counts).toEqual({ accepted: 0, skipped: 6, rejected: 1 });
    const [header, ...rows] = small[LEADS].trim().split('\n');
    const turned = await bed.run('olist', { ...small, [LEADS]: [header, ...rows.reverse()].join('\n') });
    expect(turned.counts).toEqual({ accepted: 0, skipped: 6, rejected: 1 });
    const events = await bed.events();
    expect(leadsOf(events)).toEqual(leadsBefore);
    expect(events.filter(({ stream }) => stream.startsWith('identity-'))).toHaveLength(5);
  });
});

describe('An import that is interrupted', () => {
  const many = {
    [LEADS]: ['mql_id,first_contact_date,landing_page_id,origin', ...Array.from({ length: 500 }, (_, n) => `k${n},2018-02-01,p1,social`)].join('\n'),
    [DEALS]: 'mql_id,sr_id,won_date\nk7,sr1,2018-02-03\n',
  }; // prettier-ignore

  /** Goes away for good at the nth append of many: what it took before may be acknowledged or not. */
  const dying = (after: number, acknowledges: boolean): EventLog => {
    let calls = 0;
    return new Proxy<EventLog>(bed.log, {
      get(log, name: keyof EventLog) {
        const method = (log[name] as (...given: unknown[]) => unknown).bind(log);
        if (name !== 'appendMany') return method;
        return async (...given: unknown[]) => {
          const isLast = ++calls === after;
          if (calls > after) throw new Error('killed');
          const outcome = await method(...given);
          if (isLast && !acknowledges) throw new Error('killed');
          return outcome;
        };
      },
    });
  };

  test.each([
    [1, false],
    [2, true],
    [4, false],
    [7, true],
  ])(
    'by a crash at write %i (acknowledged: %s) goes on where it stopped: every lead once',
    async (after, acknowledged) => {
      await expect(bed.restarted(dying(after, acknowledged)).run('olist', many)).rejects.toThrow('killed');
      const { run } = bed.restarted();
      const card = await run('olist', many);
      const counts = { accepted: 500, skipped: 0, rejected: 0 };
      expect(card).toMatchObject({ status: 'finished', counts, totals: counts });
      const events = await bed.events();
      expect(leadsOf(events).size).toBe(500);
      expect(events.filter(({ type }) => type === 'LeadCaptured')).toHaveLength(500);
      expect(events.filter(({ type }) => type === 'ImportRowAccepted')).toHaveLength(500);
      expect(events.filter(({ type }) => type === 'DealWon')).toHaveLength(1);
    },
  );

  test('by a stop of the server goes on at the next start by itself', async () => {
    const files = Object.entries(many).map(([name, content]) => ({ name, content }));
    const first = bed.restarted();
    const { id } = await first.imports.takeAll('olist', files, IMPORTER);
    await first.imports.close();
    const second = bed.restarted();
    expect((await second.imports.card(id)).status).toBe('interrupted');
    await second.imports.resume();
    const card = await second.imports.settled(id, 60_000);
    expect(card).toMatchObject({ status: 'finished', totals: { accepted: 500 } });
    expect(leadsOf(await bed.events()).size).toBe(500);
  });

  test('by an outage of the log waits for it', async () => {
    let failures = 2;
    const flaky = new Proxy<EventLog>(bed.log, {
      get(log, name: keyof EventLog) {
        const method = (log[name] as (...given: unknown[]) => unknown).bind(log);
        if (name !== 'appendMany') return method;
        return (...given: unknown[]) =>
          failures-- > 0 ? Promise.reject(new EventLogError('STORE_UNAVAILABLE', 'away')) : method(...given);
      },
    });
    const card = await bed.restarted(flaky).run('olist', small);
    expect(card.counts).toEqual({ accepted: 5, skipped: 1, rejected: 1 });
  });
});

describe('An import with people in it', () => {
  test('seals what is personal and finds the same person by e-mail; a shared phone only makes suspect', async () => {
    const rows = [
      GENERIC,
      '1,2020-01-01,captured,Ann@Example.org,+4930123456,search,web,,,,,',
      '2,2020-01-02,captured,ann@example.org,,email,mail,,,,,',
      '3,2020-01-03,captured,bob@example.org,+4930123456,email,mail,,,,,',
      '4,2020-01-03,captured,no-address,,email,mail,,,,,',
    ].join('\n');
    const card = await bed.run('generic', { 'people.csv': rows });
    expect(card.counts).toEqual({ accepted: 2, skipped: 1, rejected: 1 });
    const events = await bed.events();
    expect(JSON.stringify(events)).not.toMatch(/ann@|bob@|123456/i);
    const leads = byKey(events);
    expect(leads['3']!.map(({ type }) => type)).toEqual(['LeadCaptured', 'DuplicateSuspected']);
    expect(leads['3']![1]!.data.candidateLeadId).toBe(leads['1']![0]!.data.leadId);
    const { rows: outcomes } = await bed.imports.rows(card.id, { from: 0, limit: 100 });
    expect(outcomes).toEqual(
      expect.arrayContaining([
        { rowNo: 2, outcome: 'skipped', reason: 'duplicate_identity', leadId: leads['1']![0]!.data.leadId },
        { rowNo: 4, outcome: 'rejected', code: 'EMAIL_INVALID', field: 'person.email' },
      ]),
    );
    const opened = await bed.commands.streams.open(leads['3']![0]!.data.leadId as string, leads['3']!);
    expect(opened[0]!.data).toMatchObject({ person: { email: 'bob@example.org' } });
  });

  test('puts a whole funnel in order and refuses a lead whose stages cannot follow each other, all or nothing', async () => {
    const rows = [
      GENERIC,
      '1,2020-01-01,captured,a@example.org,,search,web,,,,,',
      '1,2020-01-02,mql,,,,,asked for a demo,,,,',
      '1,2020-01-03,handed_off,,,,,,,,,',
      '1,2020-01-04,sal,,,,,,,,rep-1,',
      '1,2020-01-05,sql,,,,,,,,rep-1,',
      '1,2020-01-06,opportunity,,,,,,1000,EUR,rep-1,2020-03-01',
      '1,2020-02-06,won,,,,,,1200.50,EUR,rep-1,',
      '2,2020-01-01,captured,b@example.org,,search,web,,,,,',
      '2,2020-01-02,mql,,,,,,,,,',
      '2,2020-01-05,sal,,,,,,,,rep-1,',
      '2,2020-01-06,recycled,,,,,timing,,,,',
      '2,2020-02-06,mql,,,,,,,,,',
      '3,2020-01-01,captured,c@example.org,,search,web,,,,,',
      '3,2020-01-02,lost,,,,,weather,,,,',
      '4,2020-01-01,captured,d@example.org,,search,web,,,,,',
      '4,2020-01-02,lost,,,,,price,,,,',
      '4,2020-01-03,accepted,,,,,,,,,',
    ].join('\n');
    const card = await bed.run('generic', { 'funnel.csv': rows });
    const events = await bed.events();
    const leads = byKey(events);
    const path = (key: string) => leads[key]?.flatMap(({ data }) => ('toState' in data ? [data.toState] : []));
    expect(path('1')).toEqual(['LEAD', 'MQL', 'SAL', 'SQL', 'OPPORTUNITY', 'CUSTOMER']);
    expect(leads['1']!.at(-1)!.data.amount).toEqual({ amountMinor: 120050, currency: 'EUR' });
    expect(path('2')).toEqual(['LEAD', 'MQL', 'SAL', 'RECYCLED', 'MQL']);
    expect(card.counts).toEqual({ accepted: 2, skipped: 0, rejected: 2 });
    const { rows: outcomes } = await bed.imports.rows(card.id, { outcome: 'rejected', from: 0, limit: 100 });
    expect(outcomes).toEqual([
      { rowNo: 13, outcome: 'rejected', code: 'UNKNOWN_REASON_CODE', field: 'reasonCode' },
      { rowNo: 15, outcome: 'rejected', code: 'INVALID_TRANSITION' },
    ]);
    expect((await rejects(card.id)).map(({ row, code }) => [row, code])).toEqual([
      [14, 'UNKNOWN_REASON_CODE'],
      [13, 'LEAD_REFUSED'],
      [17, 'INVALID_TRANSITION'],
      [15, 'LEAD_REFUSED'],
      [16, 'LEAD_REFUSED'],
    ]);
  });
});

describe('Files of an import', () => {
  test('must be the ones announced', async () => {
    const request = { mapping: 'generic', files: [{ name: 'a.csv', sha256: '0'.repeat(64), bytes: 10 }] };
    const { id, status } = await bed.imports.create(request, IMPORTER);
    expect(status).toBe('awaiting_files');
    const upload = (text: string) => bed.imports.upload(id, 'a.csv', (async function* () { yield Buffer.from(text); })()); // prettier-ignore
    await expect(upload('0123456789')).rejects.toThrow("a.csv: the content's sha256 is");
    await expect(upload('01234567890')).rejects.toThrow('longer than the 10 bytes announced');
    await expect(bed.imports.start(id)).rejects.toThrow('a.csv has not been uploaded');
    await expect(bed.imports.upload(id, '../job.json', (async function* () {})())).rejects.toThrow('has no file');
    await expect(bed.imports.card('../../etc')).rejects.toThrow('there is no import');
  });

  test('that the mapping cannot use are refused when they are announced', async () => {
    const file = (name: string) => ({ name, sha256: '0'.repeat(64), bytes: 1 });
    const create = (names: string[]) => bed.imports.create({ mapping: 'olist', files: names.map(file) }, IMPORTER);
    await expect(create([LEADS])).rejects.toThrow('mapping olist needs a file called olist_closed_deals*.csv');
    await expect(create([LEADS, DEALS, 'x.csv'])).rejects.toThrow('mapping olist cannot use "x.csv"');
  });

  test('without a needed column fail the import, which says so', async () => {
    await expect(bed.run('generic', { 'a.csv': 'lead_id,stage\n1,captured\n' })).rejects.toThrow('a.csv: no column "occurred_at"'); // prettier-ignore
    const [card] = await bed.imports.list();
    expect(card).toMatchObject({ status: 'failed', error: 'a.csv: no column "occurred_at"' });
    expect((await bed.events()).filter(({ stream }) => stream.startsWith('importjob-'))).toEqual([]);
  });
});

const olist = new URL('../../../../../shared/data/olist/', import.meta.url);
const given = existsSync(olist) ? test : test.skip;
given(
  'Olist itself: 8,000 leads, 842 of them won, one adjusted, none refused',
  async () => {
    const read = (name: string) => readFileSync(new URL(name, olist), 'utf8');
    const contents = { [LEADS]: read(LEADS), [DEALS]: read(DEALS) };
    const card = await bed.run('olist', contents);
    expect(card).toMatchObject({ status: 'finished', counts: { accepted: 8000, skipped: 0, rejected: 0 } });
    const events = await bed.events();
    const won = events.filter(({ type }) => type === 'DealWon');
    expect(won).toHaveLength(842);
    expect(events.filter(({ data }) => data.claimedOccurredAt !== undefined)).toHaveLength(1);
    const sources = new Map<string, number>();
    for (const { type, data } of events) {
      if (type !== 'LeadCaptured') continue;
      const { code = '' } = data.source as { code?: string };
      sources.set(code, (sources.get(code) ?? 0) + 1);
    }
    expect(Object.fromEntries(sources)).toEqual({
    organic_search: 2296, paid_search: 1586, social: 1350, unknown: 1099, direct_traffic: 499, email: 493, referral: 284,
    other: 150, display: 118, other_publicities: 65, '': 60,
  }); // prettier-ignore
    const before = await bed.log.head();
    expect((await bed.run('olist', contents)).counts).toEqual({ accepted: 0, skipped: 8000, rejected: 0 });
    expect(await bed.log.head()).toBe(before);
  },
  60_000,
);
