import { Temporal } from 'temporal-polyfill';
import { BusinessCalendar } from '#libs/policy/src/business-calendar.js';
import type { CalendarDocument, DayInterval } from '#libs/policy/src/documents.js';
import { SteppingCalendar } from './stepping-calendar.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** What the closed form cuts time into: the seams are where it could go wrong, so stretches are laid across them. */
const TABLE_DAYS = 400;

/** Half-hour and quarter-hour offsets, half-hour DST, DST at midnight, at 00:01, negative, dropped, a skipped day. */
export const ZONES = [
  'UTC', 'Europe/Berlin', 'Europe/Dublin', 'Europe/London', 'America/New_York', 'America/St_Johns', 'America/Sao_Paulo',
  'America/Havana', 'America/Asuncion', 'America/Santiago', 'America/Caracas', 'America/Nuuk', 'Atlantic/Azores',
  'Africa/Casablanca', 'Africa/El_Aaiun', 'Africa/Cairo', 'Africa/Windhoek', 'Africa/Lagos', 'Asia/Kathmandu',
  'Asia/Kolkata', 'Asia/Tehran', 'Asia/Gaza', 'Asia/Beirut', 'Asia/Amman', 'Asia/Pyongyang', 'Asia/Shanghai',
  'Australia/Lord_Howe', 'Australia/Adelaide', 'Australia/Eucla', 'Pacific/Apia', 'Pacific/Kwajalein',
  'Pacific/Chatham', 'Pacific/Kiritimati', 'Antarctica/Troll', 'Antarctica/Casey', 'Antarctica/Macquarie',
]; // prettier-ignore

export type Difference = {
  readonly document: CalendarDocument;
  readonly question: string;
  /** Null: a due instant beyond the stretch that was walked. */
  readonly expected: number | null;
  readonly answered: number | null;
};

type Random = () => number;
/** mulberry32: the same questions for the same seed. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const below = (random: Random, n: number) => Math.floor(random() * n);
const pick = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)]!;

/** One calendar and stretch of time and up to `count` questions about it; what was asked, and the answers that differ. */
export function askGroup(
  random: Random,
  count: number,
): { readonly asked: number; readonly differences: Difference[] } {
  const timeZone = pick(random, ZONES);
  const long = random() < 0.02;
  const days = long ? 900 : 5 + below(random, 40);
  const middleMs = middleOf(random, timeZone);
  const fromMs = (Math.floor(middleMs / DAY_MS) - below(random, days)) * DAY_MS;
  const document = randomDocument(random, timeZone, fromMs, days, middleMs);
  const walked = new SteppingCalendar(document, fromMs, days);
  const compiled = new BusinessCalendar('random', 1, document);
  const differences: Difference[] = [];
  let asked = 0;
  const check = (question: string, expected: number | null, answered: number | null) => {
    asked++;
    if (expected !== answered) differences.push({ document, question, expected, answered });
  };

  const rounds = Math.ceil(count / (long ? 60 : 3));
  for (let round = 0; round < rounds; round++) {
    const spanDays = random() < 0.1 || long ? days : 1 + below(random, 15);
    const aMs = randomInstant(random, fromMs, walked.toMs);
    const bMs = Math.min(walked.toMs, randomInstant(random, aMs, Math.min(walked.toMs, aMs + spanDays * DAY_MS)));
    const openMs = walked.openMsBetween(aMs, bMs);
    check(`openMsBetween(${aMs}, ${bMs})`, openMs, compiled.openMsBetween(aMs, bMs));
    check(`openBetween(${aMs}, ${bMs})`, Math.floor(openMs / 1000), compiled.openBetween(aMs, bMs));
    // Half of the targets are the open time up to the instant asked about, so that many are used up exactly at a closing.
    const targetMs = random() < 0.5 ? openMs : below(random, spanDays * 8 * 3600) * 1000;
    const dueMs = compiled.dueAfterMs(aMs, targetMs);
    check(`dueAfterMs(${aMs}, ${targetMs})`, walked.dueAfterMs(aMs, targetMs), dueMs > walked.toMs ? null : dueMs);
  }
  return { asked, differences };
}

/** Often a change of the zone's offset, sometimes a seam of the tables, else any day of 1975–2045. */
function middleOf(random: Random, timeZone: string): number {
  const anyMs = Date.UTC(1975 + below(random, 70), below(random, 12), 1 + below(random, 28));
  const choice = random();
  if (timeZone === 'Pacific/Apia' && choice < 0.4) return Date.UTC(2011, 11, 30);
  if (choice < 0.7) {
    const change = Temporal.Instant.fromEpochMilliseconds(anyMs)
      .toZonedDateTimeISO(timeZone)
      .getTimeZoneTransition('next');
    if (change !== null && change.epochMilliseconds < Date.UTC(2045, 0, 1)) return change.epochMilliseconds;
  }
  if (choice < 0.85) return Math.round(anyMs / (TABLE_DAYS * DAY_MS)) * TABLE_DAYS * DAY_MS;
  return anyMs;
}

/** Half on whole minutes (where hours begin and end), a quarter a millisecond beside one, the rest anywhere. */
function randomInstant(random: Random, fromMs: number, toMs: number): number {
  const anyMs = fromMs + below(random, Math.max(1, toMs - fromMs));
  const grid = pick(random, [1, 15, 30, 60]) * MINUTE_MS;
  const kind = random();
  if (kind < 0.5) return Math.max(fromMs, Math.floor(anyMs / grid) * grid);
  if (kind < 0.75) return Math.min(toMs - 1, Math.max(fromMs, Math.floor(anyMs / grid) * grid + pick(random, [-1, 1])));
  return anyMs;
}

function randomDocument(
  random: Random,
  timeZone: string,
  fromMs: number,
  days: number,
  middleMs: number,
): CalendarDocument {
  const dateOf = (atMs: number) => new Date(atMs).toISOString().slice(0, 10);
  // Many of the dated hours lie on the day of the change and its neighbours.
  const someDate = () =>
    random() < 0.5 ? dateOf(middleMs + (below(random, 3) - 1) * DAY_MS) : dateOf(fromMs + below(random, days) * DAY_MS);
  const dates = (n: number) => [...new Set(Array.from({ length: below(random, n) }, someDate))];
  const kind = random();
  const weekdays = kind < 0.3 ? [1, 2, 3, 4, 5, 6, 7] : [1, 2, 3, 4, 5, 6, 7].filter(() => random() < 0.7);
  const everyDay = kind < 0.1 ? [{ from: '00:00', to: '24:00' }] : null;
  const weekly = weekdays.flatMap((weekday) =>
    (everyDay ?? randomHours(random)).map(({ from, to }) => ({ weekday, from, to })),
  );
  return {
    timeZone,
    weekly: weekly.length > 0 ? weekly : [{ weekday: 1, from: '09:00', to: '17:00' }],
    holidays: dates(6),
    exceptions: dates(6).map((date) => ({ date, intervals: random() < 0.3 ? [] : randomHours(random) })),
  };
}

/** Minutes of the day that zones repeat or leave out, and the ends of such hours. */
const CHANGING_HOURS = [0, 1, 30, 60, 90, 105, 120, 135, 150, 165, 180, 210, 1380, 1410, 1440];

function randomHours(random: Random): DayInterval[] {
  if (random() < 0.2) return [{ from: '00:00', to: '24:00' }];
  const grid = pick(random, [1, 15, 30, 60]);
  const edge = () => (random() < 0.5 ? pick(random, CHANGING_HOURS) : below(random, 1440 / grid + 1) * grid);
  const edges = new Set(Array.from({ length: 2 + 2 * below(random, 3) }, edge));
  const sorted = [...edges].sort((a, b) => a - b);
  const hours: DayInterval[] = [];
  // Pairs, or every stretch between two edges: hours that touch are allowed.
  for (let i = 0; i + 1 < sorted.length; i += random() < 0.3 ? 1 : 2) {
    hours.push({ from: wallTime(sorted[i]!), to: wallTime(sorted[i + 1]!) });
  }
  return hours;
}

const wallTime = (minute: number) =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
