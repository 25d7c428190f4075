import type { PolicyBook } from '#libs/policy/src/policy-book.js';

/** When a condition alarms (spec §8.5). */
interface ConditionRule {
  /** A share, rate or count as the condition's text says; benchmark `alert.<condition>` replaces it. */
  readonly threshold: number;
  /** So many must be in the figure before it alarms anybody; benchmark `alert_sample.<condition>` replaces it. */
  readonly sample: number;
  /** The days it looks back on; 0: as it stands now. */
  readonly windowDays: number;
}

/**
 * Every condition there is. 0.90 of acceptance, 0.75 and 0.90 of the stage benchmarks are the seeds'; acceptance takes the
 * agreement's target first and a stage its own benchmark. All other numbers are assumed (spec §8.5, §10).
 */
export const ALERT_CONDITIONS = {
  /** Accepted of decided handoffs, below (7.5). */
  acceptance: { threshold: 0.9, sample: 10, windowDays: 30 },
  /** Open leads that stay in MQL beyond its limit, of the open ones, above. */
  mql_stuck: { threshold: 0.2, sample: 10, windowDays: 0 },
  /** Promises kept, per clock type, below (7.6). */
  sla_attainment: { threshold: 0.95, sample: 10, windowDays: 30 },
  /** Broken promises that were escalated and are still open, above. */
  breach_escalation: { threshold: 0, sample: 1, windowDays: 0 },
  /** Won of resolved deals that entered the stage, below (7.18); each stage has its own benchmark. */
  stage_benchmark: { threshold: 0.75, sample: 10, windowDays: 365 },
  /** Days open in the stage that is the bottleneck, above (7.20); its own rules say which one is. */
  bottleneck: { threshold: 0, sample: 10, windowDays: 30 },
  /** Lead velocity of the last two whole months, both below (7.9). */
  velocity: { threshold: 0, sample: 1, windowDays: 0 },
  /** Open pipeline over the revenue still to be won, below (7.16). */
  coverage: { threshold: 1, sample: 0, windowDays: 0 },
  /** Qualified leads over the opportunities that the rest of the target takes, below (7.17). */
  qualified_stock: { threshold: 1, sample: 0, windowDays: 0 },
  /** Stale of open leads, above (7.19). */
  stale_share: { threshold: 0.15, sample: 10, windowDays: 0 },
  /** Open value on one horizon, above (7.23). */
  one_horizon: { threshold: 0.8, sample: 10, windowDays: 0 },
  /** Working days without a new lead, at or above. */
  inflow_gap: { threshold: 2, sample: 1, windowDays: 0 },
  /** How much the share of deals lost to a departed decision maker has risen against the window before, at or above. */
  decision_maker_losses: { threshold: 0.1, sample: 10, windowDays: 90 },
  /** Days since the team's last completed review, above (EP-15). */
  review_overdue: { threshold: 7, sample: 0, windowDays: 0 },
  /** Days since marketing and sales last met, above. */
  alignment_overdue: { threshold: 30, sample: 0, windowDays: 0 },
  /** How much the score's precision has fallen against the window before, at or above (7.24). */
  score_precision: { threshold: 0.1, sample: 10, windowDays: 90 },
  /** Open value unverified for over 30 days, above (EP-13). */
  unverified_value: { threshold: 0.25, sample: 10, windowDays: 0 },
  /** Open leads whose owner has left, above. */
  orphaned_leads: { threshold: 0, sample: 1, windowDays: 0 },
  /** Leads offered for over an hour that nobody has, above (spec §9.8). */
  unowned_leads: { threshold: 0, sample: 1, windowDays: 0 },
} as const satisfies Record<string, ConditionRule>;
export type AlertCondition = keyof typeof ALERT_CONDITIONS;

/** The rule in force: benchmarks `alert.<condition>` and `alert_sample.<condition>` where they are set, else the table. */
export function conditionRule(policies: PolicyBook, condition: AlertCondition, nowMs: number): ConditionRule {
  const { sample, threshold, windowDays } = ALERT_CONDITIONS[condition];
  return {
    threshold: policies.benchmark(`alert.${condition}`, undefined, nowMs) ?? threshold,
    sample: policies.benchmark(`alert_sample.${condition}`, undefined, nowMs) ?? sample,
    windowDays,
  };
}
