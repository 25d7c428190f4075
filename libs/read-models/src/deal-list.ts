import { scanDeals } from './deals.js';
import { valueOf } from './dimensions.js';
import { DAY_MS } from './figures.js';
import { reportingCurrency, share } from './money.js';
import { type Expected, expectations, measuredOf } from './open-pipeline.js';
import { Page, type Place } from './paging.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { PPM } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';

const STANDINGS = ['open', 'onHold', 'requalifying'] as const;

/**
 * `/v1/deals`: the deals open at asOf and expected to close in the period, worth most first: amount times the chance of winning
 * from its stage, as the forecast has it (7.15). Amounts of two currencies do not compare: one list is in one currency.
 */
export const dealListParams: ParamSpec = {
  report: 'deals',
  period: true,
  paged: true,
  choices: { order: ['expectedValue', 'amount'], probabilities: ['configured', 'measured'] },
  texts: ['currency'],
  filters: { stage: null, standing: STANDINGS },
};

export interface DealListItem {
  readonly leadId: string;
  readonly dealId: string;
  readonly stage: string;
  /** On hold and back in qualification: the forecast leaves it out. */
  readonly standing: (typeof STANDINGS)[number];
  readonly amountMinor: number;
  readonly currency: string;
  /** Null: the pipeline in force does not know its stage, so nothing is expected of it. */
  readonly probability: number | null;
  /** Minor units, half-up. */
  readonly expectedValueMinor: number;
  readonly expectedCloseDate: string | null;
  readonly openedAt: string;
  readonly stageSince: string;
  /** Null: its amount is verified. */
  readonly unverifiedSince: string | null;
  readonly teamId: string | null;
  readonly ownerId: string | null;
}

interface Found extends Place {
  readonly item: DealListItem;
}

export async function dealList(view: ReadView, params: ReportParams, { policies }: ReportContext) {
  const asked = reportingCurrency(params, null);
  const { stage: stages, standing: standings } = params.filter;
  const found = new Map<string, Found[]>();
  const expectedOf = expectations(params, { policies, reporting: asked, measured: await measuredOf(view, params) });
  await scanDeals(view, params, params.asOfMs, (deal) => {
    const one = expectedOf(deal);
    if (one === null || stages?.includes(one.now.stage) === false || standings?.includes(one.what) === false) return;
    const item = itemOf(one);
    const atMs = params.choices.order === 'amount' ? item.amountMinor : item.expectedValueMinor;
    const ofCurrency = found.get(item.currency);
    const place = { atMs, key: `${item.leadId}/${item.dealId}`, item };
    if (ofCurrency === undefined) found.set(item.currency, [place]);
    else ofCurrency.push(place);
  });
  const counts = [...found].map(([currency, deals]) => ({ currency, deals: deals.length }));
  counts.sort((a, b) => b.deals - a.deals || (a.currency < b.currency ? -1 : 1));
  const currency = asked ?? counts[0]?.currency ?? null;
  const page = new Page<Found>(params, 'descending');
  for (const place of found.get(currency ?? '') ?? []) page.add(place);
  const { nextCursor, page: listed } = page.end();
  return {
    currency,
    deals: counts.find((one) => one.currency === currency)?.deals ?? 0,
    /** What is not on this list, because its amount has another currency and no rate. */
    otherCurrencies: counts.filter((one) => one.currency !== currency),
    items: listed.map(({ item }) => item),
    nextCursor,
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();

function itemOf({ deal, now, probabilityPpm, value, what }: Expected): DealListItem {
  const { closeDay, unverifiedSinceMs } = now;
  return {
    leadId: deal.leadId,
    dealId: deal.dealId,
    stage: now.stage,
    standing: what,
    amountMinor: value.amountMinor,
    currency: value.currency,
    probability: probabilityPpm === null ? null : probabilityPpm / PPM,
    expectedValueMinor: share(BigInt(value.amountMinor) * BigInt(probabilityPpm ?? 0), BigInt(PPM)),
    expectedCloseDate: closeDay === null ? null : iso(closeDay * DAY_MS).slice(0, 10),
    openedAt: iso(deal.openedMs),
    stageSince: iso(now.stageSinceMs),
    unverifiedSince: unverifiedSinceMs === null ? null : iso(unverifiedSinceMs),
    teamId: valueOf(deal.dims, 'team'),
    ownerId: valueOf(deal.dims, 'owner'),
  };
}
