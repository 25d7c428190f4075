import { basisOf, type LeadRow } from './lead-row.js';

/**
 * What every report can be split and filtered by (spec §7.0). Each fact begins with these values in this order.
 * Team and owner are those of the fact (the handoff, the clock, the closing); where a figure is about the lead's path,
 * they are the lead's present ones. `source` is the organisation's own code, else the channel.
 */
export const DIMENSIONS = [
  'source',
  'channel',
  'campaign',
  'leadType',
  'country',
  'captureMethod',
  'basis',
  'team',
  'owner',
  'persona',
  'icpResult',
] as const;
export type Dimension = (typeof DIMENSIONS)[number];
export const isDimension = (name: string): name is Dimension => (DIMENSIONS as readonly string[]).includes(name);

/**
 * These values of a fact. Facts with equal values share one object, so what a query works out about it, it works out
 * once and not for every fact.
 */
export interface Dims {
  readonly values: readonly (string | null)[];
}

/** One of a fact's values. */
export const valueOf = (dims: Dims, dimension: Dimension): string | null =>
  dims.values[DIMENSIONS.indexOf(dimension)] ?? null;

const interned = new Map<string, Dims>();
const MOST_INTERNED = 100_000;

export function dimsOf(text: string): Dims {
  let dims = interned.get(text);
  if (dims === undefined) {
    if (interned.size >= MOST_INTERNED) interned.clear();
    dims = { values: JSON.parse(text) as (string | null)[] };
    interned.set(text, dims);
  }
  return dims;
}

const text = (value: string | null): string => (value === null ? 'null' : JSON.stringify(value));

/** The first line of a fact's value: a JSON array of its dimensions. */
export function dimensionText(row: LeadRow, team: string | null, owner: string | null): string {
  row.memo.dims ??= [row.source, row.channel, row.campaign, row.leadType, row.country, row.captureMethod, basisOf(row)]
    .map(text)
    .join(',');
  const { persona, icpResult } = row.profile;
  return `[${row.memo.dims},${text(team)},${text(owner)},${text(persona)},${text(icpResult)}]`;
}

const days = new Map<number, string>();
const DAY_MS = 86_400_000;

/** UTC day of an instant, `2018-02-26`: the name of the partition a fact lies in. */
export function utcDay(ms: number): string {
  const number = Math.floor(ms / DAY_MS);
  let day = days.get(number);
  if (day === undefined) {
    if (days.size > 50_000) days.clear();
    day = new Date(number * DAY_MS).toISOString().slice(0, 10);
    days.set(number, day);
  }
  return day;
}

/** Sorts after every partition name. */
export const LAST_PART = '\u{10ffff}';
