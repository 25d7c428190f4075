import { v5 } from 'uuid';

/**
 * UUIDv5 of `name` in the namespace of another uuid: the same two always give the same id.
 * Any 32 hex digits are taken as a namespace, whatever uuid version they claim; anything else is a TypeError.
 */
export function derivedId(name: string, namespaceUuid: string): string {
  const hex = namespaceUuid.replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/i.test(hex)) throw new TypeError(`not a uuid: ${namespaceUuid}`);
  return v5(name, Buffer.from(hex, 'hex'));
}

/** Id of a command's nth event (from 0), so that a retried command is the same append (spec §2.3). */
export function eventId(commandId: string, ordinal: number): string {
  return derivedId(String(ordinal), commandId);
}
