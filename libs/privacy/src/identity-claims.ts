import { createHmac, randomUUID } from 'node:crypto';
import { domainToASCII } from 'node:url';
import { type Append, type EventLog, EventLogError, type JsonObject } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import type { MasterKey } from './master-key.js';
import { PrivacyError } from './privacy-error.js';

export type IdentityKind = 'email' | 'phone' | 'external';

/** What identifies a person, as a keyed hash: the same person finds his stream, a reader of the log learns nothing. */
export interface IdentityKey {
  readonly kind: IdentityKind;
  /** Hex HMAC-SHA256 of `<kind>:<normalised>`. */
  readonly keyHash: string;
}

/** Who holds a key according to the last event of its stream. */
export interface Claim {
  readonly leadId: string;
  /** The command that claimed it. */
  readonly commandId: string;
  readonly claimedAtMs: number;
  /** Revision to expect when the claim is taken over or released. */
  readonly revision: number;
  /** True after IdentityReleased: anyone may claim it. */
  readonly released: boolean;
}

export interface ClaimEnvelope {
  readonly occurredAt: string;
  readonly metadata: JsonObject;
}

/** Whose key becomes whose, and in which merge (spec §2.6). `back`: the merge is taken back. */
export interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly mergeId: string;
  readonly back?: boolean;
}

export const identityStream = (key: IdentityKey): string => `identity-${key.keyHash}`;

/** Trimmed, lower case, domain in punycode; dots and plus tags stay (spec §2.5). */
export function normaliseEmail(email: string): string {
  const trimmed = email.trim().toLowerCase();
  const at = trimmed.lastIndexOf('@');
  const domain = at < 1 ? '' : domainToASCII(trimmed.slice(at + 1));
  if (domain === '') throw new PrivacyError('IDENTITY_INVALID', 'not an e-mail address', 'email');
  return `${trimmed.slice(0, at)}@${domain}`;
}

/** E.164: `+` and digits; the separators people write are dropped. */
export function normalisePhone(phone: string): string {
  const digits = phone.replaceAll(/[\s().-]/g, '');
  if (!/^\+[1-9]\d{1,14}$/.test(digits)) throw new PrivacyError('IDENTITY_INVALID', 'not an E.164 number', 'phone');
  return digits;
}

/**
 * The identity streams (spec §2.5). A claim is an append that expects no stream (or the release it follows): of two
 * claims at the same time one wins and the other reads the holder.
 * Event ids are fresh, not derived from the command: a derived one would let the log take a retry for the first claim,
 * although another lead may have taken the key over in between.
 */
export class IdentityClaims {
  constructor(
    private readonly log: EventLog,
    private readonly master: MasterKey,
  ) {}

  email(email: string): IdentityKey {
    return this.#key('email', normaliseEmail(email));
  }

  phone(phone: string): IdentityKey {
    return this.#key('phone', normalisePhone(phone));
  }

  external(system: string, id: string): IdentityKey {
    return this.#key('external', `${system}:${id}`);
  }

  /** The append that claims a key nobody ever held. */
  firstClaim(key: IdentityKey, leadId: string, envelope: ClaimEnvelope): Append {
    return this.#append(key, 'no_stream', 'IdentityClaimed', { leadId, kind: key.kind }, envelope);
  }

  /** Null when nobody ever held it. */
  async holder(key: IdentityKey): Promise<Claim | null> {
    const [last] = await this.log.readStream(identityStream(key), { direction: 'backwards', limit: 1 });
    if (last === undefined) return null;
    const { leadId, to } = last.data as { leadId?: string; to?: string };
    return {
      leadId: leadId ?? to ?? '',
      commandId: typeof last.metadata.commandId === 'string' ? last.metadata.commandId : '',
      claimedAtMs: effectiveRecordedAtMs(last),
      revision: last.revision,
      released: last.type === 'IdentityReleased',
    };
  }

  /** Claims the key for the lead; answers the other holder instead when there is one (null: the lead holds it now). */
  async claim(key: IdentityKey, leadId: string, envelope: ClaimEnvelope): Promise<Claim | null> {
    if (await this.#tryAppend(this.firstClaim(key, leadId, envelope))) return null;
    return this.claimAfter(await this.holder(key), key, leadId, envelope);
  }

  /** As `claim`, when the stream is known to exist and was read as `holder`. */
  async claimAfter(
    holder: Claim | null,
    key: IdentityKey,
    leadId: string,
    envelope: ClaimEnvelope,
  ): Promise<Claim | null> {
    if (holder !== null && !holder.released) return holder.leadId === leadId ? null : holder;
    const expected = holder === null ? 'no_stream' : holder.revision;
    const data = { leadId, kind: key.kind };
    if (await this.#tryAppend(this.#append(key, expected, 'IdentityClaimed', data, envelope))) return null;
    return this.claimAfter(await this.holder(key), key, leadId, envelope);
  }

  /** Takes over a claim whose lead was never captured. False when somebody was faster: read the holder again. */
  reclaim(key: IdentityKey, abandoned: Claim, leadId: string, envelope: ClaimEnvelope): Promise<boolean> {
    return this.#tryAppend(
      this.#append(key, abandoned.revision, 'IdentityReclaimed', { leadId, kind: key.kind }, envelope),
    );
  }

  /** Gives the key back if the lead holds it; nothing happens otherwise. */
  async release(key: IdentityKey, leadId: string, reason: string, envelope: ClaimEnvelope): Promise<void> {
    for (;;) {
      const holder = await this.holder(key);
      if (holder === null || holder.released || holder.leadId !== leadId) return;
      const data = { leadId, kind: key.kind, reason };
      if (await this.#tryAppend(this.#append(key, holder.revision, 'IdentityReleased', data, envelope))) return;
    }
  }

  /**
   * Points the key from one lead to another, once in each direction of a merge; nothing happens while a third holds it. A
   * return is noted even where the key never went: whoever comes late with the merge finds that it is over.
   */
  async transfer(
    key: IdentityKey,
    { back = false, from, mergeId, to }: Transfer,
    envelope: ClaimEnvelope,
  ): Promise<void> {
    for (;;) {
      const events = await this.log.readStream(identityStream(key));
      const moves = events.filter(({ data, type }) => type === 'IdentityTransferred' && data.mergeId === mergeId);
      if (back ? moves.some(({ data }) => data.to === to) : moves.length > 0) return;
      const holder = await this.holder(key);
      const mayMove = holder?.leadId === from || (back && holder?.leadId === to);
      if (holder === null || holder.released || !mayMove) return;
      const data = { from, to, mergeId, kind: key.kind };
      if (holder.revision !== events.at(-1)?.revision) continue;
      if (await this.#tryAppend(this.#append(key, holder.revision, 'IdentityTransferred', data, envelope))) return;
    }
  }

  #key(kind: IdentityKind, normalised: string): IdentityKey {
    return { kind, keyHash: createHmac('sha256', this.master.pepper).update(`${kind}:${normalised}`).digest('hex') };
  }

  #append(
    key: IdentityKey,
    expectedRevision: Append['expectedRevision'],
    type: string,
    data: JsonObject,
    envelope: ClaimEnvelope,
  ): Append {
    const event = {
      id: randomUUID(),
      type,
      data: { ...data, occurredAt: envelope.occurredAt },
      metadata: envelope.metadata,
    };
    return { stream: identityStream(key), expectedRevision, events: [event] };
  }

  async #tryAppend(append: Append): Promise<boolean> {
    try {
      await this.log.append(append);
      return true;
    } catch (error) {
      if (error instanceof EventLogError && error.code === 'WRONG_EXPECTED_REVISION') return false;
      throw error;
    }
  }
}
