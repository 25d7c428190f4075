import { createHash, hkdfSync } from 'node:crypto';
import { PrivacyError } from './privacy-error.js';

/** The ledger's one secret (`LEDGER_MASTER_KEY`): wraps every lead's data key; the identity pepper is derived from it. */
export interface MasterKey {
  /** Names the key without telling anything about it. */
  readonly id: string;
  readonly bytes: Buffer;
  /** Key of the identity HMAC (spec §2.5 `tenantPepper`). */
  readonly pepper: Buffer;
}

/** MASTER_KEY_INVALID unless exactly 32 bytes. */
export function masterKeyOf(bytes: Buffer): MasterKey {
  if (bytes.length !== 32) throw new PrivacyError('MASTER_KEY_INVALID', 'the master key must have 32 bytes');
  const derive = (info: string) => Buffer.from(hkdfSync('sha256', bytes, Buffer.alloc(0), info, 32));
  return {
    id: createHash('sha256').update(derive('lead-ledger/master-key-id')).digest('hex').slice(0, 16),
    bytes,
    pepper: derive('lead-ledger/identity-pepper'),
  };
}
