import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { Past, policyBook, viewOf } from './given-when-then.js';
import { drillLeads, listAudit, runReport } from './reports.js';
import type { ReadView } from './store/read-store.js';

/**
 * The real funnel of a marketplace (8,000 leads, 842 won), against figures worked out from its files by other means. The
 * files may not be part of this repository; without them beside it the test is skipped.
 */
const folder = fileURLToPath(new URL('../../../../shared/data/olist/', import.meta.url));
const rowsOf = (file: string): Record<string, string>[] =>
  parse(readFileSync(`${folder}${file}`), { columns: true, bom: true });
const whenGiven = existsSync(folder) ? describe : describe.skip;

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are asserted on, not used
type Body = any;

whenGiven('the Olist funnel', () => {
  let view: ReadView;
  const context = {
    nowMs: Date.parse('2019-01-01T00:00:00.000Z'),
    defaultTz: 'UTC',
    policies: policyBook(),
    position: null,
  };
  const conversion = (figures: Body, from: string, to: string): Body =>
    figures.conversions.find((one: Body) => one.from === from && one.to === to);

  beforeAll(async () => {
    const past = new Past();
    const won = new Map(rowsOf('olist_closed_deals_dataset.csv').map((row) => [row.mql_id, row]));
    for (const { mql_id, first_contact_date, origin } of rowsOf('olist_marketing_qualified_leads_dataset.csv')) {
      const contactMs = Date.parse(`${first_contact_date}T00:00:00.000Z`);
      const lead = past.lead(mql_id);
      lead.captured(contactMs, { source: origin === '' ? {} : { code: origin as string }, captureMethod: 'import' });
      lead.mql(contactMs);
      const deal = won.get(mql_id);
      if (deal === undefined) continue;
      const wonMs = Date.parse(`${(deal.won_date as string).replace(' ', 'T')}.000Z`);
      const wonAt = new Date(wonMs).toISOString();
      lead.won(Math.max(wonMs, contactMs), {
        closedAt: wonAt,
        skippedStages: ['SAL', 'SQL', 'OPPORTUNITY'],
        skipRule: 'import_unrecorded',
        ownerId: deal.sr_id as string,
        ...(wonMs < contactMs ? { claimedOccurredAt: wonAt } : {}),
      });
    }
    view = await viewOf(past, [2000]);
  }, 120_000);

  it('won 842 of 8,000: 10.525 %', async () => {
    const { total }: Body = await runReport(view, 'funnel', {}, context);
    expect(conversion(total, 'MQL', 'CUSTOMER')).toMatchObject({ numerator: 842, denominator: 8000, rate: 0.10525 });
    expect(conversion(total, 'LEAD', 'CUSTOMER').rate).toBe(0.10525);
    expect(await drillLeads(view, { drill: 'funnel', figure: 'converted.MQL.CUSTOMER' }, context)).toHaveLength(842);
  });

  it('has the known leads and sales of every origin', async () => {
    const { rows }: Body = await runReport(view, 'funnel', { by: 'source' }, context);
    const found = rows.map((row: Body) => {
      const { denominator, numerator } = conversion(row, 'MQL', 'CUSTOMER');
      return [row.dimensions.source, denominator, numerator];
    });
    expect(found).toEqual([
      ['direct_traffic', 499, 56],
      ['display', 118, 6],
      ['email', 493, 15],
      ['organic_search', 2296, 271],
      ['other', 150, 4],
      ['other_publicities', 65, 3],
      ['paid_search', 1586, 195],
      ['referral', 284, 24],
      ['social', 1350, 75],
      ['unknown', 1099, 179],
      [null, 60, 14],
    ]);
  });

  it('has the known cohorts by month of first contact', async () => {
    const { rows }: Body = await runReport(view, 'funnel', { groupBy: 'month' }, context);
    const of = (period: string) => {
      const row = rows.find((one: Body) => one.dimensions.period === period);
      const { denominator, numerator } = conversion(row, 'LEAD', 'CUSTOMER');
      return [numerator, denominator];
    };
    expect(of('2018-01')).toEqual([152, 1141]);
    expect(of('2018-02')).toEqual([149, 1028]);
    expect(of('2018-03')).toEqual([167, 1174]);
    expect(of('2018-04')).toEqual([183, 1352]);
    expect(of('2018-05')).toEqual([130, 1303]);
    expect(of('2017-06')).toEqual([0, 4]);
  });

  it('has the known sales cycle, with the one adjusted lead at 0', async () => {
    const { total }: Body = await runReport(view, 'sales-cycle', {}, context);
    expect(total.won).toMatchObject({
      n: 842,
      p50: 14.5793,
      p90: 162.6718,
      p95: 210.879,
      mean: 49.1022,
      max: 427.5518,
    });
    const { items } = await listAudit(view, { 'filter[kind]': 'adjusted' }, context);
    expect(items).toHaveLength(1);
  });

  it('has nothing to say about stages that nobody recorded', async () => {
    const { total }: Body = await runReport(view, 'stage-durations', {}, context);
    expect(total.stages.map(({ state }: Body) => state)).toEqual(['LEAD', 'MQL']);
    const strict: Body = await runReport(view, 'funnel', { mode: 'strict' }, context);
    expect(strict.total.reached.SAL.count).toBe(0);
  });
});
