import type { Claimed } from './claim.js';
import { isIn } from './claim.js';
import { holds, same } from './claims.js';
import { dateOf } from './compare.js';
import { DAY, EXPIRES_MS, iso } from './lead-histories.js';
import { CHANCE, STAGES } from './money-world.js';
import { distinct, halfUp } from './plain-figures.js';
import { dealsOf, type ToldDeal } from './told-deals.js';
import { type Any, data, visitsBy } from './told-leads.js';

/** 7.18, 7.19: stages beside their benchmarks, and leads that nothing is done about. */

/** Of the deals that had been in a stage when they ended: won / (won + lost). */
export async function stageBenchmarksClaim(claimed: Claimed): Promise<void> {
  const { asOfMs, drill, leads, period, question, report } = claimed;
  const ended = leads
    .flatMap(dealsOf)
    .filter((deal) => deal.closedMs <= asOfMs && isIn(period, dateOf(deal.closedMs, question.tz)))
    .map((deal) => ({ leadId: deal.leadId, kind: deal.kind, stages: deal.stages(deal.closedMs) }));
  const { total } = await report('stage-benchmarks', { ...period });
  same(
    total.stages.map(({ stage }: Any) => stage),
    STAGES,
    'stage-benchmarks stages',
  );
  for (const answer of total.stages) {
    const here = ended.filter(({ stages }) => stages.includes(answer.stage));
    const won = here.filter(({ kind }) => kind === 'won');
    const resolved = here.filter(({ kind }) => kind !== 'recycled');
    const expected = {
      winRate: {
        numerator: won.length,
        denominator: resolved.length,
        rate: halfUp(won.length, resolved.length, 6),
      },
      recycled: { count: here.length - resolved.length },
      below: resolved.length === 0 ? null : won.length * 100 < resolved.length * (CHANCE[answer.stage] as number),
    };
    holds(answer, expected, `stage-benchmarks ${answer.stage}`);
    same(await drill(answer.winRate.drill), distinct(won), answer.winRate.drill);
    same(await drill(answer.winRate.drillDenominator), distinct(resolved), answer.winRate.drillDenominator);
  }
}

const EITHER = ['LeadResponded'];
const BEFORE_SAL = ['BehaviourRecorded', 'CaptureRepeated'];
const FROM_SAL = [
  'ContactAttempted',
  'DealAmountChanged',
  'DealCloseDateChanged',
  'DealStageChanged',
  'DealValueVerified',
  'MeetingHeld',
];
const AT_REST: ReadonlySet<string> = new Set(['CUSTOMER', 'LOST', 'DISQUALIFIED', 'JUNK', 'MERGED']);

/** Spec §3.6, in days, but for the recycled. */
const LIMITS: Readonly<Record<string, number>> = {
  SUBSCRIBER: 180,
  LEAD: 90,
  PROSPECT: 30,
  MQL: 5,
  SAL: 7,
  SQL: 14,
  RECYCLED: EXPIRES_MS / DAY,
  meeting_booked: 14,
  demo: 21,
  quote_development: 14,
  quote_presented: 14,
  negotiation: 14,
};

/** Silent for longer than the limit of the state or deal stage, time on hold and quiet that was asked for left out. */
export async function staleClaim({ asOfMs, drill, leads, report }: Claimed): Promise<void> {
  const open = leads.flatMap((lead) => {
    const entry = visitsBy(lead, asOfMs).at(-1);
    if (entry === undefined || AT_REST.has(entry.state)) return [];
    const { state } = entry;
    const early = ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'RECYCLED'].includes(state);
    const kinds = new Set([...EITHER, ...(early ? BEFORE_SAL : FROM_SAL), 'TransitionVoided']);
    const acts = lead.events
      .filter(({ type }) => kinds.has(type))
      .map((e) => lead.timeOf(e))
      .filter((ms) => ms <= asOfMs);
    const lastMs = Math.max(entry.enteredMs, ...acts);
    const holdsBy = lead.holds.filter(({ sinceMs }) => sinceMs <= asOfMs);
    const deferrals = lead.events
      .filter((e) => e.type === 'ContactDeferred' && data(e).requestedBy === 'lead' && lead.timeOf(e) <= asOfMs)
      .map((e) => ({ sinceMs: lead.timeOf(e), endMs: Date.parse(data(e).until) }));
    const quiet = [...holdsBy.filter(({ endMs }) => endMs <= asOfMs), ...deferrals];
    const edges = [lastMs, ...quiet.flatMap(({ endMs, sinceMs }) => [sinceMs, endMs])]
      .filter((ms) => ms >= lastMs)
      .sort((a, b) => a - b);
    let quietMs = 0;
    for (let index = 0; index + 1 < edges.length; index += 1) {
      const [a, b] = [edges[index] as number, edges[index + 1] as number];
      if (quiet.some(({ endMs, sinceMs }) => sinceMs <= a && endMs >= b)) quietMs += b - a;
    }
    const deal = dealsOf(lead).find((one) => one.openedMs <= asOfMs && one.closedMs > asOfMs);
    const dealStage = state === 'OPPORTUNITY' ? ((deal as ToldDeal).stages(asOfMs).at(-1) as string) : null;
    const limit = LIMITS[dealStage ?? state] as number;
    const onHold = holdsBy.some(({ endMs }) => endMs > asOfMs);
    const ageMs = asOfMs - lastMs - quietMs;
    const stale = !onHold && ageMs > limit * DAY;
    return [{ leadId: lead.leadId, lead, state, dealStage, lastMs, ageMs, limit, onHold, stale }];
  });
  const body = await report('stale', { by: 'owner' });
  const stale = open.filter((one) => one.stale);
  const expected = {
    stale: { numerator: stale.length, denominator: open.length },
    onHold: { count: open.filter(({ onHold }) => onHold).length },
  };
  holds(body.total, expected, 'stale total');
  same(await drill(body.total.stale.drill), distinct(stale), body.total.stale.drill);
  same(await drill(body.total.stale.drillDenominator), distinct(open), body.total.stale.drillDenominator);
  const listed = (some: readonly Any[]) => [...some].sort((a, b) => (a.leadId < b.leadId ? -1 : 1));
  same(
    listed(
      body.items.map(({ ageDays, lastActivityAt, leadId, limitDays }: Any) => ({
        leadId,
        lastActivityAt,
        ageDays,
        limitDays,
      })),
    ),
    listed(
      stale.map(({ ageMs, lastMs, leadId, limit }) => ({
        leadId,
        lastActivityAt: iso(lastMs),
        ageDays: halfUp(ageMs, DAY, 4),
        limitDays: limit,
      })),
    ),
    'stale items',
  );
  for (const stage of body.total.stages) {
    const here = open.filter((one) => one.state === stage.state && one.dealStage === stage.dealStage);
    same(await drill(stage.stale.drillDenominator), distinct(here), stage.stale.drillDenominator);
    same(await drill(stage.stale.drill), distinct(here.filter((one) => one.stale)), stage.stale.drill);
  }
  for (const row of body.rows) {
    const here = open.filter(({ lead }) => (lead.dims.owner ?? null) === row.dimensions.owner);
    const figures = { numerator: here.filter((one) => one.stale).length, denominator: here.length };
    holds(row.stale, figures, `stale of ${row.dimensions.owner}`);
  }
}
