/** Of `2026-01-05T08:00:00.123Z`, as every event has it: whole seconds since 1970. A tenth of what Date.parse costs. */
export function secondsOf(instant: string): number {
  const isUsual =
    instant.length === 24 &&
    instant.charCodeAt(4) === DASH &&
    instant.charCodeAt(10) === T &&
    instant.charCodeAt(19) === DOT &&
    instant.charCodeAt(23) === Z;
  if (!isUsual) return Math.floor(Date.parse(instant) / 1000);
  const year = 100 * two(instant, 0) + two(instant, 2);
  const month = two(instant, 5);
  // Days since 1970-03-01 in years that begin with March, so that a leap day is a year's last.
  const marchYear = month > 2 ? year : year - 1;
  const century = Math.floor(marchYear / 100);
  const leapDays = (marchYear >> 2) - century + (century >> 2);
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + two(instant, 8) - 1;
  const days = 365 * marchYear + leapDays + dayOfYear - 719_468;
  return ((24 * days + two(instant, 11)) * 60 + two(instant, 14)) * 60 + two(instant, 17);
}

const [DASH, T, DOT, Z, ZERO] = ['-', 'T', '.', 'Z', '0'].map((sign) => sign.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
];
const two = (text: string, at: number): number => 10 * (text.charCodeAt(at) - ZERO) + text.charCodeAt(at + 1) - ZERO;
