import { BANDS, GRADES, INTENTS } from './lead-notes.js';
import { basisOf, type LeadRow } from './lead-row.js';
import { presentStanding, type Standing, standingAt } from './lead-standing.js';

/**
 * What every report can be split and filtered by (spec §7.0). Each fact begins with these values in this order.
 * Team, owner and everything from `pipelineVersion` on are those of the fact (the handoff, the clock, the closing); where a
 * figure is about the lead's path, they are the lead's present ones. `source` is the organisation's own code, else the channel.
 * `nurtureTrack` is the track the lead was enrolled in last by then: of a path, before it left the funnel, unless it came back;
 * reports of what comes of nurture look at each step by itself (`exposure.ts`).
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
  'pipelineVersion',
  'modelVersion',
  'band',
  'grade',
  'nurtureTrack',
  'segment',
  'buyingIntent',
] as const;
export type Dimension = (typeof DIMENSIONS)[number];
export const isDimension = (name: string): name is Dimension => (DIMENSIONS as readonly string[]).includes(name);

/** Dimensions that take no other values; '' where a lead may have none. */
export const DIMENSION_VALUES: Readonly<Partial<Record<string, readonly string[]>>> = {
  band: BANDS,
  grade: GRADES,
  buyingIntent: ['', ...INTENTS],
};

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

/** What a lead is of which a fact says nothing. */
const USUAL: Readonly<Partial<Record<Dimension, string>>> = { band: 'cold', grade: 'U' };

const interned = new Map<string, Dims>();
const MOST_INTERNED = 100_000;

export function dimsOf(text: string): Dims {
  let dims = interned.get(text);
  if (dims === undefined) {
    if (interned.size >= MOST_INTERNED) interned.clear();
    const told = JSON.parse(text) as (string | number)[];
    const value = (name: Dimension, index: number): string | null => {
      const one = told[index] ?? 0;
      return one === 0 ? (USUAL[name] ?? null) : String(one);
    };
    dims = { values: DIMENSIONS.map(value) };
    interned.set(text, dims);
  }
  return dims;
}

const TRACK = DIMENSIONS.indexOf('nurtureTrack');

/** The same dimensions but for the track. */
export function withTrack(dims: Dims, track: string | null): Dims {
  if (dims.values[TRACK] === track) return dims;
  return dimsOf(`[${withoutEnd(dims.values.map((value, index) => text(index === TRACK ? track : value)).join(','))}]`);
}

/** Millions of facts hold it: none is 0, and those at the end are left out. */
const text = (value: string | number | null): string => (value === null ? '0' : JSON.stringify(value));
function withoutEnd(texts: string): string {
  let end = texts.length;
  while (texts.endsWith(',0', end)) end -= 2;
  return texts.slice(0, end);
}

function standingText({
  band,
  buyingIntent,
  grade,
  modelVersion,
  nurtureTrack,
  pipelineVersion,
  segment,
}: Standing): string {
  const scored = `${text(band === USUAL.band ? null : band)},${text(grade === USUAL.grade ? null : grade)}`;
  return `${text(pipelineVersion)},${text(modelVersion)},${scored},${text(nurtureTrack)},${text(segment)},${text(buyingIntent)}`;
}

/**
 * The first line of a fact's value: a JSON array of its dimensions. `atMs`: the instant whose score, nurture and versions it
 * shows; without one they are the present ones.
 */
export function dimensionText(
  row: LeadRow,
  team: string | null,
  owner: string | null,
  atMs: number | null = null,
): string {
  const { memo, profile } = row;
  memo.dims ??= [row.source, row.channel, row.campaign, row.leadType, row.country, row.captureMethod, basisOf(row)]
    .map(text)
    .join(',');
  const standings = (memo.standing ??= new Map<number | null, string>());
  let standing = standings.get(atMs);
  if (standing === undefined) {
    standing = standingText(atMs === null ? presentStanding(row) : standingAt(row, atMs));
    standings.set(atMs, standing);
  }
  const all = `${memo.dims},${text(team)},${text(owner)},${text(profile.persona)},${text(profile.icpResult)},${standing}`;
  return `[${withoutEnd(all)}]`;
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
