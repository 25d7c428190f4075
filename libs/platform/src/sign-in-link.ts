import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from './clock.js';

const VALID_MS = 15 * 60_000;
const sha256 = (token: string): Buffer => createHash('sha256').update(token).digest();

/** A token printed once at start and good for one visit within 15 minutes. */
export class SignInLink {
  readonly token = randomBytes(24).toString('base64url');
  readonly #untilMs: number;
  #hash: Buffer | null = sha256(this.token);

  constructor(
    private readonly clock: Clock,
    /** What the visit is worth: shown to whoever comes with the token. */
    readonly adminKey: string,
  ) {
    this.#untilMs = clock.nowMs() + VALID_MS;
  }

  /** True once, for the right token in time. */
  redeem(token: string): boolean {
    if (this.#hash === null || this.clock.nowMs() > this.#untilMs || !timingSafeEqual(sha256(token), this.#hash))
      return false;
    this.#hash = null;
    return true;
  }
}
