import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { joinFiles, type Joined } from './join.js';
import { isRefusal, leadHistory } from './lead-history.js';
import { compileMapping, fileNameMatches, type Mapping, type MappingDocument } from './mapping.js';
import { mappingOf, shippedMappings } from './mappings.js';
import type { SourceFile } from './source-file.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'import-mapping-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const document = (changes: Partial<MappingDocument> = {}): MappingDocument => ({
  schema: 'lead-import/1',
  name: 'test',
  files: { people: { match: '*.csv', key: 'id' } },
  primary: 'people',
  lead: { system: 'crm', capturedAt: { $column: 'seen' }, body: { source: { code: { $column: 'origin' } } } },
  history: [],
  ...changes,
});

async function sources(mapping: Mapping, contents: Record<string, string>, extension = 'csv'): Promise<SourceFile[]> {
  return Promise.all(
    Object.entries(contents).map(async ([file, content]) => {
      const path = join(directory, `${file}.${extension}`);
      await writeFile(path, content);
      const requiredColumns = mapping.requiredColumns.get(file)!;
      return { file, name: `${file}.${extension}`, path, bytes: Buffer.byteLength(content), spec: mapping.files.get(file)!, requiredColumns }; // prettier-ignore
    }),
  );
}

async function joined(
  mapping: Mapping,
  contents: Record<string, string>,
  extension = 'csv',
  heldBytes?: number,
): Promise<Joined[]> {
  const found: Joined[] = [];
  const files = await sources(mapping, contents, extension);
  for await (const it of joinFiles(mapping, files, join(directory, 'spool'), heldBytes)) found.push(it);
  return found;
}

const DEFAULTS = new Set(['externalIds', 'captureMethod', 'leadType']);
const withoutDefaults = (body: object): object =>
  Object.fromEntries(Object.entries(body).filter(([member]) => !DEFAULTS.has(member)));

/** Commands of each lead as [name, occurredAt, rest of the body], or the refusal as [code, field, row]; strays likewise. */
async function histories(
  mapping: Mapping,
  contents: Record<string, string>,
  extension = 'csv',
): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const it of await joined(mapping, contents, extension)) {
    if (it.kind === 'stray') {
      found[`stray ${it.record.file} ${it.record.rowNo}`] = [it.code, it.field];
      continue;
    }
    const made = leadHistory(mapping, it.lead);
    found[it.lead.key] = isRefusal(made)
      ? [made.code, made.field, made.record.rowNo]
      : made.commands.map(({ name, body: { occurredAt, ...body } }) => [name, occurredAt, withoutDefaults(body)]); // prettier-ignore
  }
  return found;
}

describe('A mapping document', () => {
  test.each([
    ['an unknown member', { colour: 'red' }, /Unrecognized key: "colour"/],
    ['a primary file that is not there', { primary: 'deals' }, /^primary: no file "deals"/],
    ['an unknown command', { history: [{ command: 'Fly', at: { $column: 'x' } }] }, /^history\.0\.command: no command "Fly"/],
    ['a capture among the history', { history: [{ command: 'CaptureLead', at: { $column: 'x' } }] }, /described by `lead`/],
    ['a field that the command does not have', { history: [{ command: 'WinDeal', at: { $column: 'x' }, body: { prize: 1 } }] }, /^history\.0\.body\.prize: WinDeal has no such field/],
    ['a file that is not there', { history: [{ command: 'WinDeal', each: 'deals', at: { $column: 'x' } }] }, /^history\.0\.each: no file "deals"/],
    ['a table that is not there', { lead: { system: 'crm', capturedAt: { $column: 'seen' }, body: { role: { $column: 'r', map: 'roles' } } } }, /^lead\.body\.role\.map: no table "roles"/],
    ['an expression that is not there', { lead: { system: 'crm', capturedAt: { $column: 'seen' }, body: { role: { $colum: 'r' } } } }, /^lead\.body\.role\.\$colum: no such expression/],
    ['an unknown time zone', { defaults: { timeZone: 'Mars/Olympus' } }, /^lead\.capturedAt: .*Mars/i],
    ['a time format without a year', { defaults: { timeFormat: 'dd.MM.' } }, /^lead\.capturedAt: time format "dd\.MM\." needs yyyy/],
    ['a predicate that says two things', { checks: [{ column: 'x', present: true, equals: 'y' }] }, /^checks\.0: say exactly one/],
  ])('with %s is refused, naming the place and the rule', (_, changes, message) => {
    expect(() => compileMapping(document(changes as never))).toThrow(message);
  }); // prettier-ignore

  test('means the same whatever its name, description and order of members', () => {
    const { files, primary, ...rest } = document();
    const one = compileMapping({ ...rest, primary, files, name: 'other', description: 'words' });
    expect(one.digest).toBe(compileMapping(document()).digest);
    expect(compileMapping(document({ outOfOrder: 'clamp' })).digest).not.toBe(one.digest);
  });

  test('ships as generic and olist, both valid', () => {
    expect(shippedMappings().map((name) => mappingOf(name).name)).toEqual(['generic', 'olist']);
    expect(() => mappingOf('salesforce')).toThrow('no mapping "salesforce"; there are generic, olist');
  });

  test('finds its files by pattern, without case and without reading dots as anything', () => {
    expect(fileNameMatches('olist_*.csv', 'Olist_Closed_Deals.CSV')).toBe(true);
    expect(fileNameMatches('olist_*.csv', 'olist_closed-csv')).toBe(false);
  });
});

describe('Cells', () => {
  const typed = (body: object) => compileMapping(document({ lead: { system: 'crm', capturedAt: { $column: 'seen' }, body: body as never } })); // prettier-ignore

  test('that are blank leave their member out, and objects left empty too', async () => {
    const mapping = typed({ person: { email: { $column: 'mail' } }, jobTitle: { $column: 'job', default: 'none' } });
    expect(await histories(mapping, { people: 'id,seen,mail,job\n1,2020-01-02,,\n2,2020-01-02, a@b.org ,\n' })).toEqual(
      {
        1: [['CaptureLead', '2020-01-02T00:00:00.000Z', { jobTitle: 'none' }]],
        2: [['CaptureLead', '2020-01-02T00:00:00.000Z', { jobTitle: 'none', person: { email: 'a@b.org' } }]],
      },
    );
  });

  test('are translated by a table, without case; what it does not know is refused, dropped or kept as asked', async () => {
    const map = { 'Organic Search': 'search' };
    const body = {
      source: {
        channel: { $column: 'a', map },
        campaignId: { $column: 'b', map, otherwise: 'drop' },
        code: { $column: 'b', map, otherwise: 'keep' },
      },
    };
    expect(
      await histories(typed(body), { people: 'id,seen,a,b\n1,2020-01-02,organic search,x\n2,2020-01-02,tv,x\n' }),
    ).toEqual({
      1: [['CaptureLead', '2020-01-02T00:00:00.000Z', { source: { channel: 'search', code: 'x' } }]],
      2: ['VALIDATION_FAILED', 'a', 2],
    });
  });

  test('with money are exact in the currency they are in', async () => {
    const money = { amount: { $column: 'sum' }, currency: { $column: 'cur' } };
    const mapping = compileMapping(
      document({ history: [{ command: 'WinDeal', at: { $column: 'seen' }, body: { amount: { $money: money } } }] }),
    );
    const rows = 'id,seen,origin,sum,cur\n1,2020-01-02,,19.99,EUR\n2,2020-01-02,,1200,JPY\n3,2020-01-02,,1.2345,KWD\n4,2020-01-02,,5,\n5,2020-01-02,,,\n6,2020-01-02,,4503599627370.49,EUR\n7,2020-01-02,,1.230,KWD\n'; // prettier-ignore
    const found = await histories(mapping, { people: rows });
    const won = (amount: object | undefined) => expect.arrayContaining([['WinDeal', '2020-01-02T00:00:00.000Z', amount === undefined ? {} : { amount }]]); // prettier-ignore
    expect(found).toEqual({
      1: won({ amountMinor: 1999, currency: 'EUR' }),
      2: won({ amountMinor: 1200, currency: 'JPY' }),
      3: ['VALIDATION_FAILED', 'sum', 3],
      4: ['VALIDATION_FAILED', 'cur', 4],
      5: won(undefined),
      6: won({ amountMinor: 450359962737049, currency: 'EUR' }),
      7: won({ amountMinor: 1230, currency: 'KWD' }),
    });
  });

  test.each([
    ['iso', 'UTC', '2018-02-26 19:58:54', '2018-02-26T19:58:54.000Z'],
    ['iso', 'UTC', '2018-02-26T19:58:54.1+02:30', '2018-02-26T17:28:54.100Z'],
    ['iso', 'America/Sao_Paulo', '2018-02-26', '2018-02-26T03:00:00.000Z'],
    ['iso', 'Europe/Paris', '2018-03-25 02:30', '2018-03-25T01:30:00.000Z'],
    ['dd/MM/yyyy HH:mm', 'Europe/Paris', '7/3/2018 09:05', '2018-03-07T08:05:00.000Z'],
    ['epoch_s', 'UTC', '1519675134', '2018-02-26T19:58:54.000Z'],
    ['epoch_ms', 'UTC', '1519675134001', '2018-02-26T19:58:54.001Z'],
    ['iso', 'UTC', '2018-02-30', null],
    ['iso', 'UTC', '26.02.2018', null],
    ['dd/MM/yyyy', 'UTC', '13/13/2018', null],
  ])('with a time in format %s and zone %s read %s as %s', async (timeFormat, timeZone, text, expected) => {
    const mapping = compileMapping(document({ defaults: { timeFormat, timeZone } }));
    const found = await histories(mapping, { people: `id,seen,origin\n1,${text},x\n` });
    expect(found).toEqual({
      1: expected === null ? ['VALIDATION_FAILED', 'seen', 1] : [['CaptureLead', expected, { source: { code: 'x' } }]],
    });
  });
});

describe('The olist mapping', () => {
  const leads = `mql_id,first_contact_date,landing_page_id,origin
a,2018-02-01,page1,social
b,2017-10-20,page2,
c,2018-03-22,page1,unknown
c,2018-03-23,page1,email
,2018-03-24,page1,email
d,,page1,email
e,2018-03-24,page1
`;
  const deals = `mql_id,seller_id,sdr_id,sr_id,won_date,business_segment
a,s1,sdr1,sr9,2018-02-26 19:58:54,pet
x,s2,sdr1,sr9,2018-02-26 19:58:54,pet
`;

  test('makes a capture and a mark of every row, and a win with its owner of those in the deals file', async () => {
    const found = await histories(mappingOf('olist'), { leads, deals });
    const reason = expect.any(String);
    const interest = { kind: 'active', request: 'contact' };
    expect(found).toEqual({
      a: [
        ['CaptureLead', '2018-02-01T00:00:00.000Z', { interest, source: { code: 'social', channel: 'social', formId: 'page1' } }],
        ['MarkMQL', '2018-02-01T00:00:00.000Z', { reason }],
        ['AssignOwner', '2018-02-26T19:58:54.000Z', { ownerId: 'sr9', teamId: 'sales' }],
        ['WinDeal', '2018-02-26T19:58:54.000Z', {}],
      ],
      b: [
        ['CaptureLead', '2017-10-20T00:00:00.000Z', { interest, source: { formId: 'page2' } }],
        ['MarkMQL', '2017-10-20T00:00:00.000Z', { reason }],
      ],
      c: [
        ['CaptureLead', '2018-03-23T00:00:00.000Z', { interest, source: { code: 'email', channel: 'email', formId: 'page1' } }],
        ['MarkMQL', '2018-03-23T00:00:00.000Z', { reason }],
      ],
      d: ['VALIDATION_FAILED', 'first_contact_date', 6],
      e: ['ROW_MALFORMED', undefined, 7],
      'stray leads 5': ['VALIDATION_FAILED', 'mql_id'],
      'stray deals 2': ['ROW_WITHOUT_LEAD', 'mql_id'],
    }); // prettier-ignore
  });

  test('tells the second row of a lead as a repetition', async () => {
    const found = await joined(mappingOf('olist'), { leads, deals });
    expect(found.flatMap((it) => (it.kind === 'lead' && it.lead.repeated ? [it.lead.key] : []))).toEqual(['c']);
  });
});

describe('The generic mapping', () => {
  test('gathers the rows of a lead wherever they stand and orders them by time', async () => {
    const rows = `lead_id,occurred_at,stage,email,source,reason,amount,currency,owner
2,2020-02-01,captured,,fair,,,,
1,2020-01-05T10:00:00Z,won,,,,100.50,EUR,rep1
1,2020-01-01T10:00:00Z,LEAD,a@b.org,web,,,,
1,2020-01-02T10:00:00Z,mql,,,asked,,,rep1
2,2020-02-02,nonsense,,,,,,
`;
    expect(await histories(mappingOf('generic'), { rows })).toEqual({
      1: [
        ['CaptureLead', '2020-01-01T10:00:00.000Z', { person: { email: 'a@b.org' }, source: { code: 'web' }, interest: { kind: 'passive' } }],
        ['AssignOwner', '2020-01-02T10:00:00.000Z', { ownerId: 'rep1' }],
        ['MarkMQL', '2020-01-02T10:00:00.000Z', { reason: 'asked' }],
        ['AssignOwner', '2020-01-05T10:00:00.000Z', { ownerId: 'rep1' }],
        ['WinDeal', '2020-01-05T10:00:00.000Z', { amount: { amountMinor: 10050, currency: 'EUR' } }],
      ],
      2: ['VALIDATION_FAILED', 'stage', 5],
    }); // prettier-ignore
  });

  test('reads a file written newest first from its end when days have no times', async () => {
    const rows = `lead_id,occurred_at,stage,reason
1,2020-01-03,lost,price
1,2020-01-02,recycled,timing
1,2020-01-02,mql,x
1,2020-01-01,captured,
`;
    const found = (await histories(mappingOf('generic'), { rows })) as Record<string, string[][]>;
    expect(found['1']!.map(([name]) => name)).toEqual(['CaptureLead', 'MarkMQL', 'RecycleLead', 'LoseDeal']);
  });

  test('reads NDJSON, nested or flat, and refuses lines that are none', async () => {
    const rows = '{"lead_id":1,"occurred_at":"2020-01-01","stage":"captured","email":"a@b.org"}\nno\n[]\n{"lead_id":2,"occurred_at":"2020-01-01","stage":"captured","email":"\\ud800"}\n'; // prettier-ignore
    expect(await histories(mappingOf('generic'), { rows }, 'ndjson')).toEqual({
      1: [['CaptureLead', '2020-01-01T00:00:00.000Z', { person: { email: 'a@b.org' }, interest: { kind: 'passive' } }]],
      2: ['ROW_MALFORMED', undefined, 4],
      'stray rows 2': ['ROW_MALFORMED', undefined],
      'stray rows 3': ['ROW_MALFORMED', undefined],
    });
  });
});

describe('Files', () => {
  test('with a byte order mark, quotes, line breaks in quotes and CRLF are read as they are meant', async () => {
    const content = '\uFEFFid,seen,origin\r\n1,2020-01-02,"a ""b"",\r\nc"\r\n\r\n2,2020-01-02,x"y\r\n';
    expect(await histories(compileMapping(document()), { people: content })).toEqual({
      1: [['CaptureLead', '2020-01-02T00:00:00.000Z', { source: { code: 'a "b",\r\nc' } }]],
      2: [['CaptureLead', '2020-01-02T00:00:00.000Z', { source: { code: 'x"y' } }]],
    });
  });

  test('without a needed column, or with one twice, are refused by name', async () => {
    const mapping = compileMapping(document());
    await expect(histories(mapping, { people: 'id;seen;origin\n' })).rejects.toThrow('people.csv: no column "id", "seen", "origin" (is the delimiter another one?)'); // prettier-ignore
    await expect(histories(mapping, { people: 'id,seen,origin,ID\n' })).rejects.toThrow('people.csv: two columns "ID"');
    await expect(histories(mapping, { people: '' })).rejects.toThrow('people.csv: no header line');
  });

  test('in another encoding than the mapping says are refused row by row', async () => {
    const mapping = compileMapping(document());
    const files = await sources(mapping, { people: '' });
    await writeFile(files[0]!.path, Buffer.from('id,seen,origin\n1,2020-01-02,Köln\n2,2020-01-02,Bonn\n', 'latin1'));
    const codes: unknown[] = [];
    for await (const it of joinFiles(mapping, files, directory))
      if (it.kind === 'lead') codes.push([it.lead.key, isRefusal(leadHistory(mapping, it.lead))]);
    expect(codes).toEqual([['1', true], ['2', false]]); // prettier-ignore
  });

  test('larger than may be held are joined part by part with the same outcome, and leave nothing behind', async () => {
    const leads = ['mql_id,first_contact_date,landing_page_id,origin'];
    const deals = ['mql_id,sr_id,won_date'];
    for (let n = 0; n < 500; n++) {
      leads.push(`k${n},2018-01-01,p,"line\u2028 ${n}"`);
      if (n % 3 === 0) deals.push(`k${n + (n % 9 === 0 ? 1000 : 0)},sr,2018-02-01`);
    }
    const contents = { leads: leads.join('\n'), deals: deals.join('\n') };
    const mapping = mappingOf('olist');
    const byKey = (all: Joined[]): string[] =>
      all.map((it) => (it.kind === 'lead' ? `${it.lead.key} ${it.lead.records.get('deals')?.length ?? 0} ${it.lead.records.get('leads')![0]!.cells[3]}` : `${it.code} ${it.record.rowNo}`)).sort(); // prettier-ignore
    const whole = byKey(await joined(mapping, contents));
    expect(byKey(await joined(mapping, contents, 'csv', 1000))).toEqual(whole);
    expect(whole).toHaveLength(500 + 56);
    expect(await readdir(directory)).not.toContain('spool');
  });
});
