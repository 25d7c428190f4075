import { LADDER, RANK, type LeadStateName } from '#libs/lead/src/states.js';
import { type Any, type OracleLead, type OracleVisit, visitsBy } from './told-leads.js';

/** A slow and obvious answer to one report: what it counts, and what it makes of what it counted. */
export interface Oracle {
  readonly items: (leads: readonly OracleLead[], asked: Asked) => Item[];
  /** Of a row or the total; `all`: every item of the question. */
  readonly figures: (items: readonly Item[], asked: Asked, row: Row, all: readonly Item[]) => object;
  /** Rows that tell of nothing: whether there are any says nothing either. */
  readonly isBlank?: (figures: Any) => boolean;
  /** What an answer has beside its rows and total. */
  readonly beside?: (leads: readonly OracleLead[], asked: Asked) => object;
  /** Instants of periods that have a row though nothing happened in them. */
  readonly filled?: (items: readonly Item[], asked: Asked) => readonly number[];
  /** Rows, when they are not simply those of the items: by the label of their period and their dimensions. */
  readonly rows?: (items: readonly Item[], asked: Asked) => { readonly row: Row; readonly items: readonly Item[] }[];
}

/** What is counted: `dims` and `atMs` say in which row. */
export interface Item {
  leadId: string;
  dims: Record<string, string | null>;
  atMs: number;
  [more: string]: Any;
}

/** Null: the total. */
export type Row = { readonly period?: string; readonly dims: Readonly<Record<string, string | null>> } | null;

export interface Asked {
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** Local dates as they were asked. */
  readonly from: string | null;
  readonly to: string | null;
  readonly asOfMs: number;
  readonly tz: string;
  readonly by: readonly string[];
  readonly groupBy: string | null;
  readonly filter: Readonly<Record<string, (string | null)[]>>;
  readonly choices: Readonly<Record<string, string>>;
  /** Merged-away leads too. */
  readonly everybody: readonly OracleLead[];
}

export const within = ({ fromMs, toMs }: Pick<Asked, 'fromMs' | 'toMs'>, ms: number): boolean =>
  (fromMs === null || ms >= fromMs) && (toMs === null || ms < toMs);

/** 7.2: reached(X) = earliest entry to X or any higher mandatory state; strictly: earliest entry to X. */
export function reached(visits: readonly OracleVisit[], target: LeadStateName, mode: string): number | null {
  const hits = visits.filter(({ state }) =>
    mode === 'strict' ? state === target : LADDER.includes(state as 'LEAD') && RANK[state] >= RANK[target],
  );
  return hits.length === 0 ? null : Math.min(...hits.map(({ enteredMs }) => enteredMs));
}

/** The whole life, or each cycle by itself. */
export function unitsOf(lead: OracleLead, { asOfMs, choices }: Pick<Asked, 'asOfMs' | 'choices'>): OracleVisit[][] {
  const visits = visitsBy(lead, asOfMs);
  if (choices.basis === 'lead') return visits.length === 0 ? [] : [visits];
  return [...new Set(visits.map(({ cycle }) => cycle))].map((n) => visits.filter(({ cycle }) => cycle === n));
}
