import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { AlertFinding } from './alert.js';
import { conditionRule } from './alert-conditions.js';
import type { ReviewBook } from './review.js';

const DAY_MS = 86_400_000;
const FOUR_PLACES = 10_000;

/**
 * Reviews that a sales team owes and the meeting that marketing and sales owe each other (EP-15, §8.5). Before the first of
 * them time runs from `sinceMs`, when this ledger was set up: nobody could have held one before.
 */
export function reviewFindings(
  reviews: ReviewBook,
  policies: PolicyBook,
  sinceMs: number,
  nowMs: number,
): AlertFinding[] {
  const overdue = (
    condition: 'review_overdue' | 'alignment_overdue',
    key: string,
    lastMs: number | null,
    what: string,
  ): AlertFinding => {
    const { threshold } = conditionRule(policies, condition, nowMs);
    const ageMs = nowMs - Math.max(lastMs ?? sinceMs, sinceMs);
    const value = Math.round((ageMs / DAY_MS) * FOUR_PLACES) / FOUR_PLACES;
    const last = lastMs === null ? 'there has been none yet' : `the last was ${new Date(lastMs).toISOString()}`;
    return {
      key,
      condition,
      failing: ageMs > threshold * DAY_MS,
      value,
      threshold,
      n: 0,
      windowDays: 0,
      text: `${what} is due every ${threshold} days: ${last}.`,
      drill: null,
    };
  };
  const [meeting] = reviews.meetings();
  return [
    ...policies
      .teams(nowMs)
      .filter((team) => team.function === 'sales' || team.function === 'sdr')
      .map(({ teamId }) =>
        overdue(
          'review_overdue',
          `review_overdue.${teamId}`,
          reviews.lastCompletedMs(teamId),
          `A pipeline review of team ${teamId}`,
        ),
      ),
    overdue(
      'alignment_overdue',
      'alignment_overdue',
      meeting === undefined ? null : Date.parse(meeting.occurredAt),
      'A meeting of marketing and sales about their agreement',
    ),
  ];
}
