import { openSuspects } from '#libs/lead/src/absorption.js';
import type { LeadState } from '#libs/lead/src/state.js';
import { toIso } from '#libs/platform/src/clock.js';

/** Which other leads are the same person, by a merge or as far as anybody suspects (spec §2.5, §2.6). */
export function mergeCard(lead: LeadState) {
  const { absorbed, mergedInto } = lead;
  return {
    mergedInto:
      mergedInto === null
        ? null
        : { leadId: mergedInto.survivorLeadId, mergeId: mergedInto.mergeId, at: toIso(mergedInto.atMs) },
    absorbed: absorbed.map((one) => ({
      leadId: one.duplicateLeadId,
      mergeId: one.mergeId,
      at: toIso(one.atMs),
      capturedAt: toIso(one.capturedAtMs),
      attempts: one.contact.attempts,
      responses: one.contact.responses,
      lastContactAt: one.contact.lastContactAt ?? null,
      touches: one.touches.length,
      behaviours: one.behaviours.length,
    })),
    suspectedDuplicates: openSuspects(lead),
  };
}
