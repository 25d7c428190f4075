import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { secondsOf } from './instants.js';

describe('whole seconds of an instant', () => {
  it('are those that Date finds, in any year', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
        (date) => {
          expect(secondsOf(date.toISOString())).toBe(Math.floor(date.getTime() / 1000));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('are found of other ways to write it too', () => {
    expect(secondsOf('2026-01-05T08:00:00Z')).toBe(Date.parse('2026-01-05T08:00:00Z') / 1000);
    expect(secondsOf('2026-01-05T09:00:00.900+01:00')).toBe(Date.parse('2026-01-05T08:00:00Z') / 1000);
  });

  it.each([
    '2024-02-29T23:59:59.999Z',
    '2000-02-29T00:00:00.000Z',
    '2100-03-01T00:00:00.000Z',
    '1970-01-01T00:00:00.000Z',
  ])('are right at %s', (instant) => expect(secondsOf(instant)).toBe(Math.floor(Date.parse(instant) / 1000)));
});
