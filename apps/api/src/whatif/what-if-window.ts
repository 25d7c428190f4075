import { z } from 'zod';
import { Problem } from '#libs/platform/src/problem.js';

const date = z.iso.date().transform((day) => Date.parse(`${day}T00:00:00.000Z`));
const instant = z.iso
  .datetime({ offset: true, error: 'must be a date or an RFC 3339 instant' })
  .transform((at) => Date.parse(at));

/** A date is its first instant in UTC. */
export const whatIfInstant = z.union([date, instant], { error: 'must be a date or an RFC 3339 instant' });
/** [from, to). */
export const whatIfWindow = z.strictObject({ from: whatIfInstant, to: whatIfInstant });

/** @throws Problem WINDOW_INVALID: it is empty, or not all of it is past (spec §4.4 RequestWhatIf) */
export function checkWindow({ from, to }: z.output<typeof whatIfWindow>, asOfMs: number, nowMs: number): void {
  const refused = (field: string, rule: string) => new Problem('WINDOW_INVALID', rule, { fields: [{ field, rule }] });
  if (from >= to) throw refused('window.from', 'the window must begin before it ends');
  if (to > nowMs) throw refused('window.to', 'the window must end by now');
  if (asOfMs > nowMs) throw refused('asOf', 'nobody knows yet what will be known then');
  if (asOfMs < from) throw refused('asOf', 'must not lie before the window');
}
