import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { MasterKey } from '#libs/privacy/src/master-key.js';

/** So long a dry run stands for its request. */
const VALID_MS = 3_600_000;

/**
 * Proof that somebody has seen the dry run of a request: an HMAC over the request, the person and an end. Nothing is stored, so
 * any process of the ledger accepts what another one gave.
 */
export class DryRunTokens {
  readonly #key: Buffer;

  constructor(master: MasterKey) {
    this.#key = Buffer.from(hkdfSync('sha256', master.bytes, Buffer.alloc(0), 'lead-ledger/bulk-dry-run', 32));
  }

  issue(requestHash: string, actorId: string, nowMs: number): { readonly token: string; readonly expiresAtMs: number } {
    const expiresAtMs = nowMs + VALID_MS;
    return { token: `${expiresAtMs}.${this.#sign(requestHash, actorId, expiresAtMs)}`, expiresAtMs };
  }

  accepts(token: string, requestHash: string, actorId: string, nowMs: number): boolean {
    const [, end, signature] = /^(\d{1,15})\.([0-9a-f]{64})$/.exec(token) ?? [];
    if (end === undefined || signature === undefined || Number(end) < nowMs) return false;
    const right = this.#sign(requestHash, actorId, Number(end));
    return timingSafeEqual(Buffer.from(right), Buffer.from(signature));
  }

  #sign(requestHash: string, actorId: string, expiresAtMs: number): string {
    return createHmac('sha256', this.#key).update(`${expiresAtMs}\n${actorId}\n${requestHash}`).digest('hex');
  }
}
