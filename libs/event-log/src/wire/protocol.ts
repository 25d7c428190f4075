import { Buffer } from 'node:buffer';
import sharedMessages from '@eventstore/db-client/generated/shared_pb.js';
import type { StreamIdentifier, UUID } from '@eventstore/db-client/generated/shared_pb.js';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { EventLogError, type ExpectedRevision } from '../event-log.js';

/** Marks in trailers what kind of error it is; clients go by it, not by the text. */
export type Trailers = Readonly<Record<string, string>>;

export class RpcError extends Error implements Pick<ServiceError, 'code' | 'details' | 'metadata'> {
  readonly metadata = new Metadata();

  constructor(
    readonly code: status,
    readonly details: string,
    trailers: Trailers = {},
  ) {
    super(details);
    for (const [key, value] of Object.entries(trailers)) this.metadata.set(key, value);
  }
}

/** What EventStoreDB answers when it has nothing better to say. */
export function handlerThrew(): RpcError {
  return new RpcError(status.UNKNOWN, 'Exception was thrown by handler.');
}

export function invalidArgument(details: string): RpcError {
  return new RpcError(status.INVALID_ARGUMENT, details);
}

export function streamDeleted(stream: string): RpcError {
  return new RpcError(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': headerText(stream),
  });
}

/** Answers for whatever goes wrong below the protocol. */
export function rpcErrorOf(error: unknown, stream = ''): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof EventLogError) {
    switch (error.code) {
      case 'STREAM_DELETED':
        return streamDeleted(stream);
      case 'STORE_UNAVAILABLE':
        return new RpcError(status.UNAVAILABLE, 'Server Is Not Ready');
      case 'APPEND_TOO_LARGE':
      case 'WRONG_EXPECTED_REVISION':
        return handlerThrew();
    }
  }
  return handlerThrew();
}

/** Trailers are ASCII: a name that is not is percent-encoded, as .NET clients expect of header values. */
export function headerText(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : encodeURIComponent(text);
}

export function streamNameOf(identifier: StreamIdentifier | undefined): string {
  return identifier ? Buffer.from(identifier.getStreamName_asU8()).toString('utf8') : '';
}

export function streamIdentifier(stream: string): StreamIdentifier {
  const identifier = new sharedMessages.StreamIdentifier();
  identifier.setStreamName(new Uint8Array(Buffer.from(stream, 'utf8')));
  return identifier;
}

/** TypeError when there is none or it is malformed. */
export function uuidText(uuid: UUID | undefined): string {
  const structured = uuid?.getStructured();
  if (!structured) {
    if (!uuid?.hasString()) throw new TypeError('a uuid is missing');
    return uuid.getString();
  }
  const half = (bits: string): string => BigInt.asUintN(64, BigInt(bits)).toString(16).padStart(16, '0');
  const hex = half(structured.getMostSignificantBits()) + half(structured.getLeastSignificantBits());
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function uuidMessage(id: string, form: 'string' | 'structured'): UUID {
  const uuid = new sharedMessages.UUID();
  if (form === 'string') return uuid.setString(id);
  const hex = id.replaceAll('-', '');
  const half = (digits: string): string => BigInt.asIntN(64, BigInt(`0x${digits}`)).toString();
  const structured = new sharedMessages.UUID.Structured();
  structured.setMostSignificantBits(half(hex.slice(0, 16)));
  structured.setLeastSignificantBits(half(hex.slice(16)));
  return uuid.setStructured(structured);
}

/** EventStoreDB's numbers for expectations, as its error texts show them. */
export function expectedNumber(expected: ExpectedRevision): number {
  switch (expected) {
    case 'no_stream':
      return -1;
    case 'any':
      return -2;
    case 'stream_exists':
      return -4;
    default:
      return expected;
  }
}

export function wrongExpectedVersion(
  operation: string,
  stream: string,
  expected: ExpectedRevision,
  actual: number | null,
): RpcError {
  const [wanted, found] = [expectedNumber(expected), actual ?? -1];
  return new RpcError(
    status.FAILED_PRECONDITION,
    `${operation} failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${wanted}, Actual version: ${found}`,
    {
      exception: 'wrong-expected-version',
      'stream-name': headerText(stream),
      'expected-version': String(wanted),
      'actual-version': String(found),
    },
  );
}

interface RevisionOptions {
  hasRevision?(): boolean;
  getRevision?(): string;
  hasStreamPosition?(): boolean;
  getStreamPosition?(): string;
  hasNoStream(): boolean;
  hasAny(): boolean;
  hasStreamExists(): boolean;
}

/** Null when the request says nothing about it. */
export function expectedRevisionOf(options: RevisionOptions): ExpectedRevision | null {
  if (options.hasNoStream()) return 'no_stream';
  if (options.hasAny()) return 'any';
  if (options.hasStreamExists()) return 'stream_exists';
  if (options.hasRevision?.()) return Number(options.getRevision!());
  if (options.hasStreamPosition?.()) return Number(options.getStreamPosition!());
  return null;
}

/** A plain Uint8Array over the same bytes: the generated code copies Buffers. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}
