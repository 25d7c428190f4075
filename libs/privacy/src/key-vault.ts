import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  type Append,
  type AppendResult,
  type EventLog,
  EventLogError,
  type JsonObject,
} from '#libs/event-log/src/event-log.js';
import { LruMap } from '#libs/event-log/src/lru-map.js';
import { decrypt, encrypt, randomBytesPooled } from './aes-gcm.js';
import type { MasterKey } from './master-key.js';
import { PrivacyError } from './privacy-error.js';
import type { DataKey } from './sealed-fields.js';

const ALGORITHM = 'AES-256-GCM';

/** Event of a `leadkey-<leadId>` stream. Deleting the stream makes every sealed field of the lead unreadable (spec §9.1). */
export const dataKeyCreated = z.object({
  leadId: z.string(),
  occurredAt: z.string(),
  keyId: z.uuid(),
  masterKeyId: z.string(),
  /** Base64 of iv|tag|ciphertext under the master key, bound to `<leadId>/<keyId>`. */
  wrapped: z.base64(),
  algorithm: z.literal(ALGORITHM),
});

/** What the caller knows of the act that writes: goes into the event. */
export interface KeyEnvelope {
  readonly occurredAt: string;
  readonly metadata: JsonObject;
}

/** A key that is not stored yet: append it, then hand the outcome to `stored`. */
export interface MadeKey {
  readonly leadId: string;
  readonly dataKey: DataKey;
  readonly append: Append;
}

export const keyStream = (leadId: string): string => `leadkey-${leadId}`;

/**
 * One data key per lead, wrapped by the master key, in the lead's key stream. The stream is written once: of two
 * processes that make a key at the same time the loser reads and uses the winner's.
 * Errors: PrivacyError MASTER_KEY_MISMATCH, WRAPPED_KEY_BROKEN; EventLogError.
 */
export class KeyVault {
  readonly #unwrapped: LruMap<string, DataKey>;

  constructor(
    private readonly log: EventLog,
    private readonly master: MasterKey,
    cacheSize = 2_000,
  ) {
    this.#unwrapped = new LruMap(cacheSize);
  }

  /** The lead's key; null when it has none (nothing was ever sealed, or the lead was erased). */
  async existing(leadId: string): Promise<DataKey | null> {
    const known = this.#unwrapped.get(leadId);
    if (known !== undefined) return known;
    const [event] = await this.log.readStream(keyStream(leadId), { limit: 1 });
    if (event === undefined) return null;
    const dataKey = this.#unwrap(leadId, event.data);
    this.#unwrapped.set(leadId, dataKey);
    return dataKey;
  }

  /** The lead's key, made and stored when there is none. */
  async keyFor(leadId: string, envelope: KeyEnvelope): Promise<DataKey> {
    const existing = await this.existing(leadId);
    if (existing !== null) return existing;
    const made = this.make(leadId, envelope);
    const [outcome] = await this.log.appendMany([made.append]);
    return this.stored(made, outcome!);
  }

  /** The key when it is at hand without reading the log. */
  cached(leadId: string): DataKey | undefined {
    return this.#unwrapped.get(leadId);
  }

  /** A fresh key and the append that stores it, for callers that send it together with other appends. */
  make(leadId: string, envelope: KeyEnvelope): MadeKey {
    const dataKey: DataKey = { keyId: randomUUID(), key: randomBytesPooled(32) };
    const data = {
      leadId,
      occurredAt: envelope.occurredAt,
      keyId: dataKey.keyId,
      masterKeyId: this.master.id,
      wrapped: encrypt(this.master.bytes, dataKey.key, `${leadId}/${dataKey.keyId}`).toString('base64'),
      algorithm: ALGORITHM,
    };
    // The event's id is the key's and never derived from the command: a derived one would let the log take the loser's
    // append for a repetition of the winner's, and the loser would seal under a key that was never stored.
    const event = { id: dataKey.keyId, type: 'DataKeyCreated', data, metadata: envelope.metadata };
    return { leadId, dataKey, append: { stream: keyStream(leadId), expectedRevision: 'no_stream', events: [event] } };
  }

  /** The key to use once the outcome of `make`'s append is known: this one, or the winner's. */
  async stored(made: MadeKey, outcome: AppendResult | EventLogError): Promise<DataKey> {
    if (!(outcome instanceof EventLogError)) {
      this.#unwrapped.set(made.leadId, made.dataKey);
      return made.dataKey;
    }
    if (outcome.code !== 'WRONG_EXPECTED_REVISION') throw outcome;
    const winner = await this.existing(made.leadId);
    if (winner === null) throw outcome;
    return winner;
  }

  #unwrap(leadId: string, data: unknown): DataKey {
    const parsed = dataKeyCreated.safeParse(data);
    if (!parsed.success)
      throw new PrivacyError('WRAPPED_KEY_BROKEN', `the key stream of lead ${leadId} is not readable`);
    const { keyId, masterKeyId, wrapped } = parsed.data;
    if (masterKeyId !== this.master.id)
      throw new PrivacyError(
        'MASTER_KEY_MISMATCH',
        `the key of lead ${leadId} is wrapped under master key ${masterKeyId}, this process has ${this.master.id}`,
      );
    try {
      return { keyId, key: decrypt(this.master.bytes, Buffer.from(wrapped, 'base64'), `${leadId}/${keyId}`) };
    } catch (cause) {
      throw new PrivacyError('WRAPPED_KEY_BROKEN', `the key of lead ${leadId} does not unwrap`, undefined, { cause });
    }
  }
}
