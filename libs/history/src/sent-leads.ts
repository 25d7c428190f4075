/** Lead ids by number, four words of shared memory each: as they cross from one thread to another. */
export interface SentLeads {
  readonly count: number;
  readonly words: Uint32Array;
  /** Those that are no uuids. */
  readonly others: readonly (readonly [index: number, leadId: string])[];
}
