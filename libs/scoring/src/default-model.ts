import type { BehaviourRule, Predicate, ScoringEvent, ScoringModelDocument } from './model.js';

export const DEFAULT_MODEL_ID = 'default';

const fit = (id: string, label: string, points: number, ...when: Predicate[]) => ({ id, label, points, when });
const behaviour = (on: string, label: string, points: number, more: Partial<BehaviourRule> = {}): BehaviourRule => ({
  id: on,
  label,
  on,
  where: [],
  points,
  halfLifeDays: 14,
  ...more,
});
const penalty = (on: string, label: string, points: number): BehaviourRule => ({
  ...behaviour(on, label, points),
  halfLifeDays: null,
});

/** Spec §5.2. Points are assumptions to start with; the signals are those the teams name. */
export const defaultModel: ScoringModelDocument = {
  schema: 'lead-scoring/1',
  name: 'Default model',
  fit: [
    fit('role_decision_maker', 'Decision maker', 20, { field: 'role', equals: 'decision_maker' }),
    fit('role_influencer', 'Influences the decision', 10, { field: 'role', equals: 'influencer' }),
    fit('role_user', 'Uses the product', 5, { field: 'role', equals: 'user' }),
    fit('icp_industry', 'Industry we serve', 10, { field: 'icp.industry', equals: 'pass' }),
    fit('icp_revenue', 'Annual revenue reaches the minimum', 10, { field: 'icp.annualRevenue', equals: 'pass' }),
    fit('icp_employees', 'Headcount in range', 5, { field: 'icp.employees', equals: 'pass' }),
    fit('persona_matched', 'Matches a buyer persona', 5, { field: 'personaMatched', equals: true }),
    fit('icp_region', 'Region we serve', 5, { field: 'icp.region', equals: 'pass' }),
    fit('budget_confirmed', 'Budget confirmed', 10, { field: 'qualification.budget', equals: 'yes' }),
    fit('need_confirmed', 'Need confirmed', 10, { field: 'qualification.need', equals: 'yes' }),
    fit(
      'company_too_small',
      'Company too small for the product',
      -20,
      // Out of the ICP's range at the lower end; a company above the range is not too small.
      { field: 'icp.employees', equals: 'fail' },
      { field: 'firmographics.employees', lt: 10 },
    ),
    fit('competitor_or_student', 'Competitor or student', -30, { field: 'segment', in: ['competitor', 'student'] }),
    fit('free_mail', 'Free mailbox', -5, { field: 'emailKind', equals: 'free' }),
  ],
  behaviour: [
    behaviour('page_view', 'Page views', 1, { cap: 5 }),
    behaviour('email_open', 'E-mails opened', 1, { cap: 3 }),
    behaviour('email_click', 'E-mail clicked', 3),
    behaviour('newsletter_subscribed', 'Newsletter', 3),
    behaviour('guide', 'Guide', 8),
    behaviour('whitepaper', 'White paper', 8),
    behaviour('webinar_registered', 'Webinar registration', 5),
    behaviour('webinar_attended', 'Webinar attended', 10),
    behaviour('case_study', 'Case study', 15),
    // Coming back to the prices is the signal, so several visits count up to three.
    behaviour('pricing_page', 'Pricing page', 10, { cap: 30 }),
    behaviour('product_demo_attended', 'Product demo attended', 20),
    behaviour('demo_request', 'Asked for a demo', 30),
    behaviour('pricing_request', 'Asked for prices', 30),
    behaviour('contact_sales_request', 'Asked to talk to sales', 40),
    behaviour('trial_started', 'Trial started', 25),
    behaviour('product_action', 'Used the product', 10),
    behaviour('upgrade_enquiry', 'Asked for an upgrade', 25),
    // Who answers "leave me alone" shows no interest.
    behaviour('reply', 'Replied', 15, { where: [{ field: 'sentiment', notIn: ['opt_out'] }] }),
  ],
  penalty: [
    penalty('unsubscribe', 'Unsubscribed', -25),
    penalty('bounce', 'E-mail bounced', -15),
    penalty('complaint', 'Complained', -50),
  ],
  fitRange: { min: -50, max: 60 },
  grades: { A: 45, B: 30, C: 15 },
  bands: { warm: 30, hot: 60 },
  thresholds: {
    mql: { minTotal: 60, minGrade: 'C' },
    pql: {
      requires: [
        { on: 'trial_started', atLeast: 1, withinDays: null },
        { on: 'product_action', atLeast: 3, withinDays: 14 },
      ],
    },
    autoSql: { enabled: false, minTotal: 90, minGrade: 'B', requiresActiveRequest: true },
  },
  onRecycled: 'keep',
};

/** The model a new ledger starts with, as events in the order to append; recorded at `atMs`, in force since 1970. */
export function defaultScoringEvents(atMs: number): (ScoringEvent & { readonly stream: string })[] {
  const occurredAt = new Date(atMs).toISOString();
  const stream = `scoringmodel-${DEFAULT_MODEL_ID}`;
  const version = 1;
  return [
    { stream, type: 'ScoringModelDrafted', data: { occurredAt, ...defaultModel, version } },
    ...(['marketing', 'sales'] as const).map((party) => ({
      stream,
      type: 'ScoringModelApproved' as const,
      data: { occurredAt, version, party, by: 'ledger' },
    })),
    {
      stream,
      type: 'ScoringModelActivated',
      data: { occurredAt, version, effectiveFrom: '1970-01-01T00:00:00.000Z', rescoreExisting: false },
    },
  ];
}
