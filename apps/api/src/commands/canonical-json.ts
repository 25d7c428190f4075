import { hash } from 'node:crypto';

/** The same value with its members in one order and without undefined ones: equal values give equal JSON. */
function ordered(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(ordered);
  const object = value as Readonly<Record<string, unknown>>;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(object).sort()) copy[key] = ordered(object[key]);
  return copy;
}

/** Tells a repeated command from another one under the same id (spec §2.7). */
export const hashOfCommand = (name: string, leadId: string | null, body: unknown): string =>
  hash('sha256', JSON.stringify([name, leadId, ordered(body)]), 'hex');
