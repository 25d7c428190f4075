/**
 * Every field that a rule may read, with its type. Fit rules read what is known of the person and the company (spec §5.2
 * "explicit"); behaviour rules read fields of the behaviour itself. None is personal data: a replay reads them without any key.
 * A value that is not known is missing; no operator but `missing` holds on it.
 */
export interface Field {
  readonly type: 'text' | 'number' | 'flag';
  /** All values there are, where they are fixed. */
  readonly values?: readonly string[];
  /** Company data: a lead of which neither the role nor any of these is known has grade U. */
  readonly firmographic?: true;
}

const text: Field = { type: 'text' };
const number: Field = { type: 'number' };
const oneOf = (...values: string[]): Field => ({ type: 'text', values });
const judged: Field = oneOf('pass', 'fail');
const company = (field: Field): Field => ({ ...field, firmographic: true });
const answer = oneOf('yes', 'no', 'unknown');

export const FIT_FIELDS = {
  role: oneOf('decision_maker', 'influencer', 'user', 'gatekeeper'),
  leadType: text,
  /** ISO 3166, two letters. */
  country: text,
  region: text,
  /** `free`: a mailbox anybody can open; `company`: any other domain. */
  emailKind: oneOf('free', 'company'),
  /** What kind of organisation or person it is besides a buyer: `competitor`, `student` or a code of the organisation's own. */
  segment: text,
  captureMethod: text,
  'source.channel': text,
  'source.code': text,
  'source.campaignId': text,
  'interest.kind': oneOf('passive', 'active', 'none'),
  'interest.request': oneOf('demo', 'pricing', 'contact', 'other'),
  'interest.productLine': text,
  /** Set when the lead is linked to an account. */
  accountId: text,
  personaId: text,
  /** True when a persona is assigned. */
  personaMatched: { type: 'flag' },
  journeyStage: oneOf('awareness', 'consideration', 'decision'),
  challengeCode: text,
  buyingIntent: oneOf('none', 'low', 'medium', 'high'),
  'icp.result': judged,
  /** By criterion: whether the company lies inside what the ICP asks; unknown ones are missing. */
  'icp.industry': company(judged),
  'icp.annualRevenue': company(judged),
  'icp.employees': company(judged),
  'icp.region': judged,
  'firmographics.industry': company(text),
  'firmographics.employees': company(number),
  /** In minor units of its currency. */
  'firmographics.annualRevenueMinor': company(number),
  'firmographics.annualRevenueCurrency': company(text),
  'qualification.interest': answer,
  'qualification.need': answer,
  'qualification.budget': answer,
  'qualification.authority': answer,
  'qualification.timing': answer,
} as const satisfies Record<string, Field>;
export type FitField = keyof typeof FIT_FIELDS;

export const BEHAVIOUR_FIELDS = {
  topicCode: text,
  contentId: text,
  campaignId: text,
  count: number,
  /** Of a reply. */
  channel: text,
  sentiment: oneOf('positive', 'neutral', 'negative', 'opt_out'),
} as const satisfies Record<string, Field>;
export type BehaviourField = keyof typeof BEHAVIOUR_FIELDS;

export type FactValue = string | number | boolean;
/** What is known of one lead; a field that is not there is not known. */
export type Facts = { readonly [F in FitField]?: FactValue };

/** Kinds of behaviour that a rule may count: those of BehaviourRecorded, and `reply` for LeadResponded. */
export const SCORED_KINDS = [
  'page_view', 'pricing_page', 'newsletter_subscribed', 'email_open', 'email_click', 'whitepaper', 'guide',
  'webinar_registered', 'webinar_attended', 'case_study', 'product_demo_attended', 'demo_request', 'pricing_request',
  'contact_sales_request', 'trial_started', 'product_action', 'upgrade_enquiry', 'social_engagement', 'referral_made',
  'unsubscribe', 'complaint', 'bounce', 'reply',
] as const; // prettier-ignore
export type ScoredKind = (typeof SCORED_KINDS)[number];

/** Attributes of a person that may be stored but never scored (spec §9.2), however the field is written. */
const PROTECTED = new Set(['age', 'birthyear', 'birthdate', 'dateofbirth', 'birthday', 'gender', 'sex']);
export const isProtected = (field: string): boolean =>
  PROTECTED.has(
    field
      .slice(field.lastIndexOf('.') + 1)
      .replaceAll(/[_-]/g, '')
      .toLowerCase(),
  );

const FIRMOGRAPHIC = (Object.keys(FIT_FIELDS) as FitField[]).filter(
  (field) => (FIT_FIELDS[field] as Field).firmographic === true,
);

/** Whether enough is known to grade the fit at all: the role or any company data (spec §5.2). */
export const isGradable = (facts: Facts): boolean =>
  facts.role !== undefined || FIRMOGRAPHIC.some((field) => facts[field] !== undefined);
