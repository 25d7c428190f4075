import { invalid } from '#libs/platform/src/problem.js';
import type { Query } from '#libs/read-models/src/report-params.js';

/** A question about two instants (spec §8.3), in one request. */
export interface ComparedInstants {
  /** The question itself, and the same about the other instant. */
  readonly query: Query;
  readonly other: Query;
}

/**
 * `compareAsOf` and `compareKnownAt` beside a report's own parameters; null: it asks about one instant only. What is not given for the
 * other instant is as it is for the first.
 */
export function comparedInstants(query: Query): ComparedInstants | null {
  const { compareAsOf, compareKnownAt, ...asked } = query;
  if (compareAsOf === undefined && compareKnownAt === undefined) return null;
  for (const [name, value] of Object.entries({ compareAsOf, compareKnownAt }))
    if (value !== undefined && typeof value !== 'string') throw invalid(name, 'given more than once');
  return {
    query: asked,
    other: {
      ...asked,
      ...(compareAsOf === undefined ? {} : { asOf: compareAsOf }),
      ...(compareKnownAt === undefined ? {} : { knownAt: compareKnownAt }),
    },
  };
}

type Json = unknown;
/** What an answer says about itself, not about the funnel. */
const HEADING: ReadonlySet<string> = new Set(['position', 'asOf', 'knownAt']);
/** What names a row among others. */
const NAMES = ['dimensions', 'clockType', 'stage', 'state', 'reason', 'reasonCode', 'period', 'from', 'currency', 'name', 'leadId', 'ownerId', 'teamId']; // prettier-ignore

/**
 * The figures of the first answer less those of the other, in the same shape: of every number the difference, of a number that only one
 * of them has `{asked, compared}`. Rows are matched by what they are about. What does not differ is left out; null: nothing does.
 */
export function difference(one: Json, other: Json): Json {
  if (typeof one === 'number' || typeof other === 'number') {
    if (one === other) return null;
    if (typeof one === 'number' && typeof other === 'number') return rounded(one - other);
    return { asked: one ?? null, compared: other ?? null };
  }
  if (Array.isArray(one) || Array.isArray(other)) return differenceOfRows(asArray(one), asArray(other));
  if (!isObject(one) && !isObject(other)) return null;
  const [a, b] = [isObject(one) ? one : {}, isObject(other) ? other : {}];
  const told = [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => {
    if (HEADING.has(key)) return [];
    const found = difference(a[key], b[key]);
    return found === null ? [] : [[key, found] as const];
  });
  return told.length === 0 ? null : Object.fromEntries(told);
}

function differenceOfRows(one: readonly Json[], other: readonly Json[]): Json {
  const rest = new Map(other.map((row, n) => [nameOf(row, n), row]));
  const told: Json[] = [];
  for (const [n, row] of one.entries()) {
    const name = nameOf(row, n);
    const found = difference(row, rest.get(name));
    rest.delete(name);
    if (found !== null) told.push(named(row, found));
  }
  for (const row of rest.values()) {
    const found = difference(undefined, row);
    if (found !== null) told.push(named(row, found));
  }
  return told.length === 0 ? null : told;
}

/** What the row is about; its place where it does not say. */
function nameOf(row: Json, place: number): string {
  if (!isObject(row)) return String(place);
  const names = NAMES.filter((name) => row[name] !== undefined).map((name) => [name, row[name]]);
  return names.length === 0 ? String(place) : JSON.stringify(names);
}

function named(row: Json, found: Json): Json {
  if (!isObject(row) || !isObject(found)) return found;
  return {
    ...Object.fromEntries(NAMES.flatMap((name) => (row[name] === undefined ? [] : [[name, row[name]]]))),
    ...found,
  };
}

/** Without the noise of binary fractions. */
const rounded = (value: number): number => Math.round(value * 1e9) / 1e9;
const asArray = (value: Json): readonly Json[] => (Array.isArray(value) ? (value as readonly Json[]) : []);
const isObject = (value: Json): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
