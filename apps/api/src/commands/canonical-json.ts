import { hash } from 'node:crypto';

const FEW = 16;

/** The same value with its members in one order and without undefined ones: equal values give equal JSON. */
function ordered(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(ordered);
  const object = value as Readonly<Record<string, unknown>>;
  const copy: Record<string, unknown> = {};
  for (const key of inOrder(Object.keys(object))) copy[key] = ordered(object[key]);
  return copy;
}

/** As `sort()`, which allocates several times what the few members of a body take. */
function inOrder(keys: string[]): string[] {
  if (keys.length > FEW) return keys.sort();
  for (let end = 1; end < keys.length; end++) {
    const key = keys[end]!;
    let at = end;
    for (; at > 0 && keys[at - 1]! > key; at--) keys[at] = keys[at - 1]!;
    keys[at] = key;
  }
  return keys;
}

/** Tells a repeated command from another one under the same id (spec §2.7). */
export const hashOfCommand = (name: string, leadId: string | null, body: unknown): string =>
  hash('sha256', JSON.stringify([name, leadId, ordered(body)]), 'hex');
