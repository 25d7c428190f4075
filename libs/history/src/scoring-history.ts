import type { FactValue, FitField } from '#libs/scoring/src/facts.js';
import type { Behaviour } from '#libs/scoring/src/behaviours.js';

/**
 * What scoring could know of every lead, step by step, grouped by lead: the form that replays, tuning and verification loop over.
 * Typed arrays over SharedArrayBuffers, so that worker threads share one copy; times are whole seconds since 1970, 0: never.
 * Made from the history's tables; the same log gives the same arrays.
 */
export interface ScoringHistory {
  /** The log is in up to here. */
  readonly position: string | null;
  readonly leads: LeadColumns;
  readonly steps: StepColumns;
  /** What a behaviour step's `value` is an index of. */
  readonly variants: readonly BehaviourVariant[];
  readonly profiles: ProfileColumns;
}

/** One entry a lead; `firstStep` has one more, so that lead n has the steps [firstStep[n], firstStep[n + 1]). */
export interface LeadColumns {
  readonly count: number;
  readonly leadIds: readonly string[];
  readonly firstStep: Uint32Array;
  /** First step that is not to be read by a leak-free replay (spec §5.6): cut at the first handoff or sales-initiated skip of cycle 1. */
  readonly cutStep: Uint32Array;
  /** Earliest capture. */
  readonly capturedAtS: Uint32Array;
  /**
   * First of each in cycle 1, by occurredAt; voided ones are none. Accepted: also implicitly. SQL: or whatever lies beyond it (spec §7.0
   * reached).
   */
  readonly mqlAtS: Uint32Array;
  readonly handedOffAtS: Uint32Array;
  readonly acceptedAtS: Uint32Array;
  readonly rejectedAtS: Uint32Array;
  readonly sqlAtS: Uint32Array;
  readonly wonAtS: Uint32Array;
  /** Bits: see `LEAD_FLAGS`. */
  readonly flags: Uint8Array;
  /** Dimension values for splits (§7.0 names), each an index into `dimensionValues[name]`; 0: none. */
  readonly dimensions: Readonly<Record<SegmentDimension, Uint32Array>>;
  readonly dimensionValues: Readonly<Record<SegmentDimension, readonly (string | null)[]>>;
}
export const SEGMENT_DIMENSIONS = ['source', 'channel', 'campaign', 'country', 'leadType', 'captureMethod', 'team', 'owner'] as const; // prettier-ignore
export type SegmentDimension = (typeof SEGMENT_DIMENSIONS)[number];

export const LEAD_FLAGS = {
  /** Merged into another lead: out of every population (spec §7.0). */
  mergedAway: 1,
  imported: 2,
  /** The first mark as MQL of cycle 1 was automatic. */
  markedAutomatically: 4,
} as const;

/** One entry a step, a lead's in the order of the log. */
export interface StepColumns {
  readonly count: number;
  /** See `STEP`; with `EVALUATED` added where a replay evaluates: at the last step of a command that told something scored (§5.4). */
  readonly kind: Uint8Array;
  /**
   * From when on it counts, and when it is evaluated. Of a behaviour exactly the instant that libs/scoring counts it at; it goes back
   * only behind `restated` and where history was imported after something live.
   */
  readonly atS: Uint32Array;
  /** When a behaviour occurred; of other steps equal to `atS`. */
  readonly occurredAtS: Uint32Array;
  /** Behaviour: index into `variants`. Facts: index into `profiles`. Gates: bits of `GATES`. Else 0. */
  readonly value: Uint32Array;
}

export const STEP = {
  behaviour: 0,
  /** The lead's whole profile from now on. */
  facts: 1,
  gates: 2,
  /** Sales returned the lead: where models with `reset_engagement` start anew. */
  returned: 3,
  /**
   * All behaviours and returns so far are forgotten; those that still hold are told again by the steps that follow (merge, correction,
   * void), at the instants they had counted at: only there `atS` goes back.
   */
  restated: 4,
} as const;
export const STEP_MASK = 0x0f;
export const EVALUATED = 0x80;
/** The lead was scored under a model just activated, nothing else having happened: no place for a replay to evaluate. */
export const RESCORED = 0x10;
/** Added to the first step of each command: what was before it, was before the command. */
export const STARTS = 0x20;
/** Added beside EVALUATED in imported history, which the ledger itself never scored (spec §9.3). */
export const IMPORTED = 0x40;

/** What may keep a lead from being marked whatever its score: all bits must be set for a mark. All are until a step says otherwise. */
export const GATES = {
  /** No consent to profiling withdrawn, and not merged away. */
  mayBeScored: 1,
  /** No hard criterion of the ICP failed. */
  icp: 2,
  /** Not every consent withdrawn. */
  notSuppressed: 4,
  /** In a state in which a mark may happen (spec T4), or MQL already: under another model it might not be yet. */
  mayBeMarked: 8,
} as const;
export const ALL_GATES = 15;

export type BehaviourVariant = Pick<Behaviour, 'kind' | 'count' | 'more'>;

/** Distinct sets of facts. `fields[f][p]` is an index into `values[f]`; 0: not known (undefined). */
export interface ProfileColumns {
  readonly count: number;
  readonly fields: Readonly<Record<FitField, Uint8Array | Uint16Array | Uint32Array>>;
  readonly values: Readonly<Record<FitField, readonly (FactValue | undefined)[]>>;
}
