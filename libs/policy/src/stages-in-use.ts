import { type ConfigDocument } from './document-kinds.js';
import { pipelineDocument } from './documents.js';
import { PolicyError } from './errors.js';
import { DEFAULT_PIPELINE_ID, type PolicyBook } from './policy-book.js';

/** How many deals are open, by the lead's type and the deal's stage. */
export type OpenDeals = readonly { readonly leadType: string; readonly stage: string; readonly deals: number }[];

export interface StageChange {
  readonly id: string;
  readonly policies: PolicyBook;
  readonly nowMs: number;
  readonly openDeals: OpenDeals;
  readonly fromMs: number;
  /** The pipeline as it is to be; null: retired. */
  readonly document: ConfigDocument | null;
  readonly stageMapping?: Readonly<Record<string, string>> | undefined;
}

/**
 * Refuses a pipeline that would leave open deals in a stage it does not have (spec §4.4). Deals are looked for under every lead
 * type it serves or served, so that a pipeline which takes over a type is judged too.
 * @throws PolicyError STAGE_IN_USE{stages[]}; VALIDATION_FAILED: a mapping from a stage that stays or to one that is not there, a
 *   lead type that another pipeline serves
 */
export function checkStagesInUse(change: StageChange): void {
  const { document, fromMs, id, nowMs, openDeals, policies, stageMapping = {} } = change;
  const pipeline = document === null ? null : pipelineDocument.parse(document);
  const stages = new Set(pipeline?.dealStages.map(({ code }) => code) ?? []);
  for (const [from, to] of Object.entries(stageMapping)) {
    if (stages.has(from))
      throw new PolicyError('VALIDATION_FAILED', `${from} is still a stage`, `stageMapping.${from}`);
    if (!stages.has(to)) throw new PolicyError('VALIDATION_FAILED', `there is no stage ${to}`, `stageMapping.${from}`);
  }
  for (const leadType of pipeline?.leadTypes ?? []) {
    const other = policies.pipelineNaming(leadType, fromMs);
    if (other !== null && other !== id)
      throw new PolicyError('VALIDATION_FAILED', `pipeline ${other} serves ${leadType}`, 'leadTypes');
  }
  const serves = (leadType: string): boolean => {
    if (pipeline === null) return false;
    if (pipeline.leadTypes.includes(leadType)) return true;
    const named = policies.pipelineNaming(leadType, fromMs);
    return id === DEFAULT_PIPELINE_ID && (named === null || named === id);
  };
  const covered = (stage: string): boolean => stages.has(stage) || Object.hasOwn(stageMapping, stage);
  const stranded = new Map<string, number>();
  // Until it comes into force a deal may enter any stage there is now.
  if (fromMs > nowMs) {
    const present = policies.pipelineById(id, fromMs)?.dealStages ?? [];
    for (const { code } of present) if (!covered(code)) stranded.set(code, 0);
  }
  for (const { deals, leadType, stage } of openDeals) {
    const served = (policies.pipelineNaming(leadType, fromMs) ?? DEFAULT_PIPELINE_ID) === id;
    if (!served && !serves(leadType)) continue;
    // Where the deal stands by what is in force, should an earlier mapping not have reached it yet.
    const now = policies.stageNow(stage, leadType, fromMs) ?? stage;
    const known = serves(leadType)
      ? covered(now)
      : id !== DEFAULT_PIPELINE_ID &&
        policies.pipelineById(DEFAULT_PIPELINE_ID, fromMs)?.dealStages.some(({ code }) => code === now) === true;
    if (!known) stranded.set(now, (stranded.get(now) ?? 0) + deals);
  }
  if (stranded.size === 0) return;
  const inUse = Array.from(stranded, ([stage, deals]) => ({ stage, deals }));
  throw new PolicyError(
    'STAGE_IN_USE',
    `open deals stand or may stand in ${inUse.map(({ deals, stage }) => `${stage} (${deals})`).join(', ')}; map or keep it`,
    'stageMapping',
    { stages: inUse },
  );
}
