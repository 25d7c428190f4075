import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { ROLES, type Actor, type Role } from '#libs/lead/src/commands.js';
import { EventLogError, type EventLog, type NewEvent, type RecordedEvent } from '#libs/event-log/src/event-log.js';
import { eventId } from '#libs/event-log/src/ids.js';
import type { EventMetadata } from '#libs/event-log/src/metadata.js';
import { toIso, type Clock } from './clock.js';
import type { Logger } from './logging.js';

const STREAM_PREFIX = 'apikey-';
const TOKEN = /^ll_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const RESUBSCRIBE_MS = 1000;

const issued = z.object({
  keyId: z.string(),
  name: z.string(),
  actorId: z.string(),
  role: z.enum(ROLES),
  teams: z.array(z.string()),
  /** sha256 of the token's secret part: 256 random bits need no slow hash. */
  secretHash: z.string().regex(/^[0-9a-f]{64}$/),
  occurredAt: z.string(),
});
type Issued = z.infer<typeof issued>;

interface KnownKey extends Issued {
  readonly revokedAt: string | null;
}

/** What an administrator sees of a key: never the secret, nor its hash. */
export interface ApiKeyCard {
  readonly keyId: string;
  readonly name: string;
  readonly actorId: string;
  readonly role: Role;
  readonly teams: readonly string[];
  readonly issuedAt: string;
  readonly revokedAt: string | null;
}

export interface ApiKeyRequest {
  readonly name: string;
  /** Who acts when the key is used, e.g. the representative's id; default `key-<id>`. */
  readonly actorId?: string | undefined;
  readonly role: Role;
  readonly teams: readonly string[];
}

const sha256 = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/**
 * API keys as events (streams `apikey-<id>`), so that every instance knows them and they outlive Redis. Only hashes are
 * kept. A key works at once on the instance that issued it and on all others; a revocation reaches the others with the
 * log's subscription. The administrator's key is not in the log: it belongs to the installation.
 */
export class ApiKeys {
  readonly #known = new Map<string, KnownKey>();
  readonly #revoked = new Map<string, string>();
  readonly #stop = new AbortController();
  readonly #adminHash: Buffer;
  #following: Promise<void> = Promise.resolve();

  constructor(
    private readonly log: EventLog,
    private readonly clock: Clock,
    private readonly logger: Logger,
    adminKey: string,
  ) {
    this.#adminHash = sha256(adminKey);
  }

  /**
   * Begins to follow the log until `close`. A key is read when it is first used, so nothing has to be loaded: what was
   * revoked before is read as revoked, what is revoked from here on arrives by the subscription.
   */
  async open(): Promise<void> {
    this.#following = this.#follow((await this.log.head()) ?? undefined);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  /** The actor behind a bearer token, or null when there is none (any more). */
  async actorOf(token: string): Promise<Actor | null> {
    if (timingSafeEqual(sha256(token), this.#adminHash)) return { type: 'user', id: 'admin', role: 'admin', teams: [] };
    const parts = TOKEN.exec(token);
    if (parts === null) return null;
    const [, keyId, secret] = parts as unknown as [string, string, string];
    const key = this.#known.get(keyId) ?? (await this.#read(keyId));
    if (key === undefined || key.revokedAt !== null) return null;
    if (!timingSafeEqual(sha256(secret), Buffer.from(key.secretHash, 'hex'))) return null;
    return {
      type: key.role === 'integration' ? 'integration' : 'user',
      id: key.actorId,
      role: key.role,
      teams: key.teams,
    };
  }

  /** The token is told here and never again. */
  async issue(request: ApiKeyRequest, by: Actor): Promise<{ readonly card: ApiKeyCard; readonly token: string }> {
    const keyId = randomBytes(8).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const data: Issued = {
      keyId,
      name: request.name,
      actorId: request.actorId ?? `key-${keyId}`,
      role: request.role,
      teams: [...request.teams],
      secretHash: sha256(secret).toString('hex'),
      occurredAt: toIso(this.clock.nowMs()),
    };
    const event = this.#event('ApiKeyIssued', data, by);
    await this.log.append({ stream: STREAM_PREFIX + keyId, expectedRevision: 'no_stream', events: [event] });
    const key: KnownKey = { ...data, revokedAt: null };
    this.#known.set(keyId, key);
    return { card: cardOf(key), token: `ll_${keyId}_${secret}` };
  }

  /** The same again changes nothing. Null when there is no such key. */
  async revoke(keyId: string, by: Actor): Promise<ApiKeyCard | null> {
    const key = this.#known.get(keyId) ?? (await this.#read(keyId));
    if (key === undefined) return null;
    if (key.revokedAt !== null) return cardOf(key);
    const occurredAt = toIso(this.clock.nowMs());
    const event = this.#event('ApiKeyRevoked', { keyId, occurredAt }, by);
    try {
      await this.log.append({ stream: STREAM_PREFIX + keyId, expectedRevision: 0, events: [event] });
    } catch (error) {
      // Somebody else revoked it meanwhile: what was asked for is so.
      if (!(error instanceof EventLogError && error.code === 'WRONG_EXPECTED_REVISION')) throw error;
    }
    this.#revoked.set(keyId, occurredAt);
    const revoked: KnownKey = { ...key, revokedAt: occurredAt };
    this.#known.set(keyId, revoked);
    return cardOf(revoked);
  }

  /** Every key ever issued, oldest first. Scans the log: for the administrator's eye, not for every request. */
  async list(): Promise<ApiKeyCard[]> {
    let after: string | null = null;
    do {
      const page = await this.log.readAll({
        limit: 1000,
        filter: { streamPrefixes: [STREAM_PREFIX] },
        ...(after === null ? {} : { after }),
      });
      for (const event of page.events) this.#fold(event);
      after = page.next;
    } while (after !== null);
    return [...this.#known.values()]
      .map(cardOf)
      .toSorted((a, b) => (a.issuedAt < b.issuedAt ? -1 : a.issuedAt > b.issuedAt ? 1 : a.keyId < b.keyId ? -1 : 1));
  }

  /** A key's first use on this instance. */
  async #read(keyId: string): Promise<KnownKey | undefined> {
    for (const event of await this.log.readStream(STREAM_PREFIX + keyId)) this.#fold(event);
    return this.#known.get(keyId);
  }

  async #follow(from: string | undefined): Promise<void> {
    let after = from;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const subscription = this.log.subscribe({
          filter: { streamPrefixes: [STREAM_PREFIX] },
          signal,
          ...(after === undefined ? {} : { after }),
        });
        for await (const batch of subscription) {
          for (const event of batch.events) {
            this.#fold(event);
            after = event.position;
          }
        }
      } catch (error) {
        if (signal.aborted) return;
        this.logger.warn({ err: error }, 'cannot follow the API keys; trying again');
        await new Promise<void>((resolve) => {
          const timer = setTimeout(done, RESUBSCRIBE_MS);
          function done(): void {
            clearTimeout(timer);
            signal.removeEventListener('abort', done);
            resolve();
          }
          signal.addEventListener('abort', done);
        });
      }
    }
  }

  #fold(event: RecordedEvent): void {
    if (event.type === 'ApiKeyIssued') {
      const key = issued.parse(event.data);
      this.#known.set(key.keyId, { ...key, revokedAt: this.#revoked.get(key.keyId) ?? null });
    } else if (event.type === 'ApiKeyRevoked') {
      const keyId = String(event.data.keyId);
      // Kept also for a key not known yet: its first read may be under way with what was there before.
      this.#revoked.set(keyId, String(event.data.occurredAt));
      const key = this.#known.get(keyId);
      if (key !== undefined) this.#known.set(keyId, { ...key, revokedAt: String(event.data.occurredAt) });
    }
  }

  #event(type: string, data: NewEvent['data'], by: Actor): NewEvent {
    const commandId = randomUUID();
    const { teams: _, ...actor } = by;
    const metadata: EventMetadata = {
      schemaVersion: 1,
      commandId,
      commandHash: sha256(JSON.stringify([type, data])).toString('hex'),
      $correlationId: commandId,
      $causationId: commandId,
      actor,
      source: { system: 'api' },
      tenantId: 'ledger',
      policyRefs: {},
    };
    return { id: eventId(commandId, 0), type, data, metadata: { ...metadata } };
  }
}

function cardOf(key: KnownKey): ApiKeyCard {
  const { secretHash: _, occurredAt, ...card } = key;
  return { ...card, issuedAt: occurredAt };
}
