import type { Actor, Role } from '#libs/lead/src/commands.js';
import { defaultPipeline } from '#libs/policy/src/defaults.js';
import type { CalendarDocument, IcpDocument, PipelineDocument, TeamDocument } from '#libs/policy/src/documents.js';
import type { PersonaDocument } from '#libs/policy/src/persona.js';
import { defaultModel } from '#libs/scoring/src/default-model.js';
import type { ScoringModelDocument } from '#libs/scoring/src/model.js';
import { berlinHolidays, newYorkHolidays } from './holidays.js';

/** The company of the demo: who works there, how it sells, and by which rules. Nothing here happens; it only is so. */

export const CURRENCY = 'EUR';
/** New ones in a common week: as many as keep the sellers busy. */
export const LEADS_PER_DAY = 3.5;

export const OFFICES = {
  berlin: { teamId: 'berlin', name: 'Sales Berlin', timeZone: 'Europe/Berlin', holidays: berlinHolidays },
  newyork: { teamId: 'newyork', name: 'Sales New York', timeZone: 'America/New_York', holidays: newYorkHolidays },
} as const;
export type Office = keyof typeof OFFICES;

const MONDAY_TO_FRIDAY = [1, 2, 3, 4, 5];
const hours = (from: string, to: string) => MONDAY_TO_FRIDAY.map((weekday) => ({ weekday, from, to }));

export function calendars(years: readonly number[]): Record<string, CalendarDocument> {
  return Object.fromEntries(
    Object.entries(OFFICES).flatMap(([office, { holidays, timeZone }]) => {
      const closed = { timeZone, holidays: years.flatMap(holidays), exceptions: [] };
      return [
        [`office-${office}`, { ...closed, weekly: hours('09:00', '17:00') }],
        [`weekdays-${office}`, { ...closed, weekly: hours('00:00', '24:00') }],
      ];
    }),
  );
}

const clockCalendars = (office: Office): NonNullable<TeamDocument['clockCalendars']> => ({
  handoff_response: `office-${office}`,
  first_contact: `weekdays-${office}`,
  contact_cadence: `office-${office}`,
  recycle_reengagement: `office-${office}`,
});
export const TEAMS: Readonly<Record<string, TeamDocument>> = {
  ...Object.fromEntries(
    (Object.keys(OFFICES) as Office[]).map((office) => [
      OFFICES[office].teamId,
      {
        name: OFFICES[office].name,
        function: 'sales' as const,
        agreementId: 'standard',
        calendarId: `office-${office}`,
        timeZone: OFFICES[office].timeZone,
        clockCalendars: clockCalendars(office),
      },
    ]),
  ),
  marketing: {
    name: 'Marketing',
    function: 'marketing',
    agreementId: 'standard',
    calendarId: 'office-berlin',
    timeZone: 'Europe/Berlin',
    clockCalendars: clockCalendars('berlin'),
  },
};

export interface Seller {
  readonly repId: string;
  readonly office: Office;
  readonly weeklyLeadCapacity: number;
  readonly skills: readonly string[];
  /** Share of two years after which this person comes, and goes. */
  readonly from: number;
  readonly to: number;
  /** Closes more or fewer deals than the others. */
  readonly luck: number;
  readonly successor?: string;
}
const seller = (repId: string, office: Office, luck: number, more: Partial<Seller> = {}): Seller => ({
  repId,
  office,
  luck,
  weeklyLeadCapacity: 12,
  skills: ['saas'],
  from: 0,
  to: Infinity,
  ...more,
});
export const SELLERS: readonly Seller[] = [
  seller('anna.krueger', 'berlin', 1.15, { skills: ['saas', 'manufacturing'] }),
  seller('emre.yildiz', 'berlin', 1, { skills: ['logistics'] }),
  seller('jonas.weber', 'berlin', 0.9, { to: 0.42, successor: 'sofia.lindqvist' }),
  seller('sofia.lindqvist', 'berlin', 1.05, { from: 0.3, skills: ['healthcare', 'retail'] }),
  seller('marc.dubois', 'berlin', 1, { from: 0.55, weeklyLeadCapacity: 10 }),
  seller('grace.oconnor', 'newyork', 1.1, { skills: ['saas', 'finance'] }),
  seller('daniel.ortiz', 'newyork', 0.85, { to: 0.71, successor: 'grace.oconnor' }),
  seller('maya.patel', 'newyork', 1.05, { from: 0.6, skills: ['finance', 'healthcare'] }),
];

const person = (role: Role, id: string, teams: readonly string[] = []): Actor => ({ type: 'user', id, role, teams });
export const sellerActor = ({ office, repId }: Seller): Actor => person('sales', repId, [OFFICES[office].teamId]);
export const MANAGERS: Readonly<Record<Office, Actor>> = {
  berlin: person('sales_manager', 'katrin.hofmann', [OFFICES.berlin.teamId]),
  newyork: person('sales_manager', 'robert.chen', [OFFICES.newyork.teamId]),
};
export const MARKETER = person('marketing', 'lena.vogt', ['marketing']);
export const OPS = person('ops', 'tomasz.nowak');
export const OPS_LEAD = 'ines.ferreira';
export const ADMIN = person('admin', 'ines.ferreira');
/** The company's web site, mail tool and data provider. */
export const WEBSITE: Actor = { type: 'integration', id: 'website', role: 'integration', teams: [] };
export const MAILER: Actor = { type: 'integration', id: 'mail-tool', role: 'integration', teams: [] };
export const ENRICHMENT: Actor = { type: 'integration', id: 'company-data', role: 'integration', teams: [] };

export const INDUSTRIES = ['software', 'manufacturing', 'logistics', 'healthcare', 'retail', 'finance'] as const;
/** Not served: a hard criterion of the profile. */
export const FOREIGN_INDUSTRIES = ['gambling', 'public_sector'] as const;

export const ICP: IcpDocument = {
  industries: [...INDUSTRIES],
  minAnnualRevenue: { amountMinor: 500_000_000, currency: CURRENCY },
  employees: { min: 30, max: 5000 },
  regions: ['DE', 'AT', 'CH', 'NL', 'FR', 'GB', 'SE', 'US', 'CA'],
  profitGoal: 'Companies that stay for three years and grow their plan once.',
  hardCriteria: ['industry'],
};

const persona = (name: string, roles: PersonaDocument['roles'], goals: string[]): PersonaDocument => ({
  icpId: 'default',
  name,
  traits: [],
  goals,
  roles,
  journeyNeeds: {
    awareness: 'What the problem costs',
    consideration: 'How others solved it',
    decision: 'What it takes to start',
  },
});
export const PERSONAS = {
  'operations-olga': persona('Operations Olga', ['decision_maker'], ['Fewer surprises at the end of the month']),
  'it-ivan': persona('IT Ivan', ['influencer', 'gatekeeper'], ['One system less to run']),
  'team-lead-tina': persona('Team lead Tina', ['user', 'influencer'], ['An hour a day back']),
} as const;
export type PersonaId = keyof typeof PERSONAS;

export const CHALLENGES = ['manual_work', 'no_overview', 'missed_deadlines', 'growing_costs', 'old_system'] as const;

const track = (
  trackId: string,
  kind: PipelineDocument['tracks'][number]['kind'],
  more: Partial<PipelineDocument['tracks'][number]> = {},
): PipelineDocument['tracks'][number] => ({
  trackId,
  kind,
  name: trackId.replaceAll('-', ' '),
  segmentId: 'mid-market',
  journeyStage: 'awareness',
  challengeCode: 'manual_work',
  steps: [],
  ...more,
});
const TRACKS: PipelineDocument['tracks'] = [
  track('know-your-numbers', 'education'),
  track('from-lists-to-system', 'problem_solution', { challengeCode: 'no_overview', journeyStage: 'consideration' }),
  track('stay-in-touch', 'reengagement', { journeyStage: 'consideration' }),
  track('company-letter', 'account'),
];

/** Handing over is a person's act here; the office is chosen by country. */
export const pipeline: PipelineDocument = {
  ...defaultPipeline,
  autoHandoff: false,
  defaultTeamId: OFFICES.berlin.teamId,
  decisionMakerLeft: 'return',
  tracks: TRACKS,
};
/** After a year the proposal has a stage of its own pace. */
export const secondPipeline: PipelineDocument = {
  ...pipeline,
  dealStages: pipeline.dealStages.map((stage) =>
    stage.code === 'meeting_booked' ? { ...stage, winProbability: 0.35, staleDays: 10 } : stage,
  ),
};

/** Agreed after the bad quarter: more for what buyers do, less for reading. */
export const secondModel: ScoringModelDocument = {
  ...defaultModel,
  name: 'After the review: intent before reading',
  behaviour: defaultModel.behaviour.map((rule) =>
    rule.id === 'guide' || rule.id === 'whitepaper'
      ? { ...rule, points: 6 }
      : rule.id === 'pricing_page'
        ? { ...rule, points: 12, cap: 36 }
        : rule,
  ),
  thresholds: { ...defaultModel.thresholds, mql: { minTotal: 62, minGrade: 'C' } },
};

export interface Campaign {
  readonly campaignId: string;
  readonly name: string;
  readonly purpose: 'attract' | 'convert' | 'reengage';
  readonly channel: 'search' | 'social' | 'email' | 'event' | 'partner';
  /** Shares of the two years. */
  readonly from: number;
  readonly to: number;
  readonly weeklyCost: number;
}
const campaign = (
  campaignId: string,
  purpose: Campaign['purpose'],
  channel: Campaign['channel'],
  [from, to]: readonly [number, number],
  weeklyCost: number,
): Campaign => ({ campaignId, name: campaignId.replaceAll('-', ' '), purpose, channel, from, to, weeklyCost });
export const CAMPAIGNS: readonly Campaign[] = [
  campaign('search-always-on', 'attract', 'search', [0.005, Infinity], 1900),
  campaign('guide-month-end', 'attract', 'social', [0.02, 0.2], 650),
  campaign('spring-webinar', 'convert', 'event', [0.12, 0.18], 1200),
  campaign('partner-days', 'attract', 'partner', [0.18, 0.55], 450),
  campaign('autumn-fair', 'attract', 'event', [0.28, 0.31], 5200),
  campaign('cost-calculator', 'convert', 'social', [0.3, 0.62], 780),
  campaign('winter-letters', 'reengage', 'email', [0.4, 0.6], 220),
  campaign('second-webinar', 'convert', 'event', [0.56, 0.62], 1300),
  campaign('customer-stories', 'convert', 'social', [0.6, Infinity], 820),
  campaign('new-york-breakfast', 'attract', 'event', [0.66, 0.7], 3900),
  campaign('autumn-fair-again', 'attract', 'event', [0.8, 0.83], 5600),
  campaign('come-back', 'reengage', 'email', [0.82, Infinity], 260),
];
