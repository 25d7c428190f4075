import { z } from 'zod';
import { acceptanceParams } from '#libs/read-models/src/acceptance.js';
import { attributionParams } from '#libs/read-models/src/attribution.js';
import { auditParams } from '#libs/read-models/src/audit.js';
import { balanceParams } from '#libs/read-models/src/balance.js';
import { bottlenecksParams } from '#libs/read-models/src/bottlenecks.js';
import { challengesParams } from '#libs/read-models/src/challenges.js';
import { contactEffortParams } from '#libs/read-models/src/contact-effort.js';
import { continuityParams } from '#libs/read-models/src/continuity.js';
import { coverageParams } from '#libs/read-models/src/coverage.js';
import { dataQualityParams } from '#libs/read-models/src/data-quality.js';
import { dealListParams } from '#libs/read-models/src/deal-list.js';
import { DIMENSION_VALUES, DIMENSIONS } from '#libs/read-models/src/dimensions.js';
import { duplicatesParams } from '#libs/read-models/src/duplicates.js';
import { flowParams } from '#libs/read-models/src/flow.js';
import { forecastAccuracyParams } from '#libs/read-models/src/forecast-accuracy.js';
import { forecastParams } from '#libs/read-models/src/forecast.js';
import { funnelParams } from '#libs/read-models/src/funnel.js';
import { healthParams } from '#libs/read-models/src/health.js';
import { leadListParams } from '#libs/read-models/src/lead-list.js';
import { leakParams } from '#libs/read-models/src/leak.js';
import { lossReasonsParams } from '#libs/read-models/src/loss-reasons.js';
import { prospectsParams } from '#libs/read-models/src/prospects.js';
import { qualifiedParams } from '#libs/read-models/src/qualified.js';
import { recyclingParams } from '#libs/read-models/src/recycling.js';
import { queueParams } from '#libs/read-models/src/queue.js';
import type { ParamSpec } from '#libs/read-models/src/report-params.js';
import { requiredOpportunitiesParams } from '#libs/read-models/src/required-opportunities.js';
import { returnsParams } from '#libs/read-models/src/returns.js';
import { revenueParams } from '#libs/read-models/src/revenue.js';
import { salEffectParams } from '#libs/read-models/src/sal-effect.js';
import { salesCycleParams } from '#libs/read-models/src/sales-cycle.js';
import { scoreQualityParams } from '#libs/read-models/src/score-quality.js';
import { breachesParams, runningClocksParams, slaParams } from '#libs/read-models/src/sla.js';
import { stageBenchmarksParams } from '#libs/read-models/src/stage-benchmarks.js';
import { stageDurationsParams } from '#libs/read-models/src/stage-durations.js';
import { staleParams } from '#libs/read-models/src/stale.js';
import { stockParams } from '#libs/read-models/src/stock.js';
import { velocityParams } from '#libs/read-models/src/velocity.js';
import { winRateParams } from '#libs/read-models/src/win-rate.js';
import { after, leadId } from '../query-fields.js';
import { scoreAnswer } from '../leads/lead-score.js';
import { cardQuery, scoreQuery, timelineQuery } from '../leads/leads.controller.js';
import type { Route } from './route.js';

const moment = z.string().optional();
const marker = moment.describe('A date or instant inside the period: figures before and after it, too');

const comparison = {
  compareAsOf: moment.describe(
    'A second `asOf`: `compared` has the figures of that instant, `difference` how far these are from them',
  ),
  compareKnownAt: moment.describe('A second `knownAt`, likewise'),
};

/** The query of a report as its own parameters say it (libs/read-models/src/report-params.ts reads it). */
export function queryOf(spec: ParamSpec): z.ZodObject {
  const fields: Record<string, z.ZodType> = {
    asOf: moment.describe('Date or instant the figures are of; default now'),
    knownAt: moment.describe('As far as it was recorded by then: folded anew, so the slower the more there is'),
    after,
    tz: z.string().optional().describe('IANA time zone of dates and periods; default UTC'),
  };
  if (spec.period === true) {
    fields.from = moment.describe('Start of the period, included: a date in `tz` or an instant');
    fields.to = moment.describe('End of the period, excluded');
  }
  if (spec.by === true)
    fields.by = z
      .string()
      .optional()
      .describe(`Comma-separated: ${DIMENSIONS.join(', ')}`);
  if (spec.groupBy === true) {
    const unit = z.enum(['month', 'week', 'day']);
    fields.groupBy = spec.defaultGroupBy === undefined ? unit.optional() : unit.default(spec.defaultGroupBy);
  }
  for (const [name, [usual = '', ...others]] of Object.entries(spec.choices ?? {}))
    fields[name] = z.enum([usual, ...others]).default(usual);
  for (const name of spec.texts ?? []) fields[name] = z.string().optional();
  if (spec.paged === true) {
    fields.limit = z.string().optional().describe('At most so many (1 to 1000, default 100)');
    fields.cursor = z.string().optional().describe('nextCursor of the page before');
  }
  const several = (item: z.ZodType<string>) => z.union([item, z.array(item)]).optional();
  for (const [name, values] of Object.entries(spec.filters ?? {}))
    fields[`filter[${name}]`] = several(values === null ? z.string() : z.enum(values as [string, ...string[]]));
  for (const name of DIMENSIONS)
    fields[`filter[${name}]`] ??= several(
      DIMENSION_VALUES[name] === undefined ? z.string() : z.enum(DIMENSION_VALUES[name]),
    ).describe('Empty: those that have none; repeated: any of them');
  return z.object(fields);
}

const heading = { position: z.string().nullable(), asOf: z.string(), knownAt: z.string() };
const report = z.looseObject({
  report: z.string(),
  ...heading,
  by: z.array(z.string()),
  rows: z.array(z.looseObject({ dimensions: z.record(z.string(), z.string().nullable()) })),
  total: z.looseObject({}),
});
const list = z.looseObject({ ...heading, items: z.array(z.looseObject({})), nextCursor: z.string().nullable() });

const reportRoute = (spec: ParamSpec, summary: string): Route => ({
  method: 'GET',
  path: `/v1/reports/${spec.report}`,
  tag: 'Reports',
  summary,
  operationId: `report${spec.report.replaceAll(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase())}`,
  query: queryOf(spec).extend({ ...comparison, ...(spec.period === true ? { marker } : {}) }),
  answers: { 200: { description: 'Figures by row and in total', schema: report, name: 'Report' } },
});
const listRoute = (path: string, tag: string, operationId: string, spec: ParamSpec, summary: string): Route => ({
  method: 'GET',
  path,
  tag,
  summary,
  operationId,
  query: queryOf(spec),
  answers: { 200: { description: 'A page', schema: list, name: 'Page' } },
});

const leadsQuery = queryOf(leadListParams).extend({
  drill: z.string().optional().describe('As a drill link has it: the report whose figure is asked'),
  figure: z.string().optional().describe('As a drill link has it'),
  externalId: z.string().optional().describe('<system>:<id>: the lead that holds it'),
});
const auditRoute = listRoute(
  '/v1/audit',
  'Audit',
  'listAudit',
  auditParams,
  'Every transition, as pages or as a file.',
);

export const reportRoutes: readonly Route[] = [
  {
    ...listRoute(
      '/v1/leads',
      'Leads',
      'listLeads',
      leadListParams,
      'Leads, the last changed first; or those behind a figure.',
    ),
    query: leadsQuery,
  },
  {
    method: 'GET',
    path: '/v1/leads/{leadId}',
    tag: 'Leads',
    summary: 'A lead as its own stream tells it, at any moment.',
    operationId: 'readLead',
    params: { leadId },
    query: cardQuery,
    answers: {
      200: {
        description: 'State, clocks, next actions; personal fields unless withheld for the role',
        schema: z.looseObject({
          ...heading,
          leadId: z.string(),
          revision: z.int(),
          state: z.string().nullable(),
          nextActions: z.array(z.object({ command: z.string(), action: z.string() })),
        }),
        name: 'Lead',
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/leads/{leadId}/score',
    tag: 'Leads',
    summary: 'Where a lead’s score comes from, at any moment, under any model.',
    operationId: 'readScore',
    params: { leadId },
    query: scoreQuery,
    answers: {
      200: {
        description: 'Total, grade and band, thresholds with what is missing, and what each rule contributes',
        schema: z.object({ ...heading, ...scoreAnswer.shape }),
        name: 'LeadScore',
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/leads/{leadId}/timeline',
    tag: 'Leads',
    summary: 'Everything that happened to a lead: who, when, why, under which policies.',
    operationId: 'readTimeline',
    params: { leadId },
    query: timelineQuery,
    answers: { 200: { description: 'In the order of the stream', schema: list, name: 'Page' } },
  },
  reportRoute(healthParams, 'What to look at first: qualified leads, conversion, cycle length, and promises kept.'),
  reportRoute(stockParams, 'Leads in each state (7.1).'),
  reportRoute(funnelParams, 'Cohort conversion (7.2).'),
  reportRoute(flowParams, 'Period conversion (7.3).'),
  reportRoute(stageDurationsParams, 'Time in each stage (7.4).'),
  reportRoute(acceptanceParams, 'Acceptance of handoffs (7.5).'),
  reportRoute(slaParams, 'Promises kept, and response times (7.6, 7.7).'),
  reportRoute(salesCycleParams, 'Length of the sales cycle (7.8).'),
  reportRoute(velocityParams, 'Newly qualified leads, month over month (7.9).'),
  reportRoute(qualifiedParams, 'Qualified leads of a period, and those open now (7.10).'),
  reportRoute(winRateParams, 'Won of won and lost (7.11).'),
  reportRoute(lossReasonsParams, 'Why deals were lost, and whether their leads were nurtured (7.12).'),
  reportRoute(recyclingParams, 'Leads sent back to marketing, and those that come again (7.13, 7.14).'),
  reportRoute(leakParams, 'Where and why leads leave the funnel (7.27).'),
  reportRoute(returnsParams, 'Accepted by sales, then sent back (7.28).'),
  reportRoute(prospectsParams, 'Leads that answered (7.30).'),
  reportRoute(salEffectParams, 'Deals through SAL against those that skipped it (7.31).'),
  reportRoute(revenueParams, 'Won revenue against the period before (7.32).'),
  reportRoute(forecastParams, 'What open deals are worth by their chances, and expected revenue (7.15).'),
  reportRoute(coverageParams, 'Open pipeline over the revenue still to be won (7.16).'),
  reportRoute(requiredOpportunitiesParams, 'How many opportunities a target takes, by stage (7.17).'),
  reportRoute(stageBenchmarksParams, 'Won of the deals that entered each stage, against its benchmark (7.18).'),
  reportRoute(staleParams, 'Leads and deals that nothing is done about (7.19).'),
  reportRoute(bottlenecksParams, 'Where leads take longer, drop out more, or pile up (7.20).'),
  reportRoute(balanceParams, 'Short and long horizon; what comes and goes, by week (7.23).'),
  reportRoute(forecastAccuracyParams, 'The forecast of a period as it began, against what was won (7.25).'),
  reportRoute(attributionParams, 'Which touches brought qualified leads and sales, and what they cost (7.21).'),
  reportRoute(contactEffortParams, 'How often accepted leads are called on, and what comes of it (7.22).'),
  reportRoute(continuityParams, 'Leads and deals that change hands, or whose owner has left (7.29).'),
  reportRoute(challengesParams, 'Which challenges leads tell, what they read about, and what comes of it.'),
  reportRoute(dataQualityParams, 'What is known of the open leads, and how well (7.26).'),
  reportRoute(scoreQualityParams, 'Whether the score still tells who comes true (7.24).'),
  {
    ...listRoute('/v1/queues/{ownerId}', 'Queues', 'readQueue', queueParams, 'What a person has to do, by due time.'),
    params: { ownerId: z.string().min(1).max(128) },
  },
  {
    ...listRoute(
      '/v1/queues/team/{teamId}',
      'Queues',
      'readTeamQueue',
      queueParams,
      'What a team has to do, by due time, with what nobody of it has yet.',
    ),
    params: { teamId: z.string().min(1).max(128) },
  },
  listRoute('/v1/deals', 'Reports', 'listDeals', dealListParams, 'Open deals, worth most first.'),
  listRoute('/v1/sla/clocks', 'SLA', 'listClocks', runningClocksParams, 'Clocks that run, by due instant.'),
  listRoute('/v1/duplicates', 'Leads', 'listDuplicates', duplicatesParams, 'Pairs of leads that may be one person.'),
  listRoute('/v1/sla/breaches', 'SLA', 'listBreaches', breachesParams, 'Broken promises, the latest first.'),
  {
    ...auditRoute,
    query: queryOf(auditParams).extend({
      format: z.enum(['json', 'csv', 'ndjson']).default('json').describe('csv, ndjson: everything as one file'),
    }),
    answers: {
      200: {
        description: 'A page; or a file with x-ledger-rows, x-ledger-sha256, x-ledger-position',
        schema: list,
        name: 'Page',
        contentTypes: ['application/json', 'text/csv', 'application/x-ndjson'],
      },
    },
  },
];
