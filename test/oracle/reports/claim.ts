import { drillLeads, type ReportName, runReport } from '#libs/read-models/src/reports.js';
import { queryOf, type World } from './compare.js';
import { BEGIN, DAY, HOUR, iso } from './lead-histories.js';
import type { Question } from './question.js';
import { type Any, isMergedAway, type OracleLead } from './told-leads.js';

/** What a claim about a random history has at hand. */
export interface Claimed {
  /** Who counts in figures. */
  readonly leads: readonly OracleLead[];
  readonly everybody: readonly OracleLead[];
  readonly report: (name: ReportName, query?: Record<string, string>) => Promise<Any>;
  readonly drill: (link: string) => Promise<string[]>;
  readonly asOfMs: number;
  readonly question: Question;
  /** Local dates, if the question names them. */
  readonly period: { readonly from?: string; readonly to?: string };
}

export function claimed({ context, leads, nowMs, view }: World, question: Question): Claimed {
  const asOfMs = question.asOf === null ? nowMs : BEGIN + question.asOf * HOUR;
  const day = (offset: number): string => iso(BEGIN + offset * DAY).slice(0, 10);
  const usual = { asOf: iso(asOfMs), tz: question.tz };
  return {
    leads: leads.filter((lead) => !isMergedAway(lead)),
    everybody: leads,
    report: (name, query = {}) => runReport(view, name, { ...usual, ...query }, context),
    drill: (link) => drillLeads(view, queryOf(link), context),
    asOfMs,
    question,
    period: {
      ...(question.from === null ? {} : { from: day(question.from) }),
      ...(question.days === null ? {} : { to: day((question.from ?? 0) + question.days) }),
    },
  };
}

export const isIn = ({ from, to }: Claimed['period'], date: string): boolean =>
  (from === undefined || date >= from) && (to === undefined || date < to);
