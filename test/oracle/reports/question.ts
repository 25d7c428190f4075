import fc from 'fast-check';
import type { ReportName } from '#libs/read-models/src/reports.js';
import { BEGIN, DAY, HOUR, iso } from './lead-histories.js';
import { HORIZON_MS } from './path-oracles.js';

/** A random question about a random history; each report takes of it what it understands. */
export const question = fc.record({
  from: fc.option(fc.integer({ min: -2, max: 60 }), { nil: null, freq: 2 }),
  days: fc.option(fc.integer({ min: 1, max: 40 }), { nil: null, freq: 2 }),
  asOf: fc.option(fc.integer({ min: -1, max: 80 * 24 }), { nil: null, freq: 2 }),
  tz: fc.constantFrom('UTC', 'Europe/Berlin', 'America/Sao_Paulo', 'Asia/Kolkata'),
  by: fc.subarray(['source', 'campaign', 'team', 'owner', 'basis', 'leadType', 'country', 'persona', 'icpResult'], {
    maxLength: 2,
  }),
  groupBy: fc.constantFrom(null, null, 'month', 'week', 'day'),
  mode: fc.constantFrom('reached', 'strict'),
  basis: fc.constantFrom('lead', 'cycle'),
  flowBasis: fc.constantFrom('lead', 'cycle', 'visit'),
  duration: fc.constantFrom('gross', 'active'),
  start: fc.constantFrom('interaction', 'cycle', 'sql', 'opportunity'),
  filter: fc.constantFrom(null, null, 'source', 'owner'),
  model: fc.constantFrom('first', 'last', 'linear'),
  label: fc.constantFrom('accepted', 'sql', 'won'),
  horizonDays: fc.constantFrom(null, '3', '20'),
  /** Month, quarter or year that something is to be won in. */
  targeted: fc.constantFrom(null, null, '2018-04-01 2018-05-01', '2018-04-01 2018-07-01', '2018-01-01 2019-01-01'),
  target: fc.constantFrom(null, null, '2500'),
  currency: fc.constantFrom(null, null, 'EUR'),
  marketFactor: fc.constantFrom(null, null, '0.95'),
});
export type Question = typeof question extends fc.Arbitrary<infer T> ? T : never;

type Parameter = keyof Question | 'period';

/** What a report is asked beside the local time, asOf, dimensions and filters. */
const UNDERSTANDS: Readonly<Partial<Record<ReportName, readonly Parameter[]>>> = {
  stock: [],
  funnel: ['period', 'groupBy', 'mode', 'basis'],
  leak: ['period', 'groupBy', 'mode', 'basis'],
  returns: ['period', 'groupBy', 'basis'],
  recycling: ['period', 'groupBy', 'basis', 'horizonDays'],
  flow: ['period', 'groupBy', 'mode', 'flowBasis'],
  'stage-durations': ['period', 'groupBy', 'duration'],
  'sales-cycle': ['period', 'groupBy', 'start'],
  'sal-effect': ['period', 'groupBy', 'start'],
  attribution: ['period', 'model'],
  'contact-effort': ['period', 'groupBy'],
  continuity: ['period'],
  'data-quality': [],
  'score-quality': ['period', 'label', 'horizonDays'],
  coverage: ['period', 'targeted', 'target', 'currency', 'marketFactor'],
  'required-opportunities': ['period', 'targeted', 'target', 'currency'],
  bottlenecks: ['currency'],
  balance: ['period', 'groupBy', 'currency'],
  'forecast-accuracy': ['period', 'groupBy', 'currency'],
};
const USUAL: readonly Parameter[] = ['period', 'groupBy'];
/** Of these it is always asked: they answer for a period, or for now, only. */
const NEEDS_PERIOD: ReadonlySet<ReportName> = new Set<ReportName>(['forecast-accuracy']);
const ANSWERS_FOR_NOW: ReadonlySet<ReportName> = new Set<ReportName>(['data-quality']);

export function queryFor(name: ReportName, asked: Question): Record<string, string> {
  const understands = UNDERSTANDS[name] ?? USUAL;
  const query: Record<string, string> = { tz: asked.tz };
  const set = (parameter: string, value: string | null): void => {
    if (value !== null) query[parameter] = value;
  };
  const day = (offset: number): string => iso(BEGIN + offset * DAY).slice(0, 10);
  for (const parameter of understands) {
    if (parameter === 'period') {
      const needed = NEEDS_PERIOD.has(name);
      const from = asked.from ?? (needed ? 5 : null);
      const days = asked.days ?? (needed ? 50 : null);
      if (from !== null) query.from = day(from);
      if (days !== null) query.to = day((from ?? 0) + days);
    } else if (parameter === 'targeted') {
      if (asked.targeted !== null) [query.from, query.to] = asked.targeted.split(' ') as [string, string];
    } else if (parameter === 'flowBasis') set('basis', asked.flowBasis);
    else if (parameter === 'horizonDays' && name === 'recycling') set('horizonDays', String(HORIZON_MS / DAY));
    else set(parameter, asked[parameter] as string | null);
  }
  if (asked.asOf !== null && !ANSWERS_FOR_NOW.has(name)) query.asOf = iso(BEGIN + asked.asOf * HOUR);
  if (asked.by.length > 0) query.by = asked.by.join(',');
  if (asked.filter !== null) query[`filter[${asked.filter}]`] = asked.filter === 'owner' ? 'sam' : '';
  return query;
}
