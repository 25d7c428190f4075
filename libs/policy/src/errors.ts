/** Codes of a refused configuration document or act (spec §4.4 "Config", §2.4). */
export type PolicyErrorCode =
  'CALENDAR_INVALID' | 'TIME_ZONE_INVALID' | 'PROBABILITY_NOT_MONOTONE' | 'VALIDATION_FAILED' | 'NOT_READY';

/** The one error of this library: `code` for programs, `detail` names the broken rule, `field` where in the document. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  constructor(
    readonly code: PolicyErrorCode,
    readonly detail: string,
    readonly field?: string,
  ) {
    super(`${code}: ${detail}${field === undefined ? '' : ` (${field})`}`);
  }
}
