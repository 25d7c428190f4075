import { drillLeads, type QueryContext, type ReportName, runReport } from '#libs/read-models/src/reports.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import { same } from './claims.js';
import { DAY, HOUR } from './lead-histories.js';
import type { Asked, Item, Oracle, Row } from './oracle.js';
import { spreadOf } from './plain-figures.js';
import { type Question, queryFor } from './question.js';
import { type Any, isMergedAway, type OracleLead } from './told-leads.js';

/** A report of a view beside an oracle of the same events: figures of every row and the total, and the leads behind them. */

interface Link {
  readonly link: string;
  readonly leads: readonly string[];
}

/** The answer in the oracle's words: links apart, with the leads they must list. */
function sameFigures(answer: Any, expected: Any, links: Link[], path: string): void {
  if (Array.isArray(expected)) {
    same(answer.length, expected.length, `${path}: length`);
    expected.forEach((one, index) => sameFigures(answer[index], one, links, `${path}/${index}`));
    return;
  }
  if (expected === null || typeof expected !== 'object') {
    same(answer, expected, path);
    return;
  }
  if (answer === null || typeof answer !== 'object') same(answer, expected, path);
  for (const [name, value] of Object.entries(expected)) {
    if (name === 'drilled' || (name === 'leads' && Array.isArray(value)))
      links.push({ link: answer.drill, leads: value as string[] });
    else if (name === 'denominatorLeads') links.push({ link: answer.drillDenominator, leads: value as string[] });
    else if (name === 'leadSums') {
      const { drill: _, ...sums } = answer.leads;
      same(sums, spreadOf(value as number[], HOUR), `${path}/leads`);
    } else sameFigures(answer[name], value, links, `${path}/${name}`);
  }
}

/** A link's query, as a server would read it. */
export function queryOf(link: string): Record<string, string | string[]> {
  const search = new URL(link, 'http://ledger').searchParams;
  return Object.fromEntries(
    [...new Set(search.keys())].map((name) => {
      const values = search.getAll(name);
      return [name, values.length === 1 ? (values[0] as string) : values];
    }),
  );
}

/** Local date by the platform's calendar, then cut by hand. */
export function periodLabel(ms: number, unit: string, tz: string): string {
  const date = dateOf(ms, tz);
  if (unit === 'day') return date;
  if (unit === 'month') return date.slice(0, 7);
  const day = new Date(`${date}T00:00:00Z`);
  const thursday = new Date(day.getTime() + (4 - (day.getUTCDay() || 7)) * DAY);
  const firstDay = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - firstDay) / DAY / 7) + 1;
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`;
}
const formats = new Map<string, Intl.DateTimeFormat>();
export function dateOf(ms: number, tz: string): string {
  let format = formats.get(tz);
  if (format === undefined) formats.set(tz, (format = new Intl.DateTimeFormat('sv-SE', { timeZone: tz })));
  return format.format(ms);
}

/** A history that has been folded into a view, and as a plain reader knows it. */
export interface World {
  readonly view: ReadView;
  readonly leads: readonly OracleLead[];
  readonly nowMs: number;
  readonly context: QueryContext;
}

/** Drill links followed per answer: each is a report of its own. Which ones differs from answer to answer. */
const MOST_FOLLOWED = 3;

export async function compare(
  { context, leads, nowMs, view }: World,
  name: ReportName,
  oracle: Oracle,
  asked: Question,
) {
  const query = queryFor(name, asked);
  const body: Any = await runReport(view, name, query, context);
  const plain: Asked = {
    fromMs: body.period?.from ? Date.parse(body.period.from) : null,
    toMs: body.period?.to ? Date.parse(body.period.to) : null,
    from: query.from ?? null,
    to: query.to ?? null,
    asOfMs: query.asOf === undefined ? nowMs : Date.parse(query.asOf),
    tz: asked.tz,
    by: asked.by,
    groupBy: query.groupBy ?? null,
    filter: asked.filter === null ? {} : { [asked.filter]: [asked.filter === 'owner' ? 'sam' : null] },
    choices: query,
    everybody: leads,
  };
  // Whoever was merged away is in no count, whenever asked for; only its promises are still kept or broken.
  const population = name === 'sla' ? leads : leads.filter((lead) => !isMergedAway(lead));
  const all = oracle
    .items(population, plain)
    .filter(({ dims }) => Object.entries(plain.filter).every(([dim, values]) => values.includes(dims[dim] ?? null)));
  const links: Link[] = [];
  sameFigures(body.total, oracle.figures(all, plain, null, all), links, `${name} total`);
  if (oracle.beside !== undefined) sameFigures(body, oracle.beside(population, plain), links, name);

  const rows = oracle.rows?.(all, plain) ?? rowsOf(all, plain, body.groupBy ?? null, oracle);
  const keyOf = ({ dims, period }: NonNullable<Row>): string =>
    JSON.stringify([period ?? null, ...asked.by.map((dim) => dims[dim] ?? null)]);
  const isTold = (figures: Any): boolean => oracle.isBlank?.(figures) !== true;
  const told = body.rows.filter(isTold);
  const answered = new Map<string, Any>(
    told.map((row: Any) => [keyOf({ dims: row.dimensions, period: row.dimensions.period }), row]),
  );
  const expected = new Map(
    rows
      .map(({ items, row }) => [keyOf(row as NonNullable<Row>), oracle.figures(items, plain, row, all)] as const)
      .filter(([, figures]) => isTold(figures)),
  );
  same([...answered.keys()].sort(), [...expected.keys()].sort(), `${name} rows ${JSON.stringify(query)}`);
  same(told.length, answered.size, `${name}: rows told once`);
  for (const [key, figures] of expected) sameFigures(answered.get(key), figures, links, `${name} ${key}`);

  const stride = Math.ceil(links.length / MOST_FOLLOWED);
  const first = (plain.asOfMs + leads.length + name.length) % Math.max(1, stride);
  for (let index = first; index < links.length; index += stride) {
    const { leads: expectedLeads, link } = links[index] as Link;
    same(await drillLeads(view, queryOf(link), context), expectedLeads, link);
  }
}

function rowsOf(all: readonly Item[], asked: Asked, unit: string | null, oracle: Oracle) {
  if (asked.by.length === 0 && unit === null) return [];
  const rows = new Map<string, { row: NonNullable<Row>; items: Item[] }>();
  const of = (dims: Item['dims'], atMs: number) => {
    const own = Object.fromEntries(asked.by.map((name) => [name, dims[name] ?? null]));
    const row = { dims: own, ...(unit === null ? {} : { period: periodLabel(atMs, unit, asked.tz) }) };
    const key = JSON.stringify(row);
    const found = rows.get(key) ?? { row, items: [] };
    rows.set(key, found);
    return found;
  };
  for (const item of all) of(item.dims, item.atMs).items.push(item);
  for (const atMs of oracle.filled?.(all, asked) ?? []) of({}, atMs);
  return [...rows.values()];
}
