import type { Icp, IcpCriterion } from '#libs/policy/src/documents.js';
import { assessIcpFit, type Firmographics } from '#libs/policy/src/icp-fit.js';
import type { Decision } from './decision.js';
import type { LeadState } from './state.js';
import type { LeadStateName } from './states.js';

/** How a lead's company fits the ideal customer profile, and what follows from it (spec §4.4 AssessIcpFit, T4, T18 P:icp). */

/** Criteria the lead's company fails and may not fail (T4 `ICP_THRESHOLD_FAILED`). */
export const failedHardCriteria = ({ icpFit }: LeadState): string[] =>
  (icpFit?.failures ?? []).filter(({ hard }) => hard).map(({ criterion }) => criterion);

/** What a company of which nothing is known is judged on: every criterion unknown. */
const NOTHING_KNOWN: Firmographics = {};

/** Records the assessment. The ledger's own does not repeat what is recorded already. */
export function recordIcpFit(decision: Decision, icp: Icp, company: Firmographics = NOTHING_KNOWN): void {
  const { context, lead } = decision;
  const { industry, annualRevenue, employees, country } = company;
  const { result, failures, criteria } = assessIcpFit(icp, company);
  const fit = {
    icpId: icp.icpId,
    icpVersion: icp.version,
    result,
    failures: [...failures],
    criteria,
    firmographics: { industry, annualRevenue, employees, country },
  };
  if (context.actor.role === 'system' && lead.icpFit !== null && sameFit(lead.icpFit, fit)) return;
  decision.record('IcpFitAssessed', { ...fit, accountId: lead.accountId ?? undefined });
}

/** The assessment that comes with a link to an account, while an ICP is in force. */
export function assessLinked(decision: Decision, company: Firmographics): void {
  const icp = decision.context.policies.icp(decision.policyMs);
  if (icp !== null) recordIcpFit(decision, icp, company);
}

type Fit = NonNullable<LeadState['icpFit']>;

function sameFit(a: Fit, b: Fit): boolean {
  const revenue = ({ firmographics: { annualRevenue: money } }: Fit) => `${money?.amountMinor} ${money?.currency}`;
  return (
    a.icpId === b.icpId &&
    a.icpVersion === b.icpVersion &&
    a.firmographics.industry === b.firmographics.industry &&
    a.firmographics.employees === b.firmographics.employees &&
    a.firmographics.country === b.firmographics.country &&
    revenue(a) === revenue(b)
  );
}

const ICP_POLICY = 'system:icp';
/** Its default reason codes are those of spec §3.4. */
const REASON: Readonly<Record<IcpCriterion, string>> = {
  industry: 'industry_not_served',
  annualRevenue: 'revenue_below_minimum',
  employees: 'company_too_small',
  region: 'territory',
};
const MAY_BE_DISQUALIFIED: ReadonlySet<LeadStateName> = new Set<LeadStateName>([
  'SUBSCRIBER',
  'LEAD',
  'PROSPECT',
  'MQL',
  'SAL',
  'SQL',
  'RECYCLED',
]);

/**
 * T18 by P:icp, where the pipeline says so: a lead whose company was just found to fail a hard criterion leaves the funnel in the
 * same append. A lead with a deal stays: a deal is lost by people.
 */
export function disqualifyByIcp(decision: Decision): void {
  if (decision.isImport || !decision.events.some(({ type }) => type === 'IcpFitAssessed')) return;
  const { lead, pipeline } = decision;
  const [first] = failedHardCriteria(lead);
  if (first === undefined || pipeline.icpFailure !== 'disqualify') return;
  if (lead.deal !== null || lead.state === null || !MAY_BE_DISQUALIFIED.has(lead.state)) return;
  const own = { reasonCode: REASON[first as IcpCriterion], failedCriteria: failedHardCriteria(lead) };
  decision.asPolicy(ICP_POLICY, Math.max(decision.atMs, lead.lastTransitionAtMs), () =>
    decision.move('Disqualified', 'DISQUALIFIED', own, { clocks: decision.cancel('disqualified') }),
  );
}
