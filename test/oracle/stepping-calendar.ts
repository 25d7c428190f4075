import { Temporal } from 'temporal-polyfill';
import type { CalendarDocument } from '#libs/policy/src/documents.js';

const MINUTE_MS = 60_000;
const QUARTER = 15;
const MINUTES_PER_DAY = 1440;

/**
 * Business time by walking: the wall clock of the zone is read at every quarter hour of a stretch (every minute of a quarter in
 * which it jumps), each minute is marked open or closed, and a question walks the minutes one by one. Shares nothing with
 * the tables it checks: other time zone code, no sums, no search. Good where zone offsets are whole minutes (since 1972).
 */
export class SteppingCalendar {
  private readonly open: Uint8Array;

  constructor(
    document: CalendarDocument,
    /** A whole minute. */
    readonly fromMs: number,
    readonly days: number,
  ) {
    // Two days more on both sides, so that every local day that reaches into the stretch is seen whole.
    const margin = 3 * MINUTES_PER_DAY;
    const wall = wallMinutes(document.timeZone, fromMs / MINUTE_MS - margin, days * MINUTES_PER_DAY + 2 * margin);
    const all = new Uint8Array(wall.length);
    const first = new Map<number, number>();
    const last = new Map<number, number>();
    wall.forEach((minute, i) => {
      if (!first.has(minute)) first.set(minute, i);
      last.set(minute, i);
    });
    const afterGap = (minute: number) => wall.findIndex((read) => read > minute);
    const firstDay = Math.ceil(wall[0]! / MINUTES_PER_DAY);
    const endDay = Math.floor(wall.at(-1)! / MINUTES_PER_DAY) - 1;
    for (let day = firstDay; day < endDay; day++) {
      for (const [from, to] of hoursOf(document, day)) {
        const opens = first.get(day * MINUTES_PER_DAY + from) ?? afterGap(day * MINUTES_PER_DAY + from);
        const closes = last.get(day * MINUTES_PER_DAY + to) ?? afterGap(day * MINUTES_PER_DAY + to);
        for (let i = opens; i < closes; i++) all[i] = 1;
      }
    }
    this.open = all.subarray(margin, margin + days * MINUTES_PER_DAY);
  }

  get toMs(): number {
    return this.fromMs + this.days * MINUTES_PER_DAY * MINUTE_MS;
  }

  /** Open milliseconds in [aMs, bMs), both inside the stretch. */
  openMsBetween(aMs: number, bMs: number): number {
    let openMs = 0;
    for (let atMs = aMs; atMs < bMs;) {
      const minute = Math.floor((atMs - this.fromMs) / MINUTE_MS);
      const nextMs = Math.min(bMs, this.fromMs + (minute + 1) * MINUTE_MS);
      if (this.open[minute] === 1) openMs += nextMs - atMs;
      atMs = nextMs;
    }
    return openMs;
  }

  /** The earliest instant by which `openMs` are used up, or null when that is not inside the stretch. */
  dueAfterMs(startMs: number, openMs: number): number | null {
    let neededMs = openMs;
    for (let atMs = startMs; neededMs > 0;) {
      const minute = Math.floor((atMs - this.fromMs) / MINUTE_MS);
      if (minute >= this.open.length) return null;
      const nextMs = this.fromMs + (minute + 1) * MINUTE_MS;
      if (this.open[minute] === 1) {
        if (neededMs <= nextMs - atMs) return atMs + neededMs;
        neededMs -= nextMs - atMs;
      }
      atMs = nextMs;
    }
    return startMs;
  }
}

/** What the zone's wall clock reads at each minute, as minutes since 1970-01-01 of wall time. */
function wallMinutes(timeZone: string, fromMinute: number, count: number): number[] {
  const read = (minute: number) => {
    const {
      year,
      month,
      day,
      hour,
      minute: past,
    } = Temporal.Instant.fromEpochMilliseconds(minute * MINUTE_MS)
      .toZonedDateTimeISO(timeZone)
      .toPlainDateTime();
    return Date.UTC(year, month - 1, day, hour, past) / MINUTE_MS;
  };
  const minutes: number[] = [];
  let atQuarter = read(fromMinute);
  for (let quarter = 0; quarter < count; quarter += QUARTER) {
    const nextQuarter = read(fromMinute + quarter + QUARTER);
    for (let i = 0; i < QUARTER; i++) {
      minutes.push(nextQuarter - atQuarter === QUARTER ? atQuarter + i : read(fromMinute + quarter + i));
    }
    atQuarter = nextQuarter;
  }
  return minutes;
}

function hoursOf(document: CalendarDocument, day: number): [from: number, to: number][] {
  const date = Temporal.PlainDate.from('1970-01-01').add({ days: day });
  const exception = document.exceptions.find((candidate) => candidate.date === date.toString());
  const hours =
    exception?.intervals ??
    (document.holidays.includes(date.toString())
      ? []
      : document.weekly.filter(({ weekday }) => weekday === date.dayOfWeek));
  return hours.map(({ from, to }) => [minuteOfDay(from), minuteOfDay(to)]);
}

function minuteOfDay(wallTime: string): number {
  const [hour, minute] = wallTime.split(':').map(Number);
  return hour! * 60 + minute!;
}
