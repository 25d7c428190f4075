import { ICP_CRITERIA, type Icp, type IcpCriterion } from './documents.js';

/** What is known of a company. Its country is looked for among an ICP's regions. */
export interface Firmographics {
  readonly industry?: string | undefined;
  readonly annualRevenue?: { readonly amountMinor: number; readonly currency: string } | undefined;
  readonly employees?: number | undefined;
  readonly country?: string | undefined;
}

export type CriterionResult = 'pass' | 'fail' | 'unknown';
export interface IcpFailure {
  readonly criterion: IcpCriterion;
  readonly required: string;
  readonly actual: string;
  /** Keeps the lead from being qualified. */
  readonly hard: boolean;
}
export interface IcpFit {
  /** fail: a criterion fails; unknown: none fails and one, or the whole company, cannot be judged; pass: all that is asked is met. */
  readonly result: CriterionResult;
  readonly failures: readonly IcpFailure[];
  /** A criterion that the ICP does not ask is `unknown` and counts neither way. */
  readonly criteria: Readonly<Record<IcpCriterion, CriterionResult>>;
}

interface Judged {
  readonly required: string;
  /** Undefined: not known, or not comparable. */
  readonly actual: string | undefined;
  readonly met: boolean;
}

/** How a company fits an ICP (spec §4.4 AssessIcpFit, EP-14). Minimum and bounds are inclusive. Pure. */
export function assessIcpFit(icp: Icp, company: Firmographics): IcpFit {
  const criteria: Record<IcpCriterion, CriterionResult> = {
    industry: 'unknown',
    annualRevenue: 'unknown',
    employees: 'unknown',
    region: 'unknown',
  };
  const failures: IcpFailure[] = [];
  // Of a company that nothing is known of nobody can say that it fits, however little is asked.
  let open = Object.values(company).every((value) => value === undefined);
  for (const criterion of ICP_CRITERIA) {
    const judged = judge[criterion](icp, company);
    if (judged === null) continue;
    const { actual, met, required } = judged;
    criteria[criterion] = actual === undefined ? 'unknown' : met ? 'pass' : 'fail';
    open ||= actual === undefined;
    if (actual !== undefined && !met)
      failures.push({ criterion, required, actual, hard: icp.hardCriteria.includes(criterion) });
  }
  return { result: failures.length > 0 ? 'fail' : open ? 'unknown' : 'pass', failures, criteria };
}

/** Null: the ICP does not ask it. */
const judge: Readonly<Record<IcpCriterion, (icp: Icp, company: Firmographics) => Judged | null>> = {
  industry: ({ industries }, { industry }) =>
    industries.length === 0
      ? null
      : { required: industries.join(', '), actual: industry, met: among(industries, industry) },
  annualRevenue({ minAnnualRevenue: least }, { annualRevenue: revenue }) {
    if (least === undefined) return null;
    // Without a rate of exchange amounts in two currencies are not compared.
    const known = revenue !== undefined && revenue.currency === least.currency ? revenue : undefined;
    return {
      required: `at least ${told(least)}`,
      actual: known === undefined ? undefined : told(known),
      met: known !== undefined && known.amountMinor >= least.amountMinor,
    };
  },
  employees({ employees: range }, { employees }) {
    if (range === undefined || (range.min === undefined && range.max === undefined)) return null;
    const { min = 0, max = Number.POSITIVE_INFINITY } = range;
    return {
      required: range.max === undefined ? `at least ${min}` : `${min} to ${max}`,
      actual: employees === undefined ? undefined : String(employees),
      met: employees !== undefined && employees >= min && employees <= max,
    };
  },
  region: ({ regions }, { country }) =>
    regions.length === 0 ? null : { required: regions.join(', '), actual: country, met: among(regions, country) },
};

const among = (accepted: readonly string[], value: string | undefined): boolean =>
  value !== undefined && accepted.some((one) => one.toLowerCase() === value.toLowerCase());

const told = ({ amountMinor, currency }: { readonly amountMinor: number; readonly currency: string }): string =>
  `${amountMinor} ${currency} (minor units)`;
