import { inspect, isDeepStrictEqual } from 'node:util';

/** An answer that is not what the events say. */
class Difference extends Error {
  constructor(what: string, answered: unknown, expected: unknown) {
    const shown = (value: unknown): string => inspect(value, { depth: 8, breakLength: 120, maxArrayLength: 50 });
    super(`${what}\n  answered ${shown(answered)}\n  expected ${shown(expected)}`);
  }
}

export function same(answered: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(answered, expected)) throw new Difference(what, answered, expected);
}

/** Every field that is expected is there and the same; what else is answered does not matter. Lists are whole. */
export function holds(answered: unknown, expected: unknown, what: string): void {
  if (typeof expected !== 'object' || expected === null) {
    same(answered, expected, what);
    return;
  }
  if (typeof answered !== 'object' || answered === null) throw new Difference(what, answered, expected);
  if (Array.isArray(expected)) same((answered as unknown[]).length, expected.length, `${what}: length`);
  for (const [name, value] of Object.entries(expected))
    holds((answered as Record<string, unknown>)[name], value, `${what} ${name}`);
}
