import type { Decision } from './decision.js';

const PIPELINE = 'system:pipeline';
/** Why a deal moved that nobody moved. */
const NEW_VERSION = 'pipeline_version';

/**
 * A deal whose stage the pipeline no longer has moves to where the version that removed it has mapped it (spec §4.4
 * `STAGE_IN_USE`). Settled with every command, like overdue clocks, and so at most once; imported history runs under the version of
 * its own time.
 */
export function moveMappedDeal(decision: Decision): void {
  const { atMs, context, isImport, lead } = decision;
  if (lead.deal === null || isImport) return;
  const { dealId, stage } = lead.deal;
  const to = context.policies.stageNow(stage, lead.leadType, context.nowMs);
  if (to === null || to === stage) return;
  decision.asPolicy(PIPELINE, Math.max(Math.min(atMs, context.nowMs), lead.lastTransitionAtMs), () =>
    // Nobody went back: the stage is called otherwise now.
    decision.record('DealStageChanged', {
      dealId,
      from: stage,
      to,
      direction: 'forward',
      skipped: [],
      reason: NEW_VERSION,
    }),
  );
}
