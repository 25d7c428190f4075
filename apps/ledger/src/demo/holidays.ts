const DAY_MS = 86_400_000;
const utc = (year: number, month: number, day: number): number => Date.UTC(year, month - 1, day);
const date = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Easter Sunday of the Gregorian calendar (Meeus, Jones, Butcher). */
function easter(year: number): number {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const h = (19 * a + b - Math.floor(b / 4) - Math.floor((b - Math.floor((b + 8) / 25) + 1) / 3) + 15) % 30;
  const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - (c % 4)) % 7;
  const m = Math.floor((a + 11 * h + 22 * l) / 451);
  const days = h + l - 7 * m + 114;
  return utc(year, Math.floor(days / 31), (days % 31) + 1);
}

/** The nth weekday (0 = Sunday) of a month; negative: from its end. */
function nth(year: number, month: number, weekday: number, n: number): number {
  if (n > 0) {
    const first = utc(year, month, 1);
    return first + (((weekday - new Date(first).getUTCDay() + 7) % 7) + 7 * (n - 1)) * DAY_MS;
  }
  const last = utc(year, month + 1, 1) - DAY_MS;
  return last - (((new Date(last).getUTCDay() - weekday + 7) % 7) - 7 * (n + 1)) * DAY_MS;
}

/** Public holidays of Berlin, local dates. */
export const berlinHolidays = (year: number): string[] =>
  [
    utc(year, 1, 1),
    utc(year, 3, 8),
    easter(year) - 2 * DAY_MS,
    easter(year) + DAY_MS,
    utc(year, 5, 1),
    easter(year) + 39 * DAY_MS,
    easter(year) + 50 * DAY_MS,
    utc(year, 10, 3),
    utc(year, 12, 25),
    utc(year, 12, 26),
  ]
    .sort((a, b) => a - b)
    .map(date);

/** Public holidays of New York, local dates. */
export const newYorkHolidays = (year: number): string[] =>
  [
    utc(year, 1, 1),
    nth(year, 1, 1, 3),
    nth(year, 2, 1, 3),
    nth(year, 5, 1, -1),
    utc(year, 6, 19),
    utc(year, 7, 4),
    nth(year, 9, 1, 1),
    nth(year, 11, 4, 4),
    utc(year, 12, 25),
  ].map(date);
