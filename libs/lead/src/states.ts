/** Spec §3.1. MERGED is terminal; the five off-funnel states have no rank. */
export const LEAD_STATES = [
  'SUBSCRIBER',
  'LEAD',
  'PROSPECT',
  'MQL',
  'SAL',
  'SQL',
  'OPPORTUNITY',
  'CUSTOMER',
  'RECYCLED',
  'LOST',
  'DISQUALIFIED',
  'JUNK',
  'MERGED',
] as const;
export type LeadStateName = (typeof LEAD_STATES)[number];

/** The mandatory ladder, in order: a lead in a later one has *reached* every earlier one (spec §3.1, §7.0). */
export const LADDER = ['LEAD', 'MQL', 'SAL', 'SQL', 'OPPORTUNITY', 'CUSTOMER'] as const;
export type LadderState = (typeof LADDER)[number];

export const RANK: Readonly<Record<LeadStateName, number>> = {
  SUBSCRIBER: 0,
  LEAD: 1,
  PROSPECT: 2,
  MQL: 3,
  SAL: 4,
  SQL: 5,
  OPPORTUNITY: 6,
  CUSTOMER: 7,
  RECYCLED: 0,
  LOST: 0,
  DISQUALIFIED: 0,
  JUNK: 0,
  MERGED: 0,
};

/** States from which a forward entry begins a new cycle (spec §3.2 `cycleNo`). */
export const CYCLE_ENDING: ReadonlySet<LeadStateName> = new Set([
  'RECYCLED',
  'LOST',
  'DISQUALIFIED',
  'JUNK',
  'CUSTOMER',
]);
