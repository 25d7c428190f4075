import type { Column, Table } from './table.js';

/**
 * What scoring sees of the leads, change by change (spec §5.4, §9.3). `SCORING_STEPS` has them in the order of the log; captures,
 * judged companies and moves have tables of their own, whose rows come in the same order as the steps that stand for them.
 */

/** Values of facts: text, numbers and flags as rules compare them. */
export const FACTS = 'fact';
/** Behaviours as rules tell them apart: the kind, or as JSON with its count and what else is known. */
export const BEHAVIOURS = 'behaviour';
export const STEP_KINDS = 'scoring_step';
export const FIELDS = 'scoring_field';
export const STATES = 'state';
export const MOVES = 'move';

/** What a step of `SCORING_STEPS` tells. */
export type ScoringStepKind =
  | 'captured'
  | 'behaviour'
  | 'fact'
  | 'account'
  | 'company'
  | 'consent'
  /** Something that is evaluated without having told anything new. */
  | 'touched'
  | 'moved'
  | 'owner'
  | 'team'
  | 'scored'
  /** A merge, correction or void: what was told of behaviours and moves is told again by the rows that follow. */
  | 'behaviours_forgotten'
  | 'returned_again'
  | 'moves_forgotten'
  | 'moved_again'
  | 'consents_forgotten'
  | 'state'
  | 'captured_again';

/** Bits of `command`. */
export const COMMAND = {
  /** First row of its command: rows up to the next such one were appended together. */
  starts: 1,
  /** The command is followed by an evaluation, unless it was imported. */
  scores: 2,
  imported: 4,
} as const;

const lead: Column = { name: 'lead', type: 'lead', about: 'The lead.' };
const fact = (name: string, about: string): Column => ({ name, type: 'code', dictionary: FACTS, about });

export const SCORING_STEPS: Table = {
  name: 'scoring_steps',
  about: 'Every change of what scoring sees of a lead, and every recorded score, in the order of the log.',
  columns: [
    lead,
    { name: 'step', type: 'code', dictionary: STEP_KINDS, about: 'What it tells.' },
    {
      name: 'command',
      type: 'u8',
      about: 'Bits: 1 first row of its command, 2 followed by an evaluation, 4 imported history.',
    },
    {
      name: 'field',
      type: 'code',
      dictionary: FIELDS,
      about: 'Of a fact: which; of a consent: its purpose.',
    },
    fact('value', 'Of a fact: what it is now, none: not known; of a consent: whether it is granted; of a state told again: its name.'), // prettier-ignore
    { name: 'behaviour', type: 'code', dictionary: BEHAVIOURS, about: 'Of a behaviour: its kind, count and what else is known of it.' }, // prettier-ignore
    { name: 'occurredAtS', type: 'u32', about: 'When it happened, whole seconds since 1970.' },
    { name: 'availableAtS', type: 'u32', about: 'From when on it counts, whole seconds since 1970.' },
    { name: 'nth', type: 'u32', about: 'Of a move told again: which of the moves of the lead, from 1. Else 0.' },
  ],
};

/** Columns from `role` on are facts by their names in `CAPTURED_FACTS`. */
export const SCORING_CAPTURES: Table = {
  name: 'scoring_captures',
  about: 'What was known of each lead when it was captured; one row a lead.',
  columns: [
    lead,
    { name: 'state', type: 'code', dictionary: STATES, about: 'State it began in.' },
    { name: 'consents', type: 'u8', about: 'Granted at once; bits: 1 email_marketing, 2 phone, 4 profiling, 8 sharing.' },
    { name: 'imported', type: 'u8', about: '1: by an import.' },
    fact('owner', 'Owner.'),
    fact('team', 'Team.'),
    fact('role', 'In the buying decision.'),
    fact('leadType', 'Type of lead.'),
    fact('country', 'ISO 3166, two letters.'),
    fact('region', 'Region as given.'),
    fact('emailKind', 'free or company.'),
    fact('captureMethod', 'Way in.'),
    fact('channel', 'Class of the source.'),
    fact('source', 'The organisation’s own source code.'),
    fact('campaign', 'Campaign.'),
    fact('interestKind', 'passive, active or none.'),
    fact('interestRequest', 'What was asked for.'),
    fact('interestProductLine', 'Product line of interest.'),
    fact('account', 'Account it was linked to at once.'),
  ],
}; // prettier-ignore

export const SCORING_COMPANIES: Table = {
  name: 'scoring_companies',
  about: 'Every assessment of a lead’s company against the ideal customer profile.',
  columns: [
    lead,
    { name: 'failsHard', type: 'u8', about: '1: fails a criterion that may not be failed.' },
    fact('result', 'pass or fail; none: unknown.'),
    fact('industryFits', 'pass or fail; none: unknown.'),
    fact('annualRevenueFits', 'pass or fail; none: unknown.'),
    fact('employeesFit', 'pass or fail; none: unknown.'),
    fact('regionFits', 'pass or fail; none: unknown.'),
    fact('industry', 'Industry it was judged on.'),
    fact('employees', 'Headcount it was judged on.'),
    fact('annualRevenueMinor', 'Annual revenue it was judged on, in minor units.'),
    fact('annualRevenueCurrency', 'Currency of the annual revenue.'),
  ],
};

/** How a move bears on what follows; bits of `how`. */
export const HOW = {
  /** A mark by the ledger itself. */
  automatic: 1,
  /** Skipped the acceptance of an open offer: as good as accepted. */
  accepts: 2,
} as const;

export const SCORING_MOVES: Table = {
  name: 'scoring_moves',
  about: 'Every move of a lead from one state to another, and every offer to sales.',
  columns: [
    lead,
    { name: 'move', type: 'code', dictionary: MOVES, about: 'Type of the event.' },
    { name: 'fromState', type: 'code', dictionary: STATES, about: 'State before.' },
    { name: 'toState', type: 'code', dictionary: STATES, about: 'State after; of an offer to sales: the same.' },
    { name: 'cycleNo', type: 'u32', about: 'Cycle of the lead; 0 of an offer to sales: that of the move before it.' },
    { name: 'how', type: 'u8', about: 'Bits: 1 marked by the ledger itself, 2 accepts an open offer.' },
    fact('owner', 'Owner from then on.'),
    fact('team', 'Team from then on.'),
    { name: 'occurredAtS', type: 'u32', about: 'When, whole seconds since 1970.' },
  ],
};

export const SCORING_SCORES: Table = {
  name: 'scoring_scores',
  about: 'Every score the ledger recorded (LeadScored); points in thousandths.',
  columns: [
    lead,
    { name: 'evaluatedAt', type: 'instant', about: 'When it was evaluated.' },
    { name: 'model', type: 'code', dictionary: 'model', about: 'Scoring model.' },
    { name: 'version', type: 'u32', about: 'Version of the model.' },
    { name: 'total', type: 'f64', about: 'All points.' },
    { name: 'fit', type: 'f64', about: 'Points of the fit rules.' },
    { name: 'engagement', type: 'f64', about: 'Points of behaviour.' },
    { name: 'penalties', type: 'f64', about: 'Points taken, at most 0.' },
    { name: 'grade', type: 'code', dictionary: 'grade', about: 'A, B, C, D or U.' },
    { name: 'band', type: 'code', dictionary: 'band', about: 'cold, warm or hot.' },
    { name: 'cause', type: 'code', dictionary: 'score_cause', about: 'event, merge or model_activated.' },
  ],
};

/** What `buildScoringHistory` reads. */
export const REPLAYED_TABLES: readonly Table[] = [SCORING_STEPS, SCORING_CAPTURES, SCORING_COMPANIES, SCORING_MOVES];
export const SCORING_TABLES: readonly Table[] = [...REPLAYED_TABLES, SCORING_SCORES];
