import { randomUUID } from 'node:crypto';
import { derivedId } from '#libs/event-log/src/ids.js';
import { invalid } from '#libs/platform/src/problem.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const VISIBLE = /^[\x21-\x7e]{1,200}$/;
/** Namespace of idempotency keys that are no uuids. */
const KEY_NAMESPACE = '6c656164-6c65-5000-8000-6b6579730001';

/** Command id of an `Idempotency-Key`: a uuid is taken as it is, other visible ASCII is mapped; none: one is made. */
export function commandIdOf(idempotencyKey: string | undefined): string {
  if (idempotencyKey === undefined) return randomUUID();
  if (UUID.test(idempotencyKey)) return idempotencyKey.toLowerCase();
  if (!VISIBLE.test(idempotencyKey)) throw invalid('Idempotency-Key', 'must be 1 to 200 visible ASCII characters');
  return derivedId(idempotencyKey, KEY_NAMESPACE);
}

/**
 * A command's id may stand in its body instead (spec §4.4 `commandId`, a uuid); the body without it.
 * @throws Problem VALIDATION_FAILED: no uuid, or another one than the header's
 */
export function commandIdAndBody(
  idempotencyKey: string | undefined,
  body: unknown,
): { readonly commandId: string; readonly body: unknown } {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'commandId'))
    return { commandId: commandIdOf(idempotencyKey), body };
  const { commandId: named, ...rest } = body as Readonly<Record<string, unknown>>;
  if (typeof named !== 'string' || !UUID.test(named)) throw invalid('commandId', 'must be a uuid');
  const commandId = named.toLowerCase();
  if (idempotencyKey !== undefined && commandIdOf(idempotencyKey) !== commandId)
    throw invalid('commandId', 'is another one than the Idempotency-Key');
  return { commandId, body: rest };
}

/** Revision of an `If-Match: "<revision>"`, also without the quotes; undefined without the header. */
export function revisionOf(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined) return undefined;
  const revision = /^("?)(\d{1,15})\1$/.exec(ifMatch)?.[2];
  if (revision === undefined) throw invalid('If-Match', 'must be one revision, as ETag gave it');
  return Number(revision);
}
