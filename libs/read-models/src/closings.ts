import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, type Dims, LAST_PART, utcDay } from './dimensions.js';
import { dimensionFilter, type Groups, inPeriod } from './grouping.js';
import {
  closedMsOf,
  DEAL_CLOSINGS,
  type DealClosing,
  firstInteractionMsOf,
  type LeadRow,
  type Money,
  type Visit,
} from './lead-row.js';
import { enteredMsOf } from './merges.js';
import type { ReportParams } from './report-params.js';
import { factValue, orNull } from './fact-row.js';
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

/**
 * Numbers: kind, closed, amount, ms from each start to the closing (null: has none), through SAL, broken promises. The rest,
 * of lost deals with reason and stage: currency, reason, stage.
 */
export function closingFacts(row: LeadRow): Fact[] {
  const facts: Fact[] = [];
  row.deals.forEach((deal, index) => {
    const closedMs = closedMsOf(row, deal);
    if (deal.closed === null || closedMs === null) return;
    const { amount, in: closedIn, kind, owner, reason, team } = deal.closed;
    const { cycle } = row.visits[closedIn] as Visit;
    const begunMs = firstOf(row, closedIn, cycle) as number;
    const broken = row.clocks.filter(
      ({ breach, dueMs, retraction, startedMs }) =>
        breach !== null && retraction === null && startedMs >= begunMs && dueMs <= closedMs,
    ).length;
    const throughSal = firstOf(row, closedIn, cycle, 'SAL') === null ? 0 : 1;
    const starts = [
      firstInteractionMsOf(row),
      begunMs,
      firstOf(row, closedIn, cycle, 'SQL'),
      firstOf(row, closedIn, cycle, 'OPPORTUNITY'),
    ];
    facts.push({
      kind: 'row',
      table: CLOSING_TABLE,
      part: utcDay(closedMs),
      key: `${row.leadId}/${index}`,
      value: factValue(
        dimensionText(row, team, owner, closedMs),
        `${DEAL_CLOSINGS.indexOf(kind)},${closedMs},${amount?.amountMinor ?? ''},${starts.map((startMs) => (startMs === null ? '' : closedMs - startMs)).join(',')},${throughSal},${broken}`,
        kind === 'lost'
          ? [amount?.currency ?? null, reason, deal.stage]
          : amount === null
            ? undefined
            : [amount.currency],
      ),
    });
  });
  return facts;
}

/** First entry (to `state`) in the cycle that the deal closed in; a state that was skipped has none. */
function firstOf(row: LeadRow, closedIn: number, cycle: number, state?: Visit['state']): number | null {
  for (let index = 0; index <= closedIn; index += 1) {
    const visit = row.visits[index] as Visit;
    if (visit.cycle === cycle && (state === undefined || visit.state === state)) return enteredMsOf(row, index);
  }
  return null;
}

export interface Closing {
  readonly leadId: string;
  readonly dims: Dims;
  readonly kind: DealClosing;
  readonly closedMs: number;
  readonly amount: Money | null;
  /** Length in ms from each start. */
  readonly lengths: Readonly<Record<CycleStart, number | null>>;
  /** Whether its cycle entered SAL, or skipped it. */
  readonly throughSal: boolean;
  /** Promises of its cycle that were broken, and stand so. */
  readonly breaches: number;
  /** Of a lost deal. */
  readonly reason: string | null;
  /** Of a lost deal; null: history names none. */
  readonly lostFromStage: string | null;
}

/** Deals closed in the period and by asOf. */
export async function scanClosings(
  view: ReadView,
  params: ReportParams,
  use: (closing: Closing) => void,
  /** Keeps what each partition adds to them. */
  groups?: Groups<unknown>,
): Promise<void> {
  const passes = dimensionFilter(params);
  const fromPart = params.fromMs === null ? '' : utcDay(params.fromMs);
  const toPart = params.toMs === null ? LAST_PART : utcDay(params.toMs);
  await scanFacts(
    view,
    CLOSING_TABLE,
    fromPart,
    toPart,
    ({ dims, key, numbers, rest }) => {
      const [kind, closedMs, amount, interaction, cycle, sql, opportunity, throughSal, breaches] = numbers as [
        number,
        number,
        ...number[],
      ];
      groups?.asOf.sees(closedMs);
      if (closedMs > params.asOfMs || !inPeriod(params, closedMs) || !passes(dims)) return;
      const amountMinor = orNull(amount);
      const [currency, reason, stage] = (rest ?? []) as [string?, string?, string?];
      use({
        leadId: leadOfKey(key),
        dims,
        kind: DEAL_CLOSINGS[kind] as DealClosing,
        closedMs,
        amount: amountMinor === null ? null : { amountMinor, currency: currency as string },
        lengths: {
          interaction: orNull(interaction),
          cycle: orNull(cycle),
          sql: orNull(sql),
          opportunity: orNull(opportunity),
        },
        throughSal: throughSal === 1,
        breaches: breaches as number,
        reason: reason ?? null,
        lostFromStage: stage ?? null,
      });
    },
    { params, groups },
  );
}
