/** Codes of a refused scoring model (spec §4.4 "Config"). */
export type ScoringErrorCode = 'MODEL_INVALID' | 'PROTECTED_ATTRIBUTE';

/** The one error of this library: `detail` says what is wrong, `field` where in the document, e.g. `behaviour.3.halfLifeDays`. */
export class ScoringError extends Error {
  override readonly name = 'ScoringError';
  constructor(
    readonly code: ScoringErrorCode,
    readonly detail: string,
    readonly field?: string,
  ) {
    super(`${code}: ${detail}${field === undefined ? '' : ` (${field})`}`);
  }
}
