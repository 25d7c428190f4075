import { BusinessCalendar } from '#libs/policy/src/business-calendar.js';
import type { CalendarDocument } from '#libs/policy/src/documents.js';
import { median } from './median.js';

const QUESTIONS = 500_000;
const RUNS = 5;
const SPAN_MS = 30 * 86_400_000;

const document: CalendarDocument = {
  timeZone: 'Europe/Berlin',
  weekly: [1, 2, 3, 4, 5].flatMap((weekday) => [
    { weekday, from: '09:00', to: '12:30' },
    { weekday, from: '13:30', to: '17:00' },
  ]),
  holidays: ['2026-05-01', '2026-12-25'],
  exceptions: [],
};

/** Nanoseconds a question, warm: the median of the runs. */
function nanoseconds(ask: (i: number) => number, questions: number): number {
  const runs: number[] = [];
  let sum = 0;
  for (let run = 0; run < RUNS; run++) {
    const started = process.hrtime.bigint();
    for (let i = 0; i < questions; i++) sum += ask(i);
    runs.push(Number(process.hrtime.bigint() - started) / questions);
  }
  // Read, so that no compiler may leave the questions out.
  if (Number.isNaN(sum)) throw new Error('an answer was not a number');
  return Math.round(median(runs));
}

export const bench = {
  name: 'business-time',
  async run(): Promise<void> {
    const calendar = new BusinessCalendar('bench', 1, document);
    const fromMs = Date.UTC(2026, 0, 1);
    // Spread over two years by a step that is no multiple of a day.
    const startOf = (i: number) => fromMs + ((i * 7_654_321_987) % (2 * 365 * 86_400_000));
    const coldStarted = process.hrtime.bigint();
    calendar.openBetween(fromMs, fromMs + 3 * 365 * 86_400_000);
    const coldMs = Number(process.hrtime.bigint() - coldStarted) / 1e6;

    const loopNs = nanoseconds(startOf, QUESTIONS);
    const openNs = nanoseconds((i) => calendar.openBetween(startOf(i), startOf(i) + SPAN_MS), QUESTIONS) - loopNs;
    const dueNs = nanoseconds((i) => calendar.dueAt(startOf(i), 40 * 3600), QUESTIONS) - loopNs;
    const steppingNs = nanoseconds((i) => openBySeconds(startOf(i), startOf(i) + SPAN_MS), 5);

    console.log(`open time over 30 days  ${openNs} ns a question`);
    console.log(`due after 40 h          ${dueNs} ns a question`);
    console.log(`first question          ${coldMs.toFixed(1)} ms (builds the tables of four years)`);
    console.log(
      `stepping every second   ${(steppingNs / 1e6).toFixed(1)} ms a question, ratio ${Math.round(steppingNs / openNs)}`,
    );
  },
};

/** The usual way: every second of the span is asked whether it is open (here in UTC, which spares it the zone's rules). */
function openBySeconds(aMs: number, bMs: number): number {
  let openS = 0;
  for (let atMs = aMs; atMs < bMs; atMs += 1000) {
    const at = new Date(atMs);
    const minute = at.getUTCHours() * 60 + at.getUTCMinutes();
    const weekday = at.getUTCDay();
    if (weekday >= 1 && weekday <= 5 && ((minute >= 540 && minute < 750) || (minute >= 810 && minute < 1020))) openS++;
  }
  return openS;
}
