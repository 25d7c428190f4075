/** One step of a payload's history: data of `type` in version `from` as version `from + 1` (spec §4.6). Pure. */
export interface LeadUpcaster {
  readonly type: string;
  readonly from: number;
  up(data: Record<string, unknown>): Record<string, unknown>;
}

/**
 * Empty: every lead event is version 1. Whoever changes a meaning or a type raises the version, adds the step here and a golden
 * file `golden/<Type>.v<n>.json` beside the old one, which stays readable for ever.
 */
export const leadUpcasters: readonly LeadUpcaster[] = [];

/** Newest version of the types that have one above 1. */
export const leadEventVersions: Readonly<Record<string, number>> = {};
