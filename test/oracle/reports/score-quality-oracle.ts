import { DAY, iso } from './lead-histories.js';
import { type Asked, type Item, type Oracle, reached, within } from './oracle.js';
import { counted, halfUp, rated } from './plain-figures.js';
import { type Any, data, offersOf, type OracleLead, type OracleVisit, visitsBy } from './told-leads.js';

/** 7.24 by §5.6, cycle 1: flagged = marked by the score; the label is `accepted` of the decided, `sql` or `won` in time. */

const HORIZON_DAYS = 180;

const scoresOf = (lead: OracleLead, untilMs: number): { atMs: number; total: number }[] =>
  lead.events
    .filter(({ type }) => type === 'LeadScored')
    .map((e) => ({ atMs: lead.timeOf(e), total: data(e).total as number }))
    .filter(({ atMs }) => atMs <= untilMs)
    .sort((a, b) => a.atMs - b.atMs);

const peakOf = (lead: OracleLead, untilMs: number): number | null => {
  const totals = scoresOf(lead, untilMs).map(({ total }) => total);
  return totals.length === 0 ? null : Math.max(...totals);
};

function judge(lead: OracleLead, asked: Asked): { outcome: string; accepted: boolean; scoreMp: number | null } {
  const { asOfMs, choices } = asked;
  const [first] = lead.visits as [OracleVisit];
  const horizonMs = first.enteredMs + Number(choices.horizonDays ?? HORIZON_DAYS) * DAY;
  const firstCycle = lead.visits.filter(({ cycle, enteredMs }) => cycle === first.cycle && enteredMs <= asOfMs);
  const flagged = firstCycle.some(
    ({ event }) => ['MarkedMQL', 'MarkedPQL', 'MarkedSQL'].includes(event.type) && data(event).mode === 'auto',
  );
  const decisions = offersOf(lead)
    .filter(({ visit }) => visit.cycle === first.cycle)
    .flatMap(({ visit }): OracleVisit[] => {
      const next = lead.visits[lead.visits.indexOf(visit) + 1];
      const answers =
        next !== undefined &&
        (['AcceptedBySales', 'RejectedBySales'].includes(next.event.type) || data(next.event).implicitAcceptance);
      return answers ? [next] : [];
    });
  const decision = decisions[0] !== undefined && decisions[0].enteredMs <= asOfMs ? decisions[0] : null;
  const accepted = decision !== null && decision.event.type !== 'RejectedBySales';
  const scoreMp = decision === null ? null : (scoresOf(lead, decision.enteredMs).at(-1)?.total ?? null);
  const label = choices.label as string;
  const reachedMs =
    label === 'accepted'
      ? accepted
        ? decision.enteredMs
        : null
      : reached(visitsBy(lead, asOfMs), label === 'won' ? 'CUSTOMER' : 'SQL', 'reached');
  const positive = reachedMs !== null && reachedMs <= horizonMs;
  let outcome = flagged ? (positive ? 'tp' : 'fp') : positive ? 'fn' : 'tn';
  if (label === 'accepted' && decision === null) outcome = 'undecided';
  if (label !== 'accepted' && !positive && horizonMs > asOfMs) outcome = 'immature';
  return { outcome, accepted, scoreMp };
}

const Z = 1.959963984540054;
/** Wilson's score interval at 95 %, as the textbook has it. */
function interval(k: number, n: number): number[] | null {
  if (n === 0) return null;
  const middle = (k + (Z * Z) / 2) / (n + Z * Z);
  const half = (Z / (n + Z * Z)) * Math.sqrt((k * (n - k)) / n + (Z * Z) / 4);
  return [Math.max(0, middle - half), Math.min(1, middle + half)].map((bound) => Math.round(bound * 1e6) / 1e6);
}

export const scoreQualityOracle: Oracle = {
  beside: (leads, asked) => {
    const asks = Object.entries(asked.filter);
    const passing = leads.filter(({ dims }) => asks.every(([name, values]) => values.includes(dims[name] ?? null)));
    return { drift: driftOf(passing, asked) };
  },
  items: (leads, asked) =>
    leads.flatMap((lead) => {
      const atMs = (lead.visits[0] as OracleVisit).enteredMs;
      if (atMs > asked.asOfMs || !within(asked, atMs)) return [];
      return [{ leadId: lead.leadId, dims: lead.dims, atMs, ...judge(lead, asked) }];
    }),
  figures: (items) => {
    const of = (...outcomes: string[]) => items.filter(({ outcome }) => outcomes.includes(outcome));
    const n = of('tp', 'fp', 'fn', 'tn').length;
    const [tp, fp, fn] = ['tp', 'fp', 'fn'].map((one) => of(one).length) as [number, number, number];
    const decided = items
      .filter(({ scoreMp }) => scoreMp !== null)
      .sort((a, b) => a.scoreMp - b.scoreMp || (a.leadId < b.leadId ? -1 : 1));
    const tenths = Math.min(10, decided.length);
    return {
      leads: counted(of('tp', 'fp', 'fn', 'tn')),
      truePositives: counted(of('tp')),
      falsePositives: counted(of('fp')),
      falseNegatives: counted(of('fn')),
      trueNegatives: counted(of('tn')),
      precision: { ...rated(of('tp'), of('tp', 'fp')), interval: interval(tp, tp + fp) },
      recall: { ...rated(of('tp'), of('tp', 'fn')), interval: interval(tp, tp + fn) },
      baseRate: rated(of('tp', 'fn'), of('tp', 'fp', 'fn', 'tn')),
      f1: halfUp(2 * tp, 2 * tp + fp + fn, 6),
      lift: halfUp(tp * n, (tp + fp) * (tp + fn), 6),
      immature: counted(of('immature')),
      undecided: counted(of('undecided')),
      deciles: Array.from({ length: tenths }, (_, tenth) => {
        // Lead number i of n is in tenth ⌊i · tenths / n⌋, but for where the cut falls between two of them.
        const here = decided.filter((_one, index) => {
          const [low, high] = [tenth, tenth + 1].map((cut) => Math.floor((cut * decided.length) / tenths));
          return index >= (low as number) && index < (high as number);
        });
        return {
          decile: tenth + 1,
          fromMp: (here[0] as Item).scoreMp,
          toMp: (here.at(-1) as Item).scoreMp,
          acceptance: rated(
            here.filter(({ accepted }) => accepted),
            here,
          ),
        };
      }),
    };
  },
};

/**
 * Population stability index: Σ (p − q) · ln (p / q) over the tenths of the highest totals of those who were captured as long before
 * the period (its last 90 days, without a beginning) as it lasts.
 */
function driftOf(leads: readonly OracleLead[], asked: Asked): Any {
  const { asOfMs, fromMs, toMs } = asked;
  const endMs = Math.min(toMs ?? asOfMs, asOfMs);
  const beginMs = fromMs ?? endMs - 90 * DAY;
  const peaks = (from: number, to: number): number[] =>
    leads.flatMap((lead) => {
      const [{ enteredMs }] = lead.visits as [OracleVisit];
      const isIn = enteredMs >= from && enteredMs < to && enteredMs <= asOfMs;
      return isIn ? (peakOf(lead, asOfMs) ?? []) : [];
    });
  const now = peaks(beginMs, toMs ?? Infinity);
  const before = peaks(beginMs - Math.max(endMs - beginMs, DAY), beginMs).sort((a, b) => a - b);
  const heading = { from: iso(beginMs), n: now.length, baselineN: before.length };
  if (now.length === 0 || before.length === 0) return { ...heading, psi: null };
  const cuts = [10, 20, 30, 40, 50, 60, 70, 80, 90].map(
    (percent) => before.find((_, index) => (index + 1) * 100 >= percent * before.length) as number,
  );
  const edges = [-Infinity, ...new Set(cuts), Infinity];
  let psi = 0;
  for (let bin = 0; bin + 1 < edges.length; bin += 1) {
    const share = (values: readonly number[]): number => {
      const here = values.filter((value) => value > (edges[bin] as number) && value <= (edges[bin + 1] as number));
      return Math.max(here.length / values.length, 0.0001);
    };
    psi += (share(now) - share(before)) * Math.log(share(now) / share(before));
  }
  return { ...heading, psi: Math.round(psi * 1e6) / 1e6 };
}
