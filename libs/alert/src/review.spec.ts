import { describe, expect, it } from '@jest/globals';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { reviewFindings } from './review-alerts.js';
import {
  decideReview,
  evolveReview,
  initialReview,
  type Review,
  ReviewBook,
  type ReviewCommand,
  type ReviewContext,
  type ReviewEvent,
} from './review.js';

const DAY = 86_400_000;
const NOW = Date.parse('2026-03-02T10:00:00.000Z');
const context: ReviewContext = { nowMs: NOW, by: 'gina', knowsTeam: (id) => id === 'sales', staleLeads: [] };

function given(...commands: ReviewCommand[]): Review {
  return commands.reduce(
    (review, command) => decideReview(review, command, context).reduce(evolveReview, review),
    initialReview('r1'),
  );
}
const schedule: ReviewCommand = { name: 'ScheduleReview', body: { teamId: 'sales' } };
const finding = (leadId: string): ReviewCommand => ({
  name: 'RecordFinding',
  body: { leadId, finding: 'stale', decision: 'keep' },
});
const complete: ReviewCommand = { name: 'CompleteReview', body: {} };

describe('a review', () => {
  it('is complete only once every stale lead is decided about', () => {
    const stale = { ...context, staleLeads: ['a', 'b'] };
    expect(() => decideReview(given(schedule, finding('a')), complete, stale)).toThrow(
      expect.objectContaining({ code: 'REVIEW_INCOMPLETE', facts: { undecidedCount: 1, undecided: ['b'] } }),
    );
    expect(decideReview(given(schedule, finding('a'), finding('b')), complete, stale)).toMatchObject([
      { type: 'ReviewCompleted', data: { itemsReviewed: 2 } },
    ]);
  });

  it('is scheduled once, for a team that is there, and closed to findings once complete', () => {
    const code = (review: Review, command: ReviewCommand): unknown => {
      try {
        return decideReview(review, command, context);
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code(given(schedule), schedule)).toBe('REVIEW_EXISTS');
    expect(code(given(), { name: 'ScheduleReview', body: { teamId: 'north' } })).toBe('UNKNOWN_TEAM');
    expect(code(given(), complete)).toBe('REVIEW_NOT_FOUND');
    expect(code(given(schedule, complete), finding('a'))).toBe('INVALID_TRANSITION');
    const meeting = { attendees: ['sales'], topics: [], agreementChangesProposed: 0 };
    const tomorrow = new Date(NOW + DAY).toISOString();
    expect(code(given(), { name: 'HoldAlignmentMeeting', body: { ...meeting, occurredAt: tomorrow } })).toBe(
      'OCCURRED_IN_FUTURE',
    );
  });
});

describe('what is overdue', () => {
  const policies = new PolicyBook();
  for (const event of defaultConfigEvents(0)) policies.apply(event);
  const overdue = (events: [stream: string, ReviewEvent][], sinceMs: number, nowMs: number): string[] => {
    const book = new ReviewBook();
    for (const [stream, event] of events) book.apply({ stream, ...event });
    return reviewFindings(book, policies, sinceMs, nowMs).flatMap(({ failing, key }) => (failing ? key : []));
  };
  const at = (ms: number): string => new Date(ms).toISOString();

  it('is a review after seven days and a meeting after thirty, counted from the beginning of the ledger', () => {
    expect(overdue([], NOW, NOW + 7 * DAY)).toEqual([]);
    expect(overdue([], NOW, NOW + 7 * DAY + 1)).toEqual(['review_overdue.sales']);
    expect(overdue([], NOW, NOW + 30 * DAY + 1)).toEqual(['review_overdue.sales', 'alignment_overdue']);
  });

  it('is counted from the last one, and a scheduled review is none', () => {
    const reviewed: [string, ReviewEvent][] = [
      ['review-r1', { type: 'ReviewScheduled', data: { occurredAt: at(NOW), teamId: 'sales', at: at(NOW) } }],
      ['review-r1', { type: 'ReviewCompleted', data: { occurredAt: at(NOW + 20 * DAY), itemsReviewed: 0 } }],
      [
        'review-r2',
        { type: 'ReviewScheduled', data: { occurredAt: at(NOW + 27 * DAY), teamId: 'sales', at: at(NOW) } },
      ],
    ];
    expect(overdue(reviewed, NOW, NOW + 27 * DAY)).toEqual([]);
    expect(overdue(reviewed, NOW, NOW + 28 * DAY)).toEqual(['review_overdue.sales']);
    const meeting = { attendees: ['sales'], topics: [], agreementChangesProposed: 0 };
    const met: [string, ReviewEvent] = [
      'review-alignment',
      { type: 'AlignmentMeetingHeld', data: { occurredAt: at(NOW + 25 * DAY), ...meeting } },
    ];
    expect(overdue([...reviewed, met], NOW, NOW + 40 * DAY)).toEqual(['review_overdue.sales']);
  });
});
