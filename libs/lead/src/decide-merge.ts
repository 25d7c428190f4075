import { effectiveCapturedAtMs, openSuspects } from './absorption.js';
import { iso, type Decision } from './decision.js';
import { LeadError } from './errors.js';
import type { Rules } from './rule.js';
import { isOpenClock } from './sla-clocks.js';
import { RANK } from './states.js';

/**
 * Two leads that are one person (spec §2.6, T22). A merge lies in two streams: each rule here decides its lead's part; the
 * process that leads from one to the other is apps/api/src/commands/merge-process.ts.
 */

const UNMERGE_LIMIT_MS = 30 * 86_400_000;

export const mergeRules: Rules<'MergeLeads' | 'UnmergeLeads' | 'DismissDuplicate' | 'CompleteMerge' | 'RevertMerge'> = {
  /** On the survivor: takes the duplicate's history over. */
  MergeLeads: {
    offered: (lead) => openSuspects(lead).length > 0,
    decide(decision, { duplicateLeadId, survivorLeadId }) {
      const { context, lead } = decision;
      requirePath(decision, survivorLeadId);
      requireOther(decision, duplicateLeadId, 'duplicateLeadId');
      const { duplicate } = context;
      if (duplicate === undefined || duplicate.lead.state === null)
        throw unknownLead(duplicateLeadId, 'duplicateLeadId');
      const { absorption, mergeId } = duplicate;
      const { deal, mergedInto, revision, state } = duplicate.lead;
      if (mergedInto !== null) {
        throw new LeadError('LEAD_MERGED', 'the duplicate is merged already', {
          duplicateLeadId,
          survivorLeadId: mergedInto.survivorLeadId,
        });
      }
      const standing = lead.absorbed.find((one) => one.duplicateLeadId === duplicateLeadId);
      const elsewhere = duplicate.lead.absorbed.some((one) => one.duplicateLeadId === lead.leadId);
      if ((standing !== undefined && standing.mergeId !== mergeId) || elsewhere) {
        throw new LeadError('CONFLICT', 'another command is merging the two', { duplicateLeadId, retryable: true });
      }
      decision.guard(
        RANK[decision.state] >= RANK[state],
        'MERGE_SURVIVOR_LESS_ADVANCED',
        `a ${state} lead survives, not a ${decision.state} one`,
        { duplicateLeadId, duplicateState: state },
      );
      decision.guard(
        lead.deal === null || deal === null,
        'MERGE_BOTH_HAVE_OPEN_DEALS',
        'close one of the two deals first',
        {
          duplicateLeadId,
          dealIds: [lead.deal?.dealId, deal?.dealId],
        },
      );
      if (standing?.duplicateRevision === revision) return;
      const capturedAtMs = Math.min(effectiveCapturedAtMs(lead), Date.parse(absorption.duplicateCapturedAt));
      decision.record('DuplicateAbsorbed', {
        mergeId,
        duplicateLeadId,
        duplicateRevision: revision,
        effectiveCapturedAt: iso(capturedAtMs),
        ...absorption,
      });
    },
  },

  /** On the duplicate, by the process: its end as a lead of its own (T22). */
  CompleteMerge: {
    transition: true,
    decide(decision, { mergeId, survivorLeadId }) {
      const { mergedInto } = decision.lead;
      if (mergedInto?.mergeId === mergeId) return;
      if (mergedInto !== null) throw merged(mergedInto.survivorLeadId);
      decision.move('MergedInto', 'MERGED', { mergeId, survivorLeadId }, { clocks: decision.cancel('merged') });
    },
  },

  /** On the survivor: gives the duplicate's history back. */
  UnmergeLeads: {
    offered: ({ absorbed }) => absorbed.length > 0,
    decide(decision, { duplicateLeadId, mergeId, reason, survivorLeadId }) {
      const { context, lead } = decision;
      requirePath(decision, survivorLeadId);
      const found = lead.absorbed.filter(
        (one) =>
          (duplicateLeadId === undefined || one.duplicateLeadId === duplicateLeadId) &&
          (mergeId === undefined || one.mergeId === mergeId),
      );
      const [one] = found;
      if (one === undefined) throw new LeadError('NOT_MERGED', 'no such duplicate is merged into this lead');
      if (found.length > 1) {
        const rule = `is missing: ${found.length} leads are merged into this one`;
        throw new LeadError('VALIDATION_FAILED', `duplicateLeadId ${rule}`, {
          fields: [{ field: 'duplicateLeadId', rule }],
        });
      }
      decision.guard(
        context.nowMs - one.recordedAtMs <= UNMERGE_LIMIT_MS,
        'UNMERGE_TOO_LATE',
        'a merge is taken back within 30 days',
        { mergedAt: iso(one.recordedAtMs) },
      );
      decision.record('MergeReverted', {
        mergeId: one.mergeId,
        duplicateLeadId: one.duplicateLeadId,
        survivorLeadId: lead.leadId,
        cause: 'unmerged',
        reason,
      });
    },
  },

  /**
   * By the process. On the duplicate: a lead of its own again, as if the merge had never been. On the survivor: a merge that
   * could not be completed is given up.
   */
  RevertMerge: {
    decide(decision, { mergeId, reason }) {
      const { lead } = decision;
      const { latestTransition, mergedInto } = lead;
      const pending = lead.absorbed.find((one) => one.mergeId === mergeId);
      if (pending !== undefined) {
        const { duplicateLeadId } = pending;
        const survivorLeadId = lead.leadId;
        decision.record('MergeReverted', { mergeId, duplicateLeadId, survivorLeadId, cause: 'given_up', reason });
        return;
      }
      if (mergedInto === null) {
        // The merge was taken back before it reached this lead: noted, so that it never does.
        const { leadId } = lead;
        decision.record('MergeReverted', { mergeId, duplicateLeadId: leadId, cause: 'unmerged', reason });
        return;
      }
      if (mergedInto.mergeId !== mergeId || latestTransition === null) return;
      const running = latestTransition.clocksEnded.filter((clockId) => {
        const clock = lead.clocks.get(clockId);
        return clock !== undefined && !isOpenClock(clock) && clock.cancelReason === 'merged';
      });
      decision.record('MergeReverted', {
        mergeId,
        duplicateLeadId: lead.leadId,
        survivorLeadId: mergedInto.survivorLeadId,
        cause: 'unmerged',
        reason,
        restoredState: latestTransition.before.state ?? undefined,
        reopenedClockIds: running.length === 0 ? undefined : running,
      });
    },
  },

  /** On both leads: they are two people, and nothing suspects them again. */
  DismissDuplicate: {
    offered: (lead) => openSuspects(lead).length > 0,
    decide(decision, { candidateLeadId, survivorLeadId }) {
      requirePath(decision, survivorLeadId);
      requireOther(decision, candidateLeadId, 'candidateLeadId');
      if (decision.lead.duplicates.get(candidateLeadId) === 'dismissed') return;
      decision.record('DuplicateDismissed', { candidateLeadId });
    },
  },
};

export const merged = (survivorLeadId: string): LeadError =>
  new LeadError('LEAD_MERGED', `merged into lead ${survivorLeadId}`, { survivorLeadId });

export const unknownLead = (leadId: string, field: string): LeadError =>
  new LeadError('LEAD_NOT_FOUND', `there is no lead ${leadId}`, { leadId, field });

/** Whoever repeats the survivor in the body means the lead of the path. */
function requirePath({ lead }: Decision, survivorLeadId: string | undefined): void {
  if (survivorLeadId === undefined || survivorLeadId === lead.leadId) return;
  const rule = 'must be the lead in the path';
  throw new LeadError('VALIDATION_FAILED', `survivorLeadId ${rule}`, { fields: [{ field: 'survivorLeadId', rule }] });
}

function requireOther(decision: Decision, leadId: string, field: string): void {
  decision.guard(leadId !== decision.lead.leadId, 'MERGE_SAME_LEAD', 'a lead is no duplicate of itself', { field });
}
