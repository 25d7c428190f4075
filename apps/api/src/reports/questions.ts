import type { Position } from '#libs/event-log/src/event-log.js';
import { alertFindings } from '#libs/read-models/src/alert-findings.js';
import { leadsMatching } from '#libs/read-models/src/lead-list.js';
import { parseReportParams, type Query } from '#libs/read-models/src/report-params.js';
import {
  listAudit,
  listBreaches,
  listClocks,
  listDeals,
  listDuplicates,
  listLeads,
  listLeadsById,
  listQueue,
  type QueryContext,
  type ReportName,
  runReport,
} from '#libs/read-models/src/reports.js';
import { staleLeads, staleParams, staleReport } from '#libs/read-models/src/stale.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import { auditFile } from '../audit/audit-export.js';
import { exportLeads, exportVisits } from '../export/lead-exports.js';

/**
 * Every question about the figures that somebody asks whole, by name. It is answered where the views are, which may be another
 * thread: what is given to it and what it answers can be cloned. A new list is a line here and one in its controller.
 */
export const QUESTIONS = {
  report: (view, query, context, name: ReportName) => runReport(view, name, query, context),
  clocks: listClocks,
  breaches: listBreaches,
  deals: listDeals,
  duplicates: listDuplicates,
  queue: listQueue,
  leads: listLeads,
  leadsById: (view, query, context, leadIds: readonly string[]) => listLeadsById(view, leadIds, query, context),
  audit: listAudit,
  auditFile,
  exportLeads,
  exportVisits,
  alertFindings: (view, _query, context) => alertFindings(view, context),
  /** Ids of the leads that pass the filters of the lead list. */
  matchingLeads: async (view, query, context) => ({
    leadIds: await leadsMatching(view, query, context),
    position: context.position,
  }),
  staleItems: async (view, query, context) =>
    (await staleReport(view, parseReportParams(staleParams, query, context), context)).items,
  staleLeads: (view, query, context) =>
    staleLeads(view, parseReportParams(staleParams, query, context), 'stale', context),
} as const satisfies Record<string, Question>;

type Question = (view: ReadView, query: Query, context: QueryContext, ...rest: never[]) => Promise<unknown>;

type Questions = typeof QUESTIONS;
export type QuestionName = keyof Questions;
/** What a question wants to know beside the query of the request. */
export type Beside<Name extends QuestionName> =
  Parameters<Questions[Name]> extends [unknown?, unknown?, unknown?, ...infer Rest] ? Rest : never;
export type Answer<Name extends QuestionName> = Awaited<ReturnType<Questions[Name]>>;

export interface Asked<Name extends QuestionName> {
  readonly name: Name;
  readonly query: Query;
  readonly beside: Beside<Name>;
  readonly nowMs: number;
  /** The configuration that is at least in force: `Policies.changedAt` of who asks. */
  readonly configuredAt: Position | null;
}

/** Errors: ReportError, Problem (PROJECTION_BEHIND, NOT_READY), StoreUnavailable, EventLogError. */
export interface Answers {
  to<Name extends QuestionName>(asked: Asked<Name>): Promise<Answer<Name>>;
}
