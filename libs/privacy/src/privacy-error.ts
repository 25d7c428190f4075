export type PrivacyErrorCode =
  /** Opened with another key than the event names. */
  | 'SEALED_WITH_OTHER_KEY'
  /** The ciphertext, its tag or the event it belongs to does not fit the key: tampered with, moved or truncated. */
  | 'SEAL_BROKEN'
  /** A data key was wrapped under another master key than the one of this process. */
  | 'MASTER_KEY_MISMATCH'
  | 'WRAPPED_KEY_BROKEN'
  | 'MASTER_KEY_INVALID'
  /** An e-mail address, phone number or external id that cannot be normalised; `field` says which. */
  | 'IDENTITY_INVALID';

/** The one error of this library. The message never contains personal data. */
export class PrivacyError extends Error {
  override readonly name = 'PrivacyError';
  constructor(
    readonly code: PrivacyErrorCode,
    message: string,
    readonly field?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
