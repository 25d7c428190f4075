import { Temporal } from 'temporal-polyfill';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { DIMENSIONS, DIMENSION_VALUES, type Dimension, isDimension } from './dimensions.js';
import { invalidParameter, ReportError } from './report-error.js';

/** A parsed query string: a name given twice has an array. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface ReportContext {
  readonly nowMs: number;
  /** The view holds what had been recorded by then; undefined: everything there is. */
  readonly knownAtMs?: number;
  /** IANA name used when the query names none. */
  readonly defaultTz: string;
  /** The configuration in force at any time: probabilities, limits, targets, benchmarks. */
  readonly policies: PolicyBook;
  /** What campaigns have cost; omitted: none is known. */
  readonly campaigns?: KnownCosts;
}

/** Every campaign with its costs, in the currency of its budget (spec §4.3 campaign). */
export interface KnownCosts {
  all(): readonly {
    readonly campaignId: string;
    readonly planned: { readonly budget: { readonly currency: string } } | null;
    readonly costs: readonly { readonly amountMinor: number; readonly date: string }[];
  }[];
}

export type PeriodUnit = 'month' | 'week' | 'day';

/** What a report is asked. Periods are [from, to); `filter` holds the accepted values of a dimension, null = has none. */
export interface ReportParams {
  readonly report: string;
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly tz: string;
  readonly by: readonly Dimension[];
  readonly groupBy: PeriodUnit | null;
  readonly filter: Readonly<Partial<Record<string, readonly (string | null)[]>>>;
  /** Instant the figures are of: given, or now. */
  readonly asOfMs: number;
  /** The facts are those that had been recorded by then. */
  readonly nowMs: number;
  /** Parameters that only some reports have, with their defaults filled in. */
  readonly choices: Readonly<Record<string, string>>;
  readonly limit: number;
  readonly cursor: string | null;
}

/** Which parameters a report understands beside `tz`, `asOf`, `knownAt`, `after` and the dimension filters. */
export interface ParamSpec {
  readonly report: string;
  readonly period?: boolean;
  readonly by?: boolean;
  readonly groupBy?: boolean;
  /** Unit of `groupBy` when the query names none. */
  readonly defaultGroupBy?: PeriodUnit;
  /** Parameter → accepted values, the default first. */
  readonly choices?: Readonly<Record<string, readonly string[]>>;
  /** Parameters with free text. */
  readonly texts?: readonly string[];
  /** Filters that are no dimensions, with their accepted values if they are closed. */
  readonly filters?: Readonly<Record<string, readonly string[] | null>>;
  readonly paged?: boolean;
  /** Answers for now only: an earlier `asOf` is refused. */
  readonly liveOnly?: boolean;
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;
const FILTER = /^filter\[([A-Za-z]{1,32})\]$/;
const MAX_LIMIT = 1000;

/**
 * Reads the query of a report. Throws `VALIDATION_FAILED` naming the parameter, and `AS_OF_NOT_SUPPORTED` for a `knownAt`
 * in the past that the view is not of: the live views know what is recorded by now (spec §8.3).
 */
export function parseReportParams(spec: ParamSpec, query: Query, context: ReportContext): ReportParams {
  const given = new Map<string, readonly string[]>();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) given.set(name, typeof value === 'string' ? [value] : value);
  }
  const one = (name: string): string | null => {
    const values = given.get(name);
    given.delete(name);
    if (values === undefined) return null;
    if (values.length !== 1) throw invalidParameter(name, 'given more than once');
    return values[0] as string;
  };

  one('after');
  const tz = timeZone(one('tz'), context.defaultTz);
  const asOf = one('asOf');
  const asOfMs = asOf === null ? context.nowMs : atInstant('asOf', asOf, tz);
  const knownAt = one('knownAt');
  const { knownAtMs = context.nowMs } = context;
  if (knownAt !== null && atInstant('knownAt', knownAt, tz) < knownAtMs) {
    throw new ReportError(
      'AS_OF_NOT_SUPPORTED',
      'knownAt lies in the past: this report answers from what is known now',
    );
  }
  if (spec.liveOnly === true && asOfMs < knownAtMs) {
    throw new ReportError('AS_OF_NOT_SUPPORTED', 'asOf lies in the past: this list answers for now');
  }

  let fromMs: number | null = null;
  let toMs: number | null = null;
  if (spec.period === true) {
    const from = one('from');
    const to = one('to');
    fromMs = from === null ? null : atInstant('from', from, tz);
    toMs = to === null ? null : atInstant('to', to, tz);
    if (fromMs !== null && toMs !== null && fromMs >= toMs) {
      throw invalidParameter('to', 'must be after from; a period is [from, to)');
    }
  }

  const by = spec.by === true ? dimensionList(one('by')) : [];
  let groupBy: PeriodUnit | null = spec.defaultGroupBy ?? null;
  if (spec.groupBy === true) {
    const unit = one('groupBy');
    if (unit !== null) groupBy = oneOf('groupBy', unit, ['month', 'week', 'day'] as const);
  }

  const choices: Record<string, string> = {};
  for (const [name, accepted] of Object.entries(spec.choices ?? {})) {
    const value = one(name);
    choices[name] = value === null ? (accepted[0] as string) : oneOf(name, value, accepted);
  }
  for (const name of spec.texts ?? []) {
    const value = one(name);
    if (value !== null) choices[name] = value;
  }

  let limit = 100;
  let cursor: string | null = null;
  if (spec.paged === true) {
    const asked = one('limit');
    if (asked !== null) {
      if (!/^\d{1,4}$/.test(asked) || Number(asked) < 1 || Number(asked) > MAX_LIMIT) {
        throw invalidParameter('limit', `an integer from 1 to ${MAX_LIMIT}`);
      }
      limit = Number(asked);
    }
    cursor = one('cursor');
  }

  const filter: Record<string, readonly (string | null)[]> = {};
  for (const [name, values] of given) {
    const dimension = FILTER.exec(name)?.[1];
    if (dimension === undefined) throw invalidParameter(name, 'unknown parameter');
    filter[dimension] = filterValues(spec, name, dimension, values);
  }
  return {
    report: spec.report,
    fromMs,
    toMs,
    tz,
    by,
    groupBy,
    filter,
    asOfMs,
    nowMs: knownAtMs,
    choices,
    limit,
    cursor,
  };
}

function filterValues(
  spec: ParamSpec,
  name: string,
  dimension: string,
  values: readonly string[],
): readonly (string | null)[] {
  const { filters = {} } = spec;
  const closed = Object.hasOwn(filters, dimension) ? filters[dimension] : undefined;
  if (closed === undefined && !isDimension(dimension)) {
    const known = [...DIMENSIONS, ...Object.keys(spec.filters ?? {})].join(', ');
    throw invalidParameter(name, `unknown dimension; known: ${known}`);
  }
  if (closed !== undefined && closed !== null) return values.map((value) => oneOf(name, value, closed));
  const taken = DIMENSION_VALUES[dimension];
  // An empty value asks for those that have none: `filter[source]=`.
  return values.map((value) => (taken === undefined ? value : oneOf(name, value, taken)) || null);
}

function oneOf<T extends string>(name: string, value: string, accepted: readonly T[]): T {
  if ((accepted as readonly string[]).includes(value)) return value as T;
  throw invalidParameter(name, `one of ${accepted.join(', ')}`);
}

function dimensionList(by: string | null): Dimension[] {
  if (by === null || by === '') return [];
  return [...new Set(by.split(','))].map((name) => oneOf('by', name, DIMENSIONS));
}

/** Zones that were asked for: finding out whether there is one costs more than many an answer. */
const knownZones = new Set<string>();
const MOST_ZONES = 1000;

/** `text` as an IANA zone name; offsets such as `+02:00` are none. */
function timeZone(text: string | null, fallback: string): string {
  if (text === null) return fallback;
  if (knownZones.has(text)) return text;
  try {
    if (/^[A-Za-z]/.test(text)) {
      Intl.DateTimeFormat('en', { timeZone: text });
      // A name may be spelt in any case.
      if (knownZones.size < MOST_ZONES) knownZones.add(text);
      return text;
    }
  } catch {
    // Refused below.
  }
  throw invalidParameter('tz', 'an IANA time zone name such as Europe/Berlin');
}

/** A local date means its start in `tz`; else RFC 3339 with an offset. */
export function atInstant(name: string, text: string, tz: string): number {
  try {
    if (DATE.test(text)) return Temporal.PlainDate.from(text).toZonedDateTime(tz).epochMilliseconds;
    if (INSTANT.test(text)) return Temporal.Instant.from(text).epochMilliseconds;
  } catch {
    // Refused below: 2018-02-30, 25:00.
  }
  throw invalidParameter(name, 'a date (2018-02-26) or an RFC 3339 instant (2018-02-26T09:00:00Z)');
}
