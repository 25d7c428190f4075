import type { LeadState } from './state.js';
import { RANK } from './states.js';

/** Fields that somebody who works a lead needs (spec 7.26). */
const DETAILS = ['givenName', 'familyName', 'email', 'phone', 'jobTitle', 'companyName', 'country'] as const;

/** Required fields of the lead's state that are not filled; from PROSPECT on goal and challenge are among them. */
export function missingFields(lead: LeadState): string[] {
  return requirements(lead).flatMap(([field, filled]) => (filled ? [] : [field]));
}

/** Share of the required fields that are filled, 0..1 with at most four places. */
export function completenessOf(lead: LeadState): number {
  const asked = requirements(lead);
  return Math.round((asked.filter(([, filled]) => filled).length / asked.length) * 10_000) / 10_000;
}

function requirements(lead: LeadState): (readonly [field: string, filled: boolean])[] {
  const known: (readonly [string, boolean])[] = [
    ...DETAILS.map((field) => [field, (lead.details[field] ?? '') !== ''] as const),
    ['role', lead.role !== 'unknown'],
    ['accountId', lead.accountId !== null],
  ];
  const asksGoal = lead.twoWaySinceMs !== null || (lead.state !== null && RANK[lead.state] >= RANK.PROSPECT);
  return asksGoal ? [...known, ['goal', lead.goal !== null]] : known;
}
