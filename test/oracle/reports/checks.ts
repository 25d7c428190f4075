import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { type Past, viewOf } from '#libs/read-models/src/given-when-then.js';
import type { ReportName } from '#libs/read-models/src/reports.js';
import { attributionOracle, CAMPAIGNS } from './attribution-oracle.js';
import { balanceOracle } from './balance-oracle.js';
import { bottlenecksOracle } from './bottlenecks-oracle.js';
import { type Claimed, claimed } from './claim.js';
import { ORACLES as CLOSINGS } from './closing-oracles.js';
import { compare, type World } from './compare.js';
import { contactEffortOracle } from './contact-effort-oracle.js';
import { continuityOracle } from './continuity-oracle.js';
import { coverageOracle } from './coverage-oracle.js';
import { dataQualityOracle } from './data-quality-oracle.js';
import { stageBenchmarksClaim, staleClaim } from './deal-claims.js';
import { forecastAccuracyOracle } from './forecast-accuracy-oracle.js';
import { forecastClaim } from './forecast-claim.js';
import { balanceOfStages, conversionsOfLeads } from './invariants.js';
import { policies } from './lead-histories.js';
import { moneyPolicies } from './money-world.js';
import { qualifiedClaim, revenueClaim, velocityClaim } from './month-claims.js';
import type { Oracle } from './oracle.js';
import { ORACLES as PATHS } from './path-oracles.js';
import type { Question } from './question.js';
import { requiredOpportunitiesOracle } from './required-opportunities-oracle.js';
import { scoreQualityOracle } from './score-quality-oracle.js';
import { readPast } from './told-leads.js';
import { ORACLES as WORK } from './work-oracles.js';

/** A report, or a rule about several, that a random history is held against. */
export interface Check {
  readonly name: string;
  readonly judge: (past: PlayedPast, question: Question) => Promise<void>;
}

/** A history folded in batches of random sizes, and read plainly, once for all that is asked about it. */
export class PlayedPast {
  private constructor(private readonly world: Omit<World, 'context'>) {}

  static async of(
    { nowMs, past }: { readonly past: Past; readonly nowMs: number },
    sizes: readonly number[],
  ): Promise<PlayedPast> {
    const leads = past.events.length === 0 ? [] : readPast(past);
    return new PlayedPast({ view: await viewOf(past, sizes), leads, nowMs });
  }

  under(book: PolicyBook): World {
    const context = { nowMs: this.world.nowMs, defaultTz: 'UTC', policies: book, campaigns: CAMPAIGNS, position: null };
    return { ...this.world, context };
  }
}

const oracled = (oracles: Partial<Record<ReportName, Oracle>>, book: PolicyBook = policies): Check[] =>
  Object.entries(oracles).map(([name, oracle]) => ({
    name,
    judge: (past, question) => compare(past.under(book), name as ReportName, oracle, question),
  }));
const claim = (name: string, judge: (claimed: Claimed) => Promise<void>, book = policies): Check => ({
  name,
  judge: (past, question) => judge(claimed(past.under(book), question)),
});

/** Of every history. */
export const CHECKS: readonly Check[] = [
  ...oracled(PATHS),
  ...oracled(WORK),
  ...oracled(CLOSINGS),
  ...oracled({
    attribution: attributionOracle,
    continuity: continuityOracle,
    'contact-effort': contactEffortOracle,
    'data-quality': dataQualityOracle,
    'score-quality': scoreQualityOracle,
  }),
  ...oracled(
    {
      coverage: coverageOracle,
      'required-opportunities': requiredOpportunitiesOracle,
      bottlenecks: bottlenecksOracle,
      balance: balanceOracle,
      'forecast-accuracy': forecastAccuracyOracle,
    },
    moneyPolicies,
  ),
  claim('velocity', velocityClaim),
  claim('qualified', qualifiedClaim),
  claim('revenue', revenueClaim),
  claim('forecast', forecastClaim, moneyPolicies),
  claim('stage-benchmarks', stageBenchmarksClaim),
  claim('stale', staleClaim),
  claim('entries = exits + inside + merged', balanceOfStages),
  claim('no conversion of leads above 1', conversionsOfLeads),
];
