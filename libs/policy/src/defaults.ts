import type {
  AgreementDocument,
  CalendarDocument,
  ConfigEvent,
  ConfigEventType,
  IcpDocument,
  PipelineDocument,
  TeamDocument,
} from './documents.js';

const HOUR_S = 3600;
const DAY_S = 86_400;
/** In force since ever, so that history can be worked and imported too. */
const ALWAYS = '1970-01-01T00:00:00.000Z';

const daily = (weekdays: number[], from: string, to: string) => weekdays.map((weekday) => ({ weekday, from, to }));
const mondayToFriday = [1, 2, 3, 4, 5];
const calendar = (timeZone: string, weekly: CalendarDocument['weekly']): CalendarDocument => ({
  timeZone,
  weekly,
  holidays: [],
  exceptions: [],
});

const escalations = [
  { level: 3, afterDueOpenS: 8 * HOUR_S, toRole: 'sales_manager', alsoTo: ['marketing'] },
  { level: 4, afterDueOpenS: 40 * HOUR_S, toRole: 'ops' },
];

/** Spec §6.1, §6.5, §6.7, §6.8 and the acceptance target of §1; the ten terms are those of spec §6.9. */
export const standardAgreement: AgreementDocument = {
  definitions: [
    { term: 'goals', text: 'What both teams promise each other, below.' },
    { term: 'lifecycle stages', text: 'Subscriber, lead, prospect, MQL, SAL, SQL, opportunity, customer.' },
    { term: 'lead types', text: 'New business and existing customer; each may have its own pipeline.' },
    { term: 'deal stages', text: 'The open steps of the pipeline in force.' },
    { term: 'lead status', text: 'Working label derived from the facts of a lead.' },
    { term: 'score criteria', text: 'Points for fit and behaviour, agreed by both teams.' },
    { term: 'MQL', text: 'Worth handing over by score or agreed criteria.' },
    { term: 'SAL', text: 'Handed over and accepted for working by sales.' },
    { term: 'SQL', text: 'Interest, need, budget and authority confirmed by sales, timing known.' },
    {
      term: 'contact attempt',
      text: 'A one-to-one touch by a person that was not bounced and reached no wrong person.',
    },
  ],
  goals: [
    { metric: 'acceptance_rate', target: 0.9 },
    { metric: 'sla_attainment', target: 0.9 },
  ],
  protocols: [],
  otherSections: [],
  clocks: [
    {
      clockType: 'handoff_response',
      targetOpenS: 8 * HOUR_S,
      warnOpenS: 4 * HOUR_S,
      calendarId: 'office',
      pausable: false,
      escalations,
    },
    {
      clockType: 'first_contact',
      targetOpenS: 48 * HOUR_S,
      warnOpenS: 24 * HOUR_S,
      calendarId: 'weekdays',
      pausable: true,
      escalations,
    },
    { clockType: 'contact_cadence', targetOpenS: 16 * HOUR_S, calendarId: 'office', pausable: true, escalations },
    { clockType: 'recycle_reengagement', targetOpenS: 40 * HOUR_S, calendarId: 'office', pausable: false, escalations },
    { clockType: 'post_sale_followup', targetOpenS: 14 * DAY_S, calendarId: '24x7', pausable: true, escalations },
  ],
  contactAttemptDefinition: {
    channels: ['phone', 'email', 'message', 'social', 'meeting', 'post'],
    oneToOne: true,
    automated: false,
    excludedOutcomes: ['bounced', 'wrong_person'],
  },
  sequences: [
    {
      sequenceId: 'standard',
      attempts: 6,
      overWorkingDays: 10,
      minByChannel: { phone: 2, email: 2 },
      maxGapOpenS: 16 * HOUR_S,
    },
  ],
  lateEvidenceGraceS: DAY_S,
  acceptanceTarget: 0.9,
};

/** `*` in spec §3.4: needs a note. */
const reasons = (codes: string) =>
  codes.split(' ').map((entry) => ({ code: entry.replace('*', ''), needsNote: entry.endsWith('*') }));

/** Spec §3.4 and §3.6. */
export const defaultPipeline: PipelineDocument = {
  leadTypes: [],
  autoHandoff: true,
  requireSAL: true,
  skipRules: ['inbound_hand_raise'],
  opportunityRule: 'deal_opened',
  autoSql: false,
  decayWithdrawal: { enabled: false, hysteresis: 20 },
  recycleCooldownDays: 0,
  qualifiedStage: 'SQL',
  firstContactStop: 'attempt',
  defaultTeamId: 'sales',
  allowForwardStageSkip: false,
  maxHoldDays: 180,
  handRaiseDays: 30,
  // No required fields by default: most entry criteria are facts of people (a challenge, an objections list) that nothing
  // records yet. `entryCriteria` keeps them readable; an organisation enforces its own.
  dealStages: [
    {
      code: 'meeting_booked',
      order: 1,
      journeyStage: 'decision',
      winProbability: 0.4,
      staleDays: 14,
      requiredFields: [],
      entryCriteria: 'meeting date',
    },
    {
      code: 'demo',
      order: 2,
      journeyStage: 'decision',
      winProbability: 0.75,
      typicalDays: 14,
      staleDays: 21,
      requiredFields: [],
      entryCriteria: 'challenge recorded',
    },
    {
      code: 'quote_development',
      order: 3,
      journeyStage: 'decision',
      winProbability: 0.8,
      staleDays: 14,
      requiredFields: [],
      entryCriteria: 'requirements, decision maker verified',
    },
    {
      code: 'quote_presented',
      order: 4,
      journeyStage: 'decision',
      winProbability: 0.85,
      staleDays: 14,
      requiredFields: [],
      entryCriteria: 'proposal with cost, implementation steps, return',
    },
    {
      code: 'negotiation',
      order: 5,
      journeyStage: 'decision',
      winProbability: 0.9,
      staleDays: 14,
      requiredFields: [],
      entryCriteria: 'objections list open',
    },
  ],
  reasonCodes: {
    reject: reasons(
      'icp_mismatch below_threshold bad_data duplicate no_interest_confirmed wrong_contact already_working territory other*',
    ),
    recycle: reasons('timing no_budget_now no_initiative unresponsive needs_education decision_maker_changed other*'),
    loss: reasons('price no_budget competitor no_decision decision_maker_left timing product_gap unresponsive other*'),
    disqualify: reasons(
      'industry_not_served revenue_below_minimum company_too_small no_need no_value_fit no_authority territory competitor student other*',
    ),
    junk: reasons('cold_outreach_no_interest spam fake_details bot no_interaction'),
    return: reasons('decision_maker_left requirements_changed budget_lost value_unverified'),
    hold: reasons('customer_request budget_cycle legal_review internal_capacity other*'),
  },
  staleDays: { SUBSCRIBER: 180, LEAD: 90, PROSPECT: 30, MQL: 5, SAL: 7, SQL: 14, RECYCLED: 90 },
  icpFailure: 'keep',
  decisionMakerLeft: 'propose',
  engagementPolicies: {},
  contactCap: { attempts: 3, days: 7, attemptsPerCycle: 8 },
  tracks: [],
};

/** Asks nothing of a company, so that nobody fails it before an organisation has said whom it wants. */
const anyCompany: IcpDocument = { industries: [], regions: [], hardCriteria: [] };

const teams = (timeZone: string): Record<string, TeamDocument> => ({
  marketing: { name: 'Marketing', function: 'marketing', agreementId: 'standard', calendarId: 'office', timeZone },
  sales: { name: 'Sales', function: 'sales', agreementId: 'standard', calendarId: 'office', timeZone },
});

/**
 * The configuration a new ledger starts with, as events in the order to append; recorded at `atMs`, in force since 1970.
 * `timeZone` is that of the calendars and teams.
 */
export function defaultConfigEvents(
  atMs: number,
  timeZone = 'UTC',
): { stream: string; type: ConfigEventType; data: ConfigEvent['data'] }[] {
  const occurredAt = new Date(atMs).toISOString();
  const active = { occurredAt, version: 1, effectiveFrom: ALWAYS };
  const calendars: Record<string, CalendarDocument> = {
    office: calendar(timeZone, daily(mondayToFriday, '09:00', '17:00')),
    weekdays: calendar(timeZone, daily(mondayToFriday, '00:00', '24:00')),
    '24x7': calendar('UTC', daily([1, 2, 3, 4, 5, 6, 7], '00:00', '24:00')),
  };
  const of = (stream: string, event: ConfigEvent) => ({ stream, ...event });
  return [
    ...Object.entries(calendars).flatMap(([id, document]) => [
      of(`calendar-${id}`, { type: 'CalendarDefined', data: { occurredAt, version: 1, ...document } }),
      of(`calendar-${id}`, { type: 'CalendarActivated', data: active }),
    ]),
    of('agreement-standard', { type: 'AgreementDrafted', data: { occurredAt, version: 1, ...standardAgreement } }),
    ...(['marketing', 'sales'] as const).map((party) =>
      of('agreement-standard', { type: 'AgreementApproved', data: { occurredAt, version: 1, party, by: 'ledger' } }),
    ),
    of('agreement-standard', { type: 'AgreementActivated', data: active }),
    of('pipeline-default', { type: 'PipelineDefined', data: { occurredAt, version: 1, ...defaultPipeline } }),
    of('pipeline-default', { type: 'PipelineActivated', data: active }),
    ...Object.entries(teams(timeZone)).map(([id, team]) =>
      of(`team-${id}`, { type: 'TeamDefined', data: { occurredAt, ...team } }),
    ),
    of('icp-default', { type: 'IcpDrafted', data: { occurredAt, version: 1, ...anyCompany } }),
    ...(['marketing', 'sales'] as const).map((party) =>
      of('icp-default', { type: 'IcpApproved', data: { occurredAt, version: 1, party, by: 'ledger' } }),
    ),
    of('icp-default', { type: 'IcpActivated', data: active }),
  ];
}
