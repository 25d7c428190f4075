import { staleLimitMs } from '#libs/lead/src/silence.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import type { Pipeline } from '#libs/policy/src/documents.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { numberOf } from './part-tallies.js';

/** Millionths in one. */
export const PPM = 1_000_000;
export const ppm = (share: number): number => Math.round(share * PPM);

/** Another text whenever another version of a pipeline is in force: what `StagePolicies` says depends on nothing else. */
export const pipelinesAt = (policies: PolicyBook, atMs: number): string =>
  `${numberOf(policies)} ${policies.pipelinesInForce(atMs)}`;

/** What the pipelines in force at one instant say about stages (spec §3.6): looked up once per lead type. */
export class StagePolicies {
  readonly #pipelines = new Map<string | null, Pipeline | null>();

  constructor(
    private readonly policies: PolicyBook,
    readonly atMs: number,
  ) {}

  /** Null while no pipeline is in force. */
  pipeline(leadType: string | null): Pipeline | null {
    let pipeline = this.#pipelines.get(leadType);
    if (pipeline === undefined) {
      try {
        pipeline = this.policies.pipeline(leadType ?? '', this.atMs);
      } catch {
        pipeline = null;
      }
      this.#pipelines.set(leadType, pipeline);
    }
    return pipeline;
  }

  /** Chance of winning from a deal stage, in millionths; null when the pipeline in force has no such stage. */
  probabilityPpm(leadType: string | null, stage: string): number | null {
    const found = this.#stage(leadType, stage);
    return found === undefined ? null : ppm(found.winProbability);
  }

  /** By whichever of the pipelines asked for so far has the stage. */
  anyProbabilityPpm(stage: string): number | null {
    for (const { dealStages } of this.seen()) {
      const found = dealStages.find(({ code }) => code === stage);
      if (found !== undefined) return ppm(found.winProbability);
    }
    return null;
  }

  /** As the pipeline in force has it, by the mapping of the version that removed it where one did. */
  #stage(leadType: string | null, stage: string) {
    const pipeline = this.pipeline(leadType);
    const find = (wanted: string | null) => pipeline?.dealStages.find(({ code }) => code === wanted);
    if (pipeline === null) return undefined;
    return find(stage) ?? find(this.policies.stageNow(stage, leadType ?? '', this.atMs));
  }

  /** Silence after which a lead there is stale; null: none is set. */
  limitMs(leadType: string | null, state: LeadStateName, dealStage: string | null): number | null {
    const pipeline = this.pipeline(leadType);
    const stage = dealStage === null ? null : (this.#stage(leadType, dealStage)?.code ?? null);
    return pipeline === null ? null : staleLimitMs(pipeline, state, stage);
  }

  /** Every pipeline that was asked for. */
  seen(): Pipeline[] {
    return [...new Set([...this.#pipelines.values()].filter((pipeline) => pipeline !== null))];
  }

  /** Stage codes of the default pipeline and those seen, and the others given, in the order of the pipeline. */
  inOrder(others: Iterable<string>): string[] {
    this.pipeline(null);
    const order = new Map<string, number>();
    for (const { dealStages } of this.seen())
      for (const { code, order: place } of dealStages) if (!order.has(code)) order.set(code, place);
    const known = [...order].sort(([a, left], [b, right]) => left - right || (a < b ? -1 : 1)).map(([code]) => code);
    return [...known, ...[...new Set(others)].filter((code) => !order.has(code)).sort()];
  }
}
