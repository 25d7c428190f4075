import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, type FactValues, LAST_PART, utcDay } from './dimensions.js';
import { dimensionFilter, inPeriod } from './grouping.js';
import {
  closedMsOf,
  DEAL_CLOSINGS,
  type DealClosing,
  firstInteractionMsOf,
  type LeadRow,
  type Money,
  type Visit,
} from './lead-row.js';
import type { ReportParams } from './report-params.js';
import { leadOfKey, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/**
 * One fact per closed deal by the UTC day of its closing: what sales cycle (7.8) and win rate (7.11) are counted from. Its
 * team and owner are those at the closing.
 */
const CLOSING_TABLE = 'closing';

/** From where a sales cycle can be counted: 7.8 and 7.33. */
export const CYCLE_STARTS = ['interaction', 'cycle', 'sql', 'opportunity'] as const;
export type CycleStart = (typeof CYCLE_STARTS)[number];

/** After the dimensions: kind, closed, amount, currency, starts… (ms before the closing; null: has none). */
const KIND = 9;

export function closingFacts(row: LeadRow): Fact[] {
  const facts: Fact[] = [];
  row.deals.forEach((deal, index) => {
    const closedMs = closedMsOf(row, deal);
    if (deal.closed === null || closedMs === null) return;
    const { amount, in: closedIn, kind, owner, team } = deal.closed;
    const { cycle } = row.visits[closedIn] as Visit;
    const starts = [
      firstInteractionMsOf(row),
      firstOf(row, closedIn, cycle),
      firstOf(row, closedIn, cycle, 'SQL'),
      firstOf(row, closedIn, cycle, 'OPPORTUNITY'),
    ];
    facts.push({
      kind: 'row',
      table: CLOSING_TABLE,
      part: utcDay(closedMs),
      key: `${row.leadId}/${index}`,
      value: `[${dimensionText(row, team, owner)},${DEAL_CLOSINGS.indexOf(kind)},${closedMs},${amount === null ? 'null,null' : `${amount.amountMinor},"${amount.currency}"`},${starts.map((startMs) => (startMs === null ? 'null' : closedMs - startMs)).join(',')}]`,
    });
  });
  return facts;
}

/** First entry (to `state`) in the cycle that the deal closed in; a state that was skipped has none. */
function firstOf(row: LeadRow, closedIn: number, cycle: number, state?: Visit['state']): number | null {
  for (let index = 0; index <= closedIn; index += 1) {
    const visit = row.visits[index] as Visit;
    if (visit.cycle === cycle && (state === undefined || visit.state === state)) return visit.enteredMs;
  }
  return null;
}

export interface Closing {
  readonly leadId: string;
  readonly fact: FactValues;
  readonly kind: DealClosing;
  readonly closedMs: number;
  readonly amount: Money | null;
  /** Length in ms from each start. */
  readonly lengths: Readonly<Record<CycleStart, number | null>>;
}

/** Deals closed in the period and by asOf. */
export async function scanClosings(
  view: ReadView,
  params: ReportParams,
  use: (closing: Closing) => void,
): Promise<void> {
  const passes = dimensionFilter(params);
  const fromPart = params.fromMs === null ? '' : utcDay(params.fromMs);
  const toPart = params.toMs === null ? LAST_PART : utcDay(params.toMs);
  await scanFacts(view, CLOSING_TABLE, fromPart, toPart, (fact, key) => {
    const [kind, closedMs, amountMinor, currency, interaction, cycle, sql, opportunity] = fact.slice(KIND) as [
      number,
      number,
      number | null,
      string | null,
      number | null,
      number | null,
      number | null,
      number | null,
    ];
    if (closedMs > params.asOfMs || !inPeriod(params, closedMs) || !passes(fact)) return;
    use({
      leadId: leadOfKey(key),
      fact,
      kind: DEAL_CLOSINGS[kind] as DealClosing,
      closedMs,
      amount: amountMinor === null || currency === null ? null : { amountMinor, currency },
      lengths: { interaction, cycle, sql, opportunity },
    });
  });
}
