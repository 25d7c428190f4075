import type { Decision } from './decision.js';
import { staleAfterMs, staleLimitMs } from './silence.js';

/**
 * Writes that the lead has gone stale, once its limit has passed. Not before a fact of an earlier time: that may be the very
 * activity that kept it from going stale.
 */
export function goStale(decision: Decision): void {
  const { atMs, context, isImport, lead } = decision;
  if (isImport || lead.state === null || lead.silence === null || lead.silence.wentStale) return;
  const dealStage = lead.deal?.status === 'open' ? lead.deal.stage : null;
  const limitMs = staleLimitNow(decision, dealStage);
  const dueMs = staleAfterMs(lead.silence, lead.onHold !== null, limitMs);
  if (limitMs === null || dueMs === null || Math.min(atMs, context.nowMs) <= dueMs) return;
  const since = new Date(lead.silence.sinceMs).toISOString();
  const own = { state: lead.state, dealStage: dealStage ?? undefined, since, limitS: Math.round(limitMs / 1000) };
  decision.record('LeadWentStale', own, dueMs);
}

/** A stage that the pipeline in force no longer has is judged as the one it was mapped to. */
function staleLimitNow({ context, lead, pipeline, policyMs }: Decision, dealStage: string | null): number | null {
  if (lead.state === null) return null;
  const stage = dealStage === null ? null : context.policies.stageNow(dealStage, lead.leadType, policyMs);
  return staleLimitMs(pipeline, lead.state, stage);
}
