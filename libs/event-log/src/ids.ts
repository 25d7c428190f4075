import { hash } from 'node:crypto';

const NAMESPACE_BYTES = 16;
const scratch = Buffer.alloc(NAMESPACE_BYTES + 512);
/** Whose bytes lie at the beginning of `scratch`: a command derives all its ids from one namespace. */
let scratchNamespace = '';

/**
 * UUIDv5 of `name` in the namespace of another uuid: the same two always give the same id.
 * Any 32 hex digits are taken as a namespace, whatever uuid version they claim; anything else is a TypeError.
 */
export function derivedId(name: string, namespaceUuid: string): string {
  if (namespaceUuid !== scratchNamespace) {
    const hex = namespaceUuid.replaceAll('-', '');
    if (!/^[0-9a-f]{32}$/i.test(hex)) throw new TypeError(`not a uuid: ${namespaceUuid}`);
    scratch.write(hex, 'hex');
    scratchNamespace = namespaceUuid;
  }
  const length = NAMESPACE_BYTES + Buffer.byteLength(name);
  let bytes = scratch;
  if (length > scratch.length) {
    bytes = Buffer.alloc(length);
    scratch.copy(bytes, 0, 0, NAMESPACE_BYTES);
  }
  bytes.write(name, NAMESPACE_BYTES);
  const sha1 = hash('sha1', bytes.subarray(0, length), 'hex');
  const variant = '89ab'[Number.parseInt(sha1[16]!, 16) & 3]!;
  return `${sha1.slice(0, 8)}-${sha1.slice(8, 12)}-5${sha1.slice(13, 16)}-${variant}${sha1.slice(17, 20)}-${sha1.slice(20, 32)}`;
}

/** The ids of one command are asked for when it is decided and again when it is written. */
let lastCommandId = '';
let lastEventIds: string[] = [];

/** Id of a command's nth event (from 0), so that a retried command is the same append (spec §2.3). */
export function eventId(commandId: string, ordinal: number): string {
  if (commandId !== lastCommandId) {
    lastEventIds = [];
    lastCommandId = commandId;
  }
  return (lastEventIds[ordinal] ??= derivedId(String(ordinal), commandId));
}
