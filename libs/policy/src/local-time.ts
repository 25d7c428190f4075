import { PolicyError } from './errors.js';

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;

/** A stretch of instants [fromMs, toMs) during which a zone's clocks are `offsetMs` ahead of UTC. */
export type OffsetSpan = { readonly fromMs: number; readonly toMs: number; readonly offsetMs: number };

/**
 * A function that tells how far an IANA zone's wall clock is ahead of UTC at an instant.
 * @throws PolicyError TIME_ZONE_INVALID for a name the time zone data do not hold, numeric offsets included
 */
export function zoneOffset(timeZone: string): (atMs: number) => number {
  if (!/^[A-Za-z]/.test(timeZone)) throw unknownZone(timeZone);
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'iso8601',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    throw unknownZone(timeZone);
  }
  return (atMs) => {
    const field: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of format.formatToParts(atMs)) field[type] = Number(value);
    const wallMs = Date.UTC(field.year!, field.month! - 1, field.day, field.hour, field.minute, field.second);
    return wallMs - Math.floor(atMs / SECOND_MS) * SECOND_MS;
  };
}

const unknownZone = (timeZone: string) =>
  new PolicyError('TIME_ZONE_INVALID', `"${timeZone}" is not an IANA time zone`, 'timeZone');

/** The offsets of a zone in [fromMs, toMs), in order, without gaps between them. */
export function offsetSpans(offsetAt: (atMs: number) => number, fromMs: number, toMs: number): OffsetSpan[] {
  const spans: OffsetSpan[] = [];
  let startMs = fromMs;
  let offsetMs = offsetAt(fromMs);
  // A change undone within half a day would hide between two looks; a zone keeps its offset for weeks at least.
  for (let lookMs = fromMs; lookMs < toMs;) {
    const nextMs = Math.min(lookMs + 12 * HOUR_MS, toMs);
    const nextOffsetMs = offsetAt(nextMs);
    if (nextOffsetMs !== offsetMs) {
      let [before, after] = [lookMs / SECOND_MS, nextMs / SECOND_MS];
      while (after - before > 1) {
        const middle = Math.floor((before + after) / 2);
        if (offsetAt(middle * SECOND_MS) === offsetMs) before = middle;
        else after = middle;
      }
      spans.push({ fromMs: startMs, toMs: after * SECOND_MS, offsetMs });
      startMs = after * SECOND_MS;
      offsetMs = nextOffsetMs;
    }
    lookMs = nextMs;
  }
  spans.push({ fromMs: startMs, toMs, offsetMs });
  return spans;
}

/**
 * The instant of a wall time, given as milliseconds as if it were UTC (spec §6.2): one that does not exist moves forward to the
 * first valid instant, of an ambiguous one the `earlier` or `later` is taken. The spans must reach a day beyond the wall time.
 */
export function instantOf(wallMs: number, spans: readonly OffsetSpan[], ambiguous: 'earlier' | 'later'): number {
  let found: number | undefined;
  for (const { fromMs, toMs, offsetMs } of spans) {
    const instantMs = wallMs - offsetMs;
    if (instantMs < fromMs || instantMs >= toMs) continue;
    if (ambiguous === 'earlier') return instantMs;
    found = instantMs;
  }
  if (found !== undefined) return found;
  const afterGap = spans.find(({ fromMs, offsetMs }) => fromMs + offsetMs > wallMs);
  if (afterGap === undefined) throw new RangeError('wall time outside the given offset spans');
  return afterGap.fromMs;
}
