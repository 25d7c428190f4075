/**
 * Codes of a refused configuration document or act (spec §4.4 "Config", §2.4) and their HTTP status (spec §4.5): 400 for a
 * document or a time that is wrong in itself, 422 for guards and for references to what does not exist.
 */
export const POLICY_STATUS = {
  VALIDATION_FAILED: 400,
  CALENDAR_INVALID: 400,
  TIME_ZONE_INVALID: 400,
  PROBABILITY_NOT_MONOTONE: 400,
  MODEL_INVALID: 400,
  PROTECTED_ATTRIBUTE: 400,
  OUT_OF_ORDER: 400,
  BACKDATE_LIMIT_EXCEEDED: 400,
  UNKNOWN_VERSION: 404,
  VERSION_IMMUTABLE: 422,
  AGREEMENT_NOT_COUNTERSIGNED: 422,
  AGREEMENT_INCOMPLETE: 422,
  STAGE_IN_USE: 422,
  PIPELINE_IN_USE: 422,
  UNKNOWN_AGREEMENT: 422,
  UNKNOWN_CALENDAR: 422,
  UNKNOWN_ICP: 422,
  UNKNOWN_TEAM: 422,
  UNKNOWN_REP: 422,
  NOT_READY: 422,
} as const;
export type PolicyErrorCode = keyof typeof POLICY_STATUS;

/** What a refusal says beside its code, such as `missing`. */
export type PolicyErrorFacts = Readonly<Record<string, unknown>>;

/** The one error of this library: `code` for programs, `detail` names the broken rule, `field` where in the document. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  constructor(
    readonly code: PolicyErrorCode,
    readonly detail: string,
    readonly field?: string,
    readonly facts: PolicyErrorFacts = {},
  ) {
    super(`${code}: ${detail}${field === undefined ? '' : ` (${field})`}`);
  }

  get status(): number {
    return POLICY_STATUS[this.code];
  }

  /** As a problem body lists them. */
  get fields(): { readonly field: string; readonly rule: string }[] {
    return this.field === undefined ? [] : [{ field: this.field, rule: this.detail }];
  }
}
