import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { bulkEventSchemas } from '#apps/api/src/bulk/bulk-events.js';
import { routes } from '#apps/api/src/openapi/routes.js';
import { whatIfEventSchemas } from '#apps/api/src/whatif/what-if-events.js';
import { accountCommandSchemas, campaignCommandSchemas } from '#libs/account/src/account-commands.js';
import { accountEventSchemas } from '#libs/account/src/account-events.js';
import { campaignEventSchemas } from '#libs/account/src/campaign.js';
import { ALERT_CONDITIONS } from '#libs/alert/src/alert-conditions.js';
import { alertEventSchemas } from '#libs/alert/src/alert.js';
import { reviewCommandSchemas, reviewEventSchemas } from '#libs/alert/src/review.js';
import { jobEventSchemas } from '#libs/import/src/job-stream.js';
import { leadCommandSchemas } from '#libs/lead/src/commands.js';
import { HTTP_STATUS } from '#libs/lead/src/errors.js';
import { clockType, leadEventSchemas } from '#libs/lead/src/events.js';
import { LEAD_STATES } from '#libs/lead/src/states.js';
import { PLATFORM_STATUS } from '#libs/platform/src/problem.js';
import { defaultPipeline } from '#libs/policy/src/defaults.js';
import { configEventSchemas } from '#libs/policy/src/documents.js';
import { ENGAGEMENT_POLICIES } from '#libs/policy/src/engagement.js';
import { POLICY_STATUS } from '#libs/policy/src/errors.js';
import { DIMENSIONS } from '#libs/read-models/src/dimensions.js';
import { REPORT_NAMES } from '#libs/read-models/src/reports.js';
import { scoringEventSchemas, scoringModelDocument } from '#libs/scoring/src/model.js';

/** `docs/coverage.md` promises what the code base has: every name in it is looked up, none may be made up or out of date. */

const ROWS_OF = { '000': 46, '001': 50, '002': 57, '003': 160, '004': 60 } as const;

const commands = {
  ...leadCommandSchemas,
  ...accountCommandSchemas,
  ...campaignCommandSchemas,
  ...reviewCommandSchemas,
};
const events = {
  ...leadEventSchemas,
  ...configEventSchemas,
  ...accountEventSchemas,
  ...campaignEventSchemas,
  ...alertEventSchemas,
  ...reviewEventSchemas,
  ...jobEventSchemas,
  ...bulkEventSchemas,
  ...whatIfEventSchemas,
  ...scoringEventSchemas,
};

/** Names of fields and closed values, as deep as schemas go; fields also by command or event. */
const fields = new Set<string>();
const fieldsOf = new Map<string, Set<string>>();
const codes = new Set<string>([
  ...Object.values(defaultPipeline.reasonCodes).flatMap((reasons) => reasons.map(({ code }) => code)),
  ...defaultPipeline.dealStages.map(({ code }) => code),
  ...defaultPipeline.skipRules,
]);
function collect(schema: unknown, own: Set<string>): void {
  if (Array.isArray(schema)) return schema.forEach((one) => collect(one, own));
  if (schema === null || typeof schema !== 'object') return;
  const { const: only, enum: values = [], properties = {} } = schema as Record<string, never>;
  for (const name of Object.keys(properties)) own.add(name);
  for (const value of [only, ...(values as unknown[])]) if (typeof value === 'string') codes.add(value);
  for (const part of Object.values(schema)) collect(part, own);
}
for (const [name, schema] of Object.entries({ ...commands, ...events, model: scoringModelDocument })) {
  const own = new Set<string>();
  collect(z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' }), own);
  fieldsOf.set(name, own);
  for (const field of own) fields.add(field);
}

const KINDS: Readonly<Record<string, ReadonlySet<string>>> = {
  report: new Set(REPORT_NAMES),
  alert: new Set(Object.keys(ALERT_CONDITIONS)),
  clock: new Set(clockType.options),
  dimension: new Set(DIMENSIONS),
  field: fields,
  code: codes,
};
const upperCase = new Set<string>([
  ...Object.keys({ ...HTTP_STATUS, ...POLICY_STATUS, ...PLATFORM_STATUS }),
  ...LEAD_STATES,
  ...ENGAGEMENT_POLICIES,
]);
const paths = new Set(routes.map(({ path }) => path));

/** Whether there is such a thing; told by its shape. */
function exists(name: string): boolean {
  if (/^(apps|libs|test|docs|bin)\//.test(name)) return existsSync(name);
  if (name.startsWith('/')) return paths.has(name);
  if (/^[A-Z][A-Z_]+$|^EP-\d+$/.test(name)) return upperCase.has(name);
  return Object.hasOwn(commands, name) || Object.hasOwn(events, name);
}

/** Names in a cell that stand for nothing. `reports a, b`: names of that kind; all others by their shape. */
function unknownNames(cell: string): string[] {
  const unknown: string[] = [];
  const rest = cell.replaceAll(/\b(report|alert|clock|dimension|field|code)s? ((?:`[^`]+`(?:, | and )?)+)/g, (_, kind: string, list: string) => {
    for (const [, name = ''] of list.matchAll(/`([^`]+)`/g)) {
      // A list of one kind may run into names of another shape.
      if (KINDS[kind]?.has(name) !== true && !exists(name)) unknown.push(`${kind} ${name}`);
    }
    return '';
  }); // prettier-ignore
  for (const [, name = ''] of rest.matchAll(/`([^`]+)`/g)) if (!exists(name)) unknown.push(name);
  for (const [, list = '', owner = ''] of cell.matchAll(/\bfields? ((?:`[^`]+`(?:, )?)+) of `([A-Z]\w+)`/g)) {
    for (const [, name = ''] of list.matchAll(/`([^`]+)`/g))
      if (fieldsOf.get(owner)?.has(name) === false) unknown.push(`field ${name} of ${owner}`);
  }
  return unknown;
}

interface Row {
  readonly seed: string;
  readonly number: number;
  readonly statement: string;
  readonly status: string;
  readonly madeRealBy: string;
}
interface Example {
  readonly section: string;
  readonly file: string;
  readonly marker: string;
}

const [requirements = '', examples = ''] = readFileSync('docs/coverage.md', 'utf8').split('\n## Worked examples');
const cellsOf = (text: string): string[][] =>
  text.split('\n').flatMap((line) => (/^\| (\d|§)/.test(line) ? [line.split('|').slice(1, -1).map((cell) => cell.trim())] : [])); // prettier-ignore
const rows: Row[] = requirements
  .split('\n## ')
  .slice(1)
  .flatMap((section) =>
    cellsOf(section).map(([number = '', statement = '', status = '', madeRealBy = '']) => ({
      seed: section.slice(0, 3),
      number: Number(number),
      statement,
      status,
      madeRealBy,
    })),
  );
const exampleRows: Example[] = cellsOf(examples).map(([section = '', , file = '', marker = '']) => ({
  section,
  file: file.replaceAll('`', ''),
  marker,
}));

describe('the requirements and what makes them real', () => {
  it('are all there, in order', () => {
    for (const [seed, count] of Object.entries(ROWS_OF)) {
      const numbers = rows.filter((row) => row.seed === seed).map(({ number }) => number);
      expect({ seed, numbers }).toEqual({ seed, numbers: Array.from({ length: count }, (_, n) => n + 1) });
    }
    expect(rows).toHaveLength(373);
  });

  it('are told in a few words each', () => {
    expect(rows.filter(({ statement }) => statement === '' || statement.split(' ').length > 12)).toEqual([]);
  });

  it('are done by something with a name, or say what is missing', () => {
    const vague = rows.filter(({ madeRealBy, status }) => {
      if (status === 'done') return !madeRealBy.includes('`');
      return !(status === 'not yet' || status === 'not ours') || !/Missing: |Left out: /.test(madeRealBy);
    });
    expect(vague).toEqual([]);
  });

  it('name nothing that is not there', () => {
    const wrong = rows.flatMap(({ madeRealBy, number, seed }) =>
      unknownNames(madeRealBy).map((name) => `${seed} ${number}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('are counted as the page says', () => {
    for (const status of ['done', 'not yet', 'not ours']) {
      const count = rows.filter((row) => row.status === status).length;
      expect(requirements).toContain(`${count} ${status}`);
    }
  });

  it('would not pass with names that are made up', () => {
    const planted =
      'report `weather`, alert `rain`, `DanceWithLead`, `NOT_A_CODE`, `libs/lead/src/no.ts`, `/v1/nowhere`, field `shoeSize`, field `amount` of `MarkMQL`';
    expect(unknownNames(planted)).toHaveLength(8);
  });
});

describe('the worked examples of the specification', () => {
  it('are listed for every metric', () => {
    const sections = new Set(exampleRows.map(({ section }) => section));
    const metrics = Array.from({ length: 32 }, (_, n) => `§7.${n + 1}`);
    expect([...metrics, '§5.3', '§5.6', '§5.7', '§6.3', '§7.0'].filter((section) => !sections.has(section))).toEqual(
      [],
    );
  });

  it('are each computed by a test that says so', () => {
    for (const { file, marker, section } of exampleRows) {
      const told = file === 'not yet' ? marker.startsWith('Missing: ') : readFileSync(file, 'utf8').includes(marker);
      expect({ section, marker, told }).toEqual({ section, marker, told: true });
    }
  });
});
