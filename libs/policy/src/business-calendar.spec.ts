import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { BusinessCalendar } from './business-calendar.js';
import type { CalendarDocument } from './documents.js';

const HOUR_S = 3600;
const utc = (iso: string): number => Date.parse(iso);
const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

const every = (weekdays: number[], from: string, to: string) => weekdays.map((weekday) => ({ weekday, from, to }));
const allWeek = [1, 2, 3, 4, 5, 6, 7];
const calendar = (timeZone: string, weekly: CalendarDocument['weekly'], rest: Partial<CalendarDocument> = {}) =>
  new BusinessCalendar('test', 1, { timeZone, weekly, holidays: [], exceptions: [], ...rest });
const office = (timeZone: string, rest: Partial<CalendarDocument> = {}) =>
  calendar(timeZone, every([1, 2, 3, 4, 5], '09:00', '17:00'), rest);
const weekdays = (timeZone: string) => calendar(timeZone, every([1, 2, 3, 4, 5], '00:00', '24:00'));
const always = (timeZone: string) => calendar(timeZone, every(allWeek, '00:00', '24:00'));

describe('A due instant', () => {
  const friday3pm = utc('2026-11-27T15:00:00Z');

  it('of 8 office hours from Friday 15:00 is Monday 15:00', () => {
    expect(iso(office('UTC').dueAt(friday3pm, 8 * HOUR_S))).toBe('2026-11-30T15:00:00Z');
  });

  it('of a target used up exactly at closing time is closing time, not next morning', () => {
    expect(iso(office('UTC').dueAt(friday3pm, 2 * HOUR_S))).toBe('2026-11-27T17:00:00Z');
    expect(iso(office('UTC').dueAt(friday3pm, 2 * HOUR_S + 1))).toBe('2026-11-30T09:00:01Z');
  });

  it('counts from the next opening when the start is in closed time', () => {
    expect(iso(office('UTC').dueAt(utc('2026-11-28T03:00:00Z'), HOUR_S))).toBe('2026-11-30T10:00:00Z');
    expect(iso(office('UTC').dueAt(utc('2026-11-27T17:00:00Z'), HOUR_S))).toBe('2026-11-30T10:00:00Z');
  });

  it('of no time at all is the start, open or closed', () => {
    expect(iso(office('UTC').dueAt(utc('2026-11-28T03:00:00Z'), 0))).toBe('2026-11-28T03:00:00Z');
  });

  it('keeps the milliseconds of its start', () => {
    const startMs = utc('2026-11-27T15:00:00Z') + 123;
    expect(office('UTC').dueAt(startMs, 8 * HOUR_S)).toBe(utc('2026-11-30T15:00:00Z') + 123);
  });

  it('of 14 days around the clock is 14 days later, whatever the clocks on the wall do', () => {
    const startMs = utc('2026-10-20T12:34:56Z');
    expect(always('Europe/Berlin').dueAt(startMs, 14 * 86_400)).toBe(startMs + 14 * 86_400_000);
  });

  it('may lie years ahead, and is refused only when a century is not enough', () => {
    const rare = calendar('UTC', every([1], '00:00', '00:01'));
    expect(iso(rare.dueAt(utc('2026-01-01T00:00:00Z'), 60 * 52 * 10))).toBe('2035-12-17T00:01:00Z');
    expect(() => rare.dueAt(0, 60 * 52 * 200)).toThrow('CALENDAR_INVALID');
  });
});

describe('Open time', () => {
  it('is reported in whole seconds, rounded down, and exact in milliseconds', () => {
    const aMs = utc('2026-11-27T16:59:58.500Z');
    const bMs = utc('2026-11-30T09:00:00.400Z');
    expect(office('UTC').openMsBetween(aMs, bMs)).toBe(1900);
    expect(office('UTC').openBetween(aMs, bMs)).toBe(1);
  });

  it('is nothing between an instant and an earlier one', () => {
    expect(office('UTC').openBetween(utc('2026-11-27T16:00:00Z'), utc('2026-11-27T10:00:00Z'))).toBe(0);
  });

  it('counts each of several windows of a day, and windows that touch as one', () => {
    const siesta = calendar('UTC', [
      ...every(allWeek, '09:00', '13:00'),
      ...every(allWeek, '16:00', '18:00'),
      ...every(allWeek, '18:00', '20:00'),
    ]);
    expect(siesta.openBetween(utc('2026-11-23T12:00:00Z'), utc('2026-11-23T19:00:00Z'))).toBe(4 * HOUR_S);
    expect(iso(siesta.dueAt(utc('2026-11-23T12:00:00Z'), 2 * HOUR_S))).toBe('2026-11-23T17:00:00Z');
  });

  it('is none on a holiday, and an exception replaces the day, a holiday’s too', () => {
    const christmas = office('UTC', {
      holidays: ['2026-12-24', '2026-12-25'],
      exceptions: [
        { date: '2026-12-24', intervals: [{ from: '09:00', to: '12:00' }] },
        { date: '2026-12-26', intervals: [{ from: '10:00', to: '11:00' }] },
        { date: '2026-12-28', intervals: [] },
      ],
    });
    const day = (date: string) => christmas.openBetween(utc(`${date}T00:00:00Z`), utc(`${date}T24:00:00Z`)) / HOUR_S;
    expect(['23', '24', '25', '26', '27', '28', '29'].map((dom) => day(`2026-12-${dom}`))).toEqual([
      8, 3, 0, 1, 0, 0, 8,
    ]);
  });

  it('is real elapsed time: 23 hours on a working day in spring, 25 in autumn', () => {
    const berlin = always('Europe/Berlin');
    expect(berlin.openBetween(utc('2026-03-28T23:00:00Z'), utc('2026-03-29T22:00:00Z'))).toBe(23 * HOUR_S);
    const sunday = calendar('Europe/Berlin', every([7], '00:00', '24:00'));
    const hours = (from: string, to: string) =>
      sunday.openBetween(utc(`${from}T12:00:00Z`), utc(`${to}T12:00:00Z`)) / HOUR_S;
    expect(hours('2026-03-28', '2026-03-30')).toBe(23);
    expect(hours('2026-10-24', '2026-10-26')).toBe(25);
    expect(hours('2026-06-06', '2026-06-08')).toBe(24);
  });

  it('of a boundary that does not exist begins at the first instant after the gap', () => {
    // Berlin skips 02:00–03:00 on 29 March 2026 at 01:00 UTC.
    const night = calendar('Europe/Berlin', every([7], '02:30', '04:00'));
    expect(iso(night.dueAt(utc('2026-03-28T12:00:00Z'), 1))).toBe('2026-03-29T01:00:01Z');
    expect(night.openBetween(utc('2026-03-29T00:00:00Z'), utc('2026-03-29T12:00:00Z'))).toBe(HOUR_S);
    const inGap = calendar('Europe/Berlin', every([7], '02:10', '02:50'));
    expect(inGap.openBetween(utc('2026-03-29T00:00:00Z'), utc('2026-03-29T12:00:00Z'))).toBe(0);
  });

  it('of an ambiguous boundary opens at the earlier and closes at the later one', () => {
    // Berlin repeats 02:00–03:00 on 25 October 2026: 00:00–02:00 UTC.
    const day = [utc('2026-10-24T12:00:00Z'), utc('2026-10-25T12:00:00Z')] as const;
    const night = calendar('Europe/Berlin', every([7], '02:30', '04:00'));
    expect(night.openBetween(...day)).toBe(2.5 * HOUR_S);
    const evening = calendar('Europe/Berlin', every([7], '00:00', '02:30'));
    expect(evening.openBetween(...day)).toBe(3.5 * HOUR_S);
  });

  it('counts a repeated hour once, though two windows reach into it', () => {
    const both = calendar('Europe/Berlin', [...every([7], '00:00', '02:30'), ...every([7], '02:30', '04:00')]);
    expect(both.openBetween(utc('2026-10-24T12:00:00Z'), utc('2026-10-25T12:00:00Z'))).toBe(5 * HOUR_S);
  });

  it('knows half-hour shifts, odd offsets and a day that never was', () => {
    // Lord Howe goes back by half an hour on 5 April 2026.
    const howe = calendar('Australia/Lord_Howe', every([7], '00:00', '24:00'));
    expect(howe.openBetween(utc('2026-04-04T00:00:00Z'), utc('2026-04-06T00:00:00Z'))).toBe(24.5 * HOUR_S);
    expect(iso(office('Asia/Kathmandu').dueAt(utc('2026-11-23T00:00:00Z'), HOUR_S))).toBe('2026-11-23T04:15:00Z');
    // Samoa left out Friday 30 December 2011.
    const apia = always('Pacific/Apia');
    expect(apia.openBetween(utc('2011-12-29T10:00:00Z'), utc('2011-12-31T10:00:00Z'))).toBe(48 * HOUR_S);
    const fridays = calendar('Pacific/Apia', every([5], '00:00', '24:00'));
    expect(fridays.openBetween(utc('2011-12-27T00:00:00Z'), utc('2012-01-03T00:00:00Z'))).toBe(0);
  });

  it('of a week of working days is five whole days', () => {
    const week = weekdays('America/New_York');
    expect(week.openBetween(utc('2026-06-01T00:00:00Z'), utc('2026-06-08T00:00:00Z'))).toBe(120 * HOUR_S);
  });
});

describe('For any two instants of twenty years', () => {
  const calendars = [
    office('Europe/Berlin'),
    weekdays('America/Sao_Paulo'),
    always('UTC'),
    calendar('Australia/Lord_Howe', [...every([1, 3, 7], '22:15', '24:00'), ...every([2, 4], '00:00', '03:30')]),
  ];
  const instant = fc.integer({ min: utc('2010-01-01T00:00:00Z'), max: utc('2030-01-01T00:00:00Z') });
  const some = fc.constantFrom(...calendars);

  it('open time adds up over any point between them', () => {
    fc.assert(
      fc.property(some, instant, instant, instant, (each, x, y, z) => {
        const [a, b, c] = [x, y, z].sort((p, q) => p - q) as [number, number, number];
        expect(each.openMsBetween(a, b) + each.openMsBetween(b, c)).toBe(each.openMsBetween(a, c));
      }),
      { numRuns: 500 },
    );
  });

  it('the due instant is the earliest one by which the target is used up', () => {
    fc.assert(
      fc.property(some, instant, fc.integer({ min: 1, max: 20_000_000 }), (each, startMs, openS) => {
        const dueMs = each.dueAt(startMs, openS);
        expect(each.openMsBetween(startMs, dueMs)).toBe(openS * 1000);
        expect(each.openMsBetween(startMs, dueMs - 1)).toBe(openS * 1000 - 1);
      }),
      { numRuns: 500 },
    );
  });
});

describe('A calendar is refused', () => {
  const refused = (document: Partial<CalendarDocument>): string => {
    try {
      calendar('UTC', every([1], '09:00', '17:00'), document);
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };

  it('when it never opens in an ordinary week', () => {
    expect(refused({ weekly: [] })).toMatch(/^CALENDAR_INVALID: .*once a week/);
  });

  it('when hours are reversed or empty', () => {
    expect(refused({ weekly: every([1], '17:00', '09:00') })).toMatch(/^CALENDAR_INVALID: hours reversed/);
    expect(refused({ weekly: every([1], '09:00', '09:00') })).toMatch(/^CALENDAR_INVALID: hours reversed/);
    const exceptions = [{ date: '2026-12-24', intervals: [{ from: '12:00', to: '09:00' }] }];
    expect(refused({ exceptions })).toMatch(/^CALENDAR_INVALID: .*2026-12-24/);
  });

  it('when hours of a day overlap, though not when they touch', () => {
    const two = (second: string) => [...every([1], '09:00', '12:00'), ...every([1], second, '17:00')];
    expect(refused({ weekly: two('11:59') })).toMatch(/^CALENDAR_INVALID: hours overlap/);
    expect(refused({ weekly: two('12:00') })).toBe('accepted');
  });

  it('when a date is given twice', () => {
    expect(refused({ holidays: ['2026-12-25', '2026-12-25'] })).toMatch(/^CALENDAR_INVALID: date given twice/);
  });

  it('when its zone is not one of the IANA data', () => {
    for (const timeZone of ['Mars/Olympus', '', '+05:30', 'UTC+1']) {
      expect([timeZone, refused({ timeZone })]).toEqual([timeZone, expect.stringMatching(/^TIME_ZONE_INVALID/)]);
    }
    expect(refused({ timeZone: 'Pacific/Chatham' })).toBe('accepted');
  });
});
