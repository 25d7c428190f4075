import type { BusinessCalendar } from '#libs/policy/src/business-calendar.js';
import { CLOCK_TYPES, type Agreement, type ClockRule } from '#libs/policy/src/documents.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { ClockTerms } from './clock-run.js';

export type ClockTypeName = (typeof CLOCK_TYPES)[number];

/** What a clock was recorded to run under. */
export interface RecordedTerms {
  readonly clockType: ClockTypeName;
  readonly agreementId: string;
  readonly agreementVersion: number;
  readonly calendarId: string;
  readonly calendarVersion: number;
}

/** Who promises what: by the policies that were in force, or by other ones. */
export interface TermsBook {
  /** Of a clock that was started at `startMs`; null: under these there is no such promise. */
  promised(recorded: RecordedTerms, teamId: string | null, startMs: number): ClockTerms | null;
  /** Of a clock that was not started though its fact came about; null likewise. */
  unpromised(clockType: ClockTypeName, teamId: string, startMs: number): ClockTerms | null;
}

/** Other policies over the past: in force for all of it, whatever was in force then. */
export interface SlaCandidate {
  /** In place of the agreements named by `replaces`, or of all. Absent: those in force. */
  readonly agreement?: { readonly document: Agreement; readonly replaces?: string };
  /** By id: in place of any version of the calendar of that id. */
  readonly calendars: ReadonlyMap<string, BusinessCalendar>;
}

/** The terms each clock was recorded to run under. @throws Error when a version that a clock names is not in the book */
export function termsInForce(policies: PolicyBook): TermsBook {
  const known = new Map<string, ClockTerms>();
  return {
    promised(recorded) {
      const { agreementId, agreementVersion, calendarId, calendarVersion, clockType } = recorded;
      const key = `${clockType} ${agreementVersion} ${calendarVersion} ${agreementId} ${calendarId}`;
      let terms = known.get(key);
      if (terms === undefined) {
        const agreement = policies.agreement(agreementId, agreementVersion);
        const rule = agreement === null ? undefined : ruleOf(agreement, clockType);
        const calendar = policies.calendar(calendarId, calendarVersion);
        if (agreement === null || rule === undefined || calendar === null) {
          throw new Error(
            `agreement ${agreementId} v${agreementVersion} or calendar ${calendarId} v${calendarVersion} is not known`,
          );
        }
        known.set(key, (terms = termsOf(agreement, rule, calendar)));
      }
      return terms;
    },
    unpromised: () => null,
  };
}

export function candidateTerms(policies: PolicyBook, candidate: SlaCandidate): TermsBook {
  const { calendars } = candidate;
  const other = candidate.agreement?.document;
  const replaces = candidate.agreement?.replaces;
  const isReplaced = (agreementId: string) =>
    other !== undefined && (replaces === undefined || replaces === agreementId);
  // Terms are few and clocks many.
  const known = new Map<ClockRule, Map<BusinessCalendar, ClockTerms>>();
  const termsUnder = (agreement: Agreement, rule: ClockRule, calendar: BusinessCalendar): ClockTerms => {
    let byCalendar = known.get(rule);
    if (byCalendar === undefined) known.set(rule, (byCalendar = new Map()));
    let terms = byCalendar.get(calendar);
    if (terms === undefined) byCalendar.set(calendar, (terms = termsOf(agreement, rule, calendar)));
    return terms;
  };
  const under = (agreement: Agreement, clockType: ClockTypeName, teamId: string | null, startMs: number) => {
    const rule = ruleOf(agreement, clockType);
    if (rule === undefined) return null;
    const team = teamId === null ? null : policies.team(teamId, startMs);
    const calendarId = team?.clockCalendars?.[clockType] ?? rule.calendarId;
    const calendar = calendars.get(calendarId) ?? policies.calendarInForce(calendarId, startMs);
    return calendar === null ? null : termsUnder(agreement, rule, calendar);
  };
  return {
    promised(recorded, teamId, startMs) {
      const { agreementId, agreementVersion, calendarId, calendarVersion, clockType } = recorded;
      if (other !== undefined && isReplaced(agreementId)) return under(other, clockType, teamId, startMs);
      const agreement = policies.agreement(agreementId, agreementVersion);
      const rule = agreement === null ? undefined : ruleOf(agreement, clockType);
      const calendar = calendars.get(calendarId) ?? policies.calendar(calendarId, calendarVersion);
      return agreement === null || rule === undefined || calendar === null
        ? null
        : termsUnder(agreement, rule, calendar);
    },
    unpromised(clockType, teamId, startMs) {
      const inForce = policies.agreementForTeam(teamId, startMs);
      // Without an agreement in force nothing was handed over, so nothing is promised anew either.
      if (other === undefined || inForce === null || !isReplaced(inForce.agreementId)) return null;
      return under(other, clockType, teamId, startMs);
    },
  };
}

const ruleOf = (agreement: Agreement, clockType: ClockTypeName): ClockRule | undefined =>
  agreement.clocks.find((rule) => rule.clockType === clockType);

const termsOf = (
  { lateEvidenceGraceS }: Agreement,
  { pausable, targetOpenS }: ClockRule,
  calendar: BusinessCalendar,
): ClockTerms => ({
  targetMs: targetOpenS * 1000,
  pausable,
  graceMs: lateEvidenceGraceS * 1000,
  calendar,
});
