import { LEAD_STATES } from '#libs/lead/src/states.js';
import type { Claimed } from './claim.js';
import { same } from './claims.js';
import { iso } from './lead-histories.js';
import { type Any, isMergedAway } from './told-leads.js';

/** What must hold of the figures of any history, whoever counts. */

/**
 * Entries = exits + inside + merged, of every state, up to asOf and over the period. Reports know no merged-away lead (spec §7.0), so
 * theirs balance without; with the entries that such leads made before their merge the events balance too.
 */
export async function balanceOfStages({ asOfMs, everybody, period, report }: Claimed): Promise<void> {
  const [flow, durations, stock, entered, left] = await Promise.all([
    report('flow', { ...period, mode: 'strict', basis: 'visit' }),
    report('stage-durations', period),
    report('stock'),
    report('flow', { mode: 'strict', basis: 'visit' }),
    report('stage-durations'),
  ]);
  // Who was there as the period began, and as it ended.
  const bounds = [flow.period.from, flow.period.to].map((at) => (at === null ? null : Date.parse(at) - 1));
  const [beforeMs, lastMs] = bounds as [number | null, number | null];
  const before = beforeMs === null ? null : await report('stock', { asOf: iso(Math.min(beforeMs, asOfMs)) });
  const after = lastMs === null ? stock : await report('stock', { asOf: iso(Math.min(lastMs, asOfMs)) });
  const exitsOf = (body: Any, state: string): number =>
    body.total.stages.find((stage: Any) => stage.state === state)?.visits.n ?? 0;
  const merged = everybody.filter(isMergedAway);
  for (const state of LEAD_STATES) {
    const entries = entered.total.entries[state].count;
    const [exits, inside] = [exitsOf(left, state), stock.total.states[state].count];
    same(entries, exits + inside, `entries to ${state} = exits + inside`);
    // In the events: those of merged-away leads are left by a move, by the merge, or it is MERGED itself.
    const theirs = merged.flatMap(({ visits }) => visits.filter((visit) => visit.state === state));
    const gone = theirs.filter(({ next }) => next !== null && next.type !== 'MergedInto').length;
    const byMerge = theirs.filter(({ next }) => next === null || next.type === 'MergedInto').length;
    same(entries + theirs.length, exits + gone + inside + byMerge, `entries to ${state} = exits + inside + merged`);
    const change = flow.total.entries[state].count - exitsOf(durations, state);
    const [first, last] = [before, after].map((body) => body?.total.states[state].count ?? 0);
    same(change, last - first, `entries − exits of ${state} in the period`);
  }
}

/** No conversion by leads above 1, and whoever reached a stage went on, is inside or has left. */
export async function conversionsOfLeads({ period, question: { mode }, report }: Claimed): Promise<void> {
  const judge = (name: string, figure: Any): void => {
    if (figure === null || typeof figure !== 'object') return;
    if ('rate' in figure && figure.rate !== null)
      same(figure.rate >= 0 && figure.rate <= 1, true, `${name}: ${JSON.stringify(figure)} is a share`);
    for (const one of Object.values(figure)) judge(name, one);
  };
  for (const name of ['funnel', 'leak'] as const)
    judge(name, (await report(name, { ...period, mode, basis: 'lead' })).total);
  for (const name of ['recycling', 'returns', 'qualified'] as const)
    judge(name, (await report(name, { ...period, basis: 'lead' })).total);
  for (const name of ['acceptance', 'sla', 'prospects', 'loss-reasons', 'sal-effect', 'win-rate'] as const)
    judge(name, (await report(name, period)).total);
  for (const stage of (await report('leak', { ...period, mode, basis: 'lead' })).total.stages) {
    const { advanced, inside, leak, reached } = stage;
    same(advanced.numerator + inside.numerator + leak.numerator, reached.count, `leak of ${stage.stage}`);
  }
}
