import {
  EVALUATED,
  LEAD_FLAGS,
  SEGMENT_DIMENSIONS,
  STEP,
  type BehaviourVariant,
  type LeadColumns,
  type ProfileColumns,
  type ScoringHistory,
  type SegmentDimension,
} from '#libs/history/src/scoring-history.js';
import { sharedIndices, sharedU32, sharedU8 } from '#libs/history/src/shared-arrays.js';
import { FIT_FIELDS, SCORED_KINDS, type FactValue, type FitField } from '#libs/scoring/src/facts.js';
import { seededRandom } from './seeded-steps.js';

const DAY_S = 86_400;
const PROFILES = 5000;
/** Half-life of the interest that the truth knows. */
export const TRUE_HALF_LIFE_DAYS = 21;

/**
 * How much each kind of behaviour says of who will buy, per piece and undecayed; what is not here says nothing. Not the points of the
 * default model: there is something to be found.
 */
export const TRUE_WEIGHTS: Readonly<Record<string, number>> = {
  page_view: 0.04, pricing_page: 0.6, newsletter_subscribed: -0.1, email_click: 0.12, whitepaper: 0.15, guide: 0.1,
  webinar_attended: 0.45, case_study: 0.5, product_demo_attended: 0.9, demo_request: 1.1, pricing_request: 1.2,
  contact_sales_request: 1.3, trial_started: 0.8, product_action: 0.35, upgrade_enquiry: 0.7, referral_made: 0.3,
  reply: 0.5, unsubscribe: -1.2, complaint: -2, bounce: -0.7,
}; // prettier-ignore
const TRUE_BASE = -4.1;
const trueFit = (facts: Partial<Record<FitField, FactValue>>): number =>
  (facts.role === 'decision_maker' ? 1 : facts.role === 'influencer' ? 0.4 : 0) +
  (facts['icp.industry'] === 'pass' ? 0.6 : facts['icp.industry'] === 'fail' ? -0.7 : 0) +
  (facts['icp.annualRevenue'] === 'pass' ? 0.4 : 0) +
  (facts['source.channel'] === 'referral' ? 0.7 : facts['source.channel'] === 'social' ? -0.4 : 0) +
  (facts.emailKind === 'free' ? -0.8 : 0) +
  (facts.segment === 'competitor' || facts.segment === 'student' ? -2.5 : 0);

/** How often each kind comes: much looking, little asking. In the order of `SCORED_KINDS`. */
const FREQUENCY: Readonly<Record<string, number>> = {
  page_view: 30, email_open: 18, email_click: 8, guide: 5, whitepaper: 4, pricing_page: 6, newsletter_subscribed: 3,
  webinar_registered: 3, webinar_attended: 2, case_study: 3, product_action: 4, social_engagement: 3, reply: 3,
}; // prettier-ignore
/** What interest makes likelier. */
const WARM = new Set(['pricing_page', 'case_study', 'product_demo_attended', 'demo_request', 'pricing_request', 'contact_sales_request', 'trial_started', 'product_action', 'webinar_attended', 'reply', 'upgrade_enquiry']); // prettier-ignore

export interface GeneratedHistory extends ScoringHistory {
  /** Log odds of each lead to become an SQL, as what it did up to its cut makes them: no model can know more. */
  readonly trueLogit: Float64Array;
}

/**
 * A plausible past as the columns have it, straight into typed arrays: 10 M steps in some seconds. The same arguments give the same
 * arrays. Every lead becomes an SQL with the probability that `trueLogit` says; a mark by a simple score hands it over on the way, and
 * what happens after that is told by how sales liked it – whoever reads beyond the cut, leaks.
 */
export function generatedHistory({
  leads,
  seed = 1,
  stepsPerLead = 10,
  fromS = Date.parse('2024-01-01T00:00:00Z') / 1000,
  days = 730,
}: {
  readonly leads: number;
  readonly seed?: number;
  /** On the average, the capture included. */
  readonly stepsPerLead?: number;
  readonly fromS?: number;
  readonly days?: number;
}): GeneratedHistory {
  const random = seededRandom(seed);
  const { fit, profiles, profileCount } = makeProfiles(random);
  const variants = makeVariants();
  const weights = Float64Array.from(variants, ({ count, kind }) => (TRUE_WEIGHTS[kind] ?? 0) * count);
  const [cold, warm] = [cumulated(variants, 1), cumulated(variants, 4)];

  const firstStep = sharedU32(leads + 1);
  for (let lead = 0; lead < leads; lead++) {
    // Few do much: exponentially many behaviours beside the capture.
    const behaviours = Math.min(400, Math.floor(-Math.log(1 - random()) * (stepsPerLead - 0.5)));
    firstStep[lead + 1] = firstStep[lead]! + 1 + behaviours;
  }
  const count = firstStep[leads]!;
  const steps = {
    count,
    kind: sharedU8(count),
    atS: sharedU32(count),
    occurredAtS: sharedU32(count),
    value: sharedU32(count),
  };
  const columns = () => sharedU32(leads);
  const [cutStep, capturedAtS, mqlAtS, handedOffAtS] = [columns(), columns(), columns(), columns()];
  const [acceptedAtS, rejectedAtS, sqlAtS, wonAtS] = [columns(), columns(), columns(), columns()];
  const flags = sharedU8(leads);
  const profileOf = columns();
  const trueLogit = new Float64Array(leads);
  const untilS = fromS + days * DAY_S;

  for (let lead = 0; lead < leads; lead++) {
    // Half of a lead's interest lies in the person and shows in what it does.
    const isWarm = random() < 0.2;
    const cumulative = isWarm ? warm : cold;
    const profile = 1 + Math.floor(random() ** 2 * (profileCount - 1));
    profileOf[lead] = profile;
    let atS = fromS + Math.floor((random() * days - 0.01) * DAY_S);
    if (atS < fromS) atS = fromS;
    capturedAtS[lead] = atS;
    const [first, end] = [firstStep[lead]!, firstStep[lead + 1]!];
    steps.kind[first] = STEP.facts | EVALUATED;
    steps.atS[first] = steps.occurredAtS[first] = atS;
    steps.value[first] = profile;

    let interest = 0;
    let simpleScore = fit[profile]! * 10;
    let cut = end;
    const meanGapS = (isWarm ? 3 : 9) * DAY_S;
    for (let step = first + 1; step < end; step++) {
      const gapS = Math.floor(-Math.log(1 - random()) * meanGapS);
      if (cut === end) interest *= 2 ** (-gapS / (TRUE_HALF_LIFE_DAYS * DAY_S));
      atS += gapS;
      // Once in fifty somebody tells late.
      const lateS = random() < 0.02 ? Math.floor(random() * 3 * DAY_S) : 0;
      const variant = drawn(cumulative, random());
      steps.kind[step] = STEP.behaviour | EVALUATED;
      steps.atS[step] = atS;
      steps.occurredAtS[step] = atS - lateS;
      steps.value[step] = variant;
      if (cut !== end) continue;
      interest += weights[variant]! * 2 ** (-lateS / (TRUE_HALF_LIFE_DAYS * DAY_S));
      simpleScore += Math.abs(weights[variant]!) * 15;
      if (simpleScore > 45 && atS < untilS) {
        cut = step + 1;
        mqlAtS[lead] = handedOffAtS[lead] = atS;
        flags[lead]! |= LEAD_FLAGS.markedAutomatically;
      }
    }
    cutStep[lead] = cut;
    const logit = TRUE_BASE + fit[profile]! + interest;
    trueLogit[lead] = logit;
    decide(lead, logit, steps.atS[cut - 1]!);
  }

  /** Accepted is easier than SQL; both together leave an SQL exactly the probability of its logit. */
  function decide(lead: number, logit: number, cutS: number): void {
    const likely = logistic(logit);
    const daysLater = (most: number) => Math.floor(random() * most * DAY_S) + 60;
    if (handedOffAtS[lead] === 0) {
      if (random() < likely) sqlAtS[lead] = cutS + 1 + daysLater(20);
    } else {
      const acceptance = logistic(logit + 2);
      const decidedAtS = cutS + daysLater(2);
      if (random() < acceptance) {
        acceptedAtS[lead] = decidedAtS;
        if (random() < likely / acceptance) sqlAtS[lead] = decidedAtS + daysLater(25);
      } else rejectedAtS[lead] = decidedAtS;
    }
    if (sqlAtS[lead] !== 0 && random() < 0.25) wonAtS[lead] = sqlAtS[lead]! + daysLater(60);
  }

  const { dimensions, dimensionValues } = segmentsOf(leads, profiles, profileOf, random);
  return {
    position: 'generated',
    leads: {
      count: leads,
      leadIds: Array.from({ length: leads }, (_, n) => `lead-${n}`),
      firstStep, cutStep, capturedAtS, mqlAtS, handedOffAtS, acceptedAtS, rejectedAtS, sqlAtS, wonAtS, flags, dimensions, dimensionValues,
    },
    steps,
    variants,
    profiles,
    trueLogit,
  }; // prettier-ignore
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

function makeVariants(): BehaviourVariant[] {
  const topics = ['pricing', 'integration', 'security', 'onboarding'];
  return SCORED_KINDS.flatMap((kind): BehaviourVariant[] => {
    if (kind === 'reply')
      return (['positive', 'neutral', 'negative', 'opt_out'] as const).map((sentiment) => ({
        kind,
        count: 1,
        more: { channel: 'email', sentiment },
      }));
    if (kind === 'page_view' || kind === 'product_action') return [1, 2, 3].map((count) => ({ kind, count }));
    if (kind === 'guide' || kind === 'whitepaper' || kind === 'webinar_attended')
      return topics.map((topicCode) => ({ kind, count: 1, more: { topicCode } }));
    return [{ kind, count: 1 }];
  });
}

function cumulated(variants: readonly BehaviourVariant[], warmth: number): Float64Array {
  let sum = 0;
  return Float64Array.from(variants, ({ kind }) => {
    const alike = variants.filter((one) => one.kind === kind).length;
    sum += ((FREQUENCY[kind] ?? 1) * (WARM.has(kind) ? warmth : 1)) / alike;
    return sum;
  });
}

function drawn(cumulative: Float64Array, random: number): number {
  const point = random * cumulative.at(-1)!;
  let at = 0;
  while (cumulative[at]! <= point) at++;
  return at;
}

/** Values by field with how often each comes (as often as it stands here); undefined: not known. */
const DRAWN: { readonly [F in FitField]?: readonly (FactValue | undefined)[] } = {
  role: [undefined, undefined, 'decision_maker', 'influencer', 'user', 'user', 'gatekeeper'],
  leadType: ['new_business', 'new_business', 'new_business', 'existing_customer'],
  country: ['DE', 'DE', 'BR', 'FR', 'US', undefined],
  emailKind: ['company', 'company', 'free', undefined],
  segment: [...Array.from({ length: 17 }, () => undefined), 'competitor', 'student', 'partner'],
  captureMethod: ['form', 'landing_page', 'api', 'event', 'trial_signup'],
  'source.channel': ['search', 'search', 'social', 'email', 'referral', 'direct', 'outbound'],
  'source.code': ['organic_search', 'paid_search', 'social', 'email', 'display', 'unknown'],
  'source.campaignId': [
    ...Array.from({ length: 4 }, () => undefined),
    ...Array.from({ length: 12 }, (_, n) => `c${n}`),
  ],
  'interest.kind': ['passive', 'passive', 'active', 'none'],
  buyingIntent: [undefined, undefined, undefined, 'low', 'medium', 'high'],
  personaId: [undefined, undefined, 'p1', 'p2'],
  'icp.industry': [undefined, undefined, 'pass', 'pass', 'fail'],
  'icp.annualRevenue': [undefined, undefined, 'pass', 'fail'],
  'icp.employees': [undefined, undefined, 'pass', 'fail'],
  'firmographics.industry': [undefined, undefined, 'software', 'logistics', 'retail'],
  'firmographics.employees': [undefined, undefined, 5, 40, 200, 900],
  'qualification.need': [undefined, undefined, undefined, undefined, 'yes', 'unknown'],
};

function makeProfiles(random: () => number): { profiles: ProfileColumns; fit: Float64Array; profileCount: number } {
  const names = Object.keys(FIT_FIELDS) as FitField[];
  const count = PROFILES + 1;
  const [fields, values] = [{}, {}] as [Record<string, Uint8Array>, Record<string, (FactValue | undefined)[]>];
  for (const name of names) {
    values[name] = [undefined, ...new Set((DRAWN[name] ?? []).filter((value) => value !== undefined))];
    if (name === 'personaMatched') values[name].push(true);
    fields[name] = sharedIndices(count, values[name].length) as Uint8Array;
  }
  const fit = new Float64Array(count);
  // Profile 0 knows nothing.
  for (let profile = 1; profile < count; profile++) {
    const facts: Partial<Record<FitField, FactValue>> = {};
    for (const name of names) {
      const drawing = DRAWN[name];
      const value = drawing?.[Math.floor(random() * drawing.length)];
      if (value !== undefined) facts[name] = value;
    }
    if (facts.personaId !== undefined) facts.personaMatched = true;
    for (const name of names) fields[name]![profile] = values[name]!.indexOf(facts[name]);
    fit[profile] = trueFit(facts);
  }
  const profiles = { count, fields, values } as unknown as ProfileColumns;
  return { profiles, fit, profileCount: count };
}

const FIELD_OF: Readonly<Record<SegmentDimension, FitField | null>> = {
  source: 'source.code', channel: 'source.channel', campaign: 'source.campaignId', country: 'country', leadType: 'leadType',
  captureMethod: 'captureMethod', team: null, owner: null,
}; // prettier-ignore

function segmentsOf(
  leads: number,
  profiles: ProfileColumns,
  profileOf: Uint32Array,
  random: () => number,
): Pick<LeadColumns, 'dimensions' | 'dimensionValues'> {
  const dimensions = {} as Record<SegmentDimension, Uint32Array>;
  const dimensionValues = {} as Record<SegmentDimension, readonly (string | null)[]>;
  for (const name of SEGMENT_DIMENSIONS) {
    const column = sharedU32(leads);
    dimensions[name] = column;
    const field = FIELD_OF[name];
    if (field === null) {
      const size = name === 'team' ? 3 : 13;
      dimensionValues[name] = [null, ...Array.from({ length: size - 1 }, (_, n) => `${name}${n + 1}`)];
      for (let lead = 0; lead < leads; lead++) column[lead] = Math.floor(random() * size);
      continue;
    }
    dimensionValues[name] = profiles.values[field].map((value) => (value === undefined ? null : String(value)));
    const codes = profiles.fields[field];
    for (let lead = 0; lead < leads; lead++) column[lead] = codes[profileOf[lead]!]!;
  }
  return { dimensions, dimensionValues };
}
