import { Buffer } from 'node:buffer';

/** An event as it goes into the embedded store: payloads are bytes (or text to be written as UTF-8). */
export interface NewRecord {
  readonly id: string;
  readonly type: string;
  readonly isJson: boolean;
  readonly data: string | Uint8Array;
  readonly metadata: string | Uint8Array;
}

/** Revision of the tombstone that ends a stream for good, as EventStoreDB numbers it. */
export const TOMBSTONE_REVISION = 9223372036854775807n;

const HEADER_BYTES = 42;
const JSON_FLAG = 1;
const TOMBSTONE_FLAG = 2;
/** Nothing but ASCII in it: read as Latin-1, which is several times cheaper than UTF-8. */
const ASCII_NAMES_FLAG = 4;
const ASCII_PAYLOAD_FLAG = 8;
const MAX_NAME_BYTES = 0xffff;
const LOWER_CASE_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/*
 * Layout, little endian: 0 u32 length of the record, 4 u8 flags, 5 u8 layout version, 6 u16 stream bytes, 8 u16 type
 * bytes, 10 event id, 26 u48 created (epoch ms), 32 u48 revision, 38 u32 data bytes; stream, type, data, metadata.
 * The position is not in it: it is the key of the block plus the record's place in the block.
 */

/** `id`: the event's, compact; `record.id` is not looked at again. */
export function encodeRecord(
  stream: string,
  record: NewRecord,
  id: string,
  revision: number,
  createdMs: number,
  tombstone = false,
): Buffer {
  const streamBytes = Buffer.byteLength(stream);
  const typeBytes = Buffer.byteLength(record.type);
  if (streamBytes > MAX_NAME_BYTES || typeBytes > MAX_NAME_BYTES) throw new TypeError('stream or type name too long');
  const dataBytes = byteLength(record.data);
  const metadataBytes = byteLength(record.metadata);
  const length = HEADER_BYTES + streamBytes + typeBytes + dataBytes + metadataBytes;
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeUInt32LE(length, 0);
  bytes[4] =
    (record.isJson ? JSON_FLAG : 0) |
    (tombstone ? TOMBSTONE_FLAG : 0) |
    (streamBytes === stream.length && typeBytes === record.type.length ? ASCII_NAMES_FLAG : 0) |
    (isAscii(record.data, dataBytes) && isAscii(record.metadata, metadataBytes) ? ASCII_PAYLOAD_FLAG : 0);
  bytes[5] = 1;
  bytes.writeUInt16LE(streamBytes, 6);
  bytes.writeUInt16LE(typeBytes, 8);
  bytes.write(id, 10, 16, 'hex');
  bytes.writeUIntLE(createdMs, 26, 6);
  bytes.writeUIntLE(revision, 32, 6);
  bytes.writeUInt32LE(dataBytes, 38);
  let at = HEADER_BYTES;
  at += bytes.write(stream, at);
  at += bytes.write(record.type, at);
  at += writePayload(bytes, record.data, at);
  writePayload(bytes, record.metadata, at);
  return bytes;
}

export function byteLength(payload: string | Uint8Array): number {
  return typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength;
}

/** The 32 lower-case hex digits of a uuid; TypeError when it is none. */
export function compactId(id: string): string {
  const lower = LOWER_CASE_UUID.test(id) ? id : id.toLowerCase();
  if (!LOWER_CASE_UUID.test(lower)) throw new TypeError(`not a uuid: ${id}`);
  return lower.slice(0, 8) + lower.slice(9, 13) + lower.slice(14, 18) + lower.slice(19, 23) + lower.slice(24);
}

/** Only of text is it known without looking: as many bytes as UTF-16 units means ASCII. */
function isAscii(payload: string | Uint8Array, bytes: number): boolean {
  return typeof payload === 'string' ? payload.length === bytes : bytes === 0;
}

function writePayload(bytes: Buffer, payload: string | Uint8Array, at: number): number {
  if (typeof payload === 'string') return bytes.write(payload, at);
  bytes.set(payload, at);
  return payload.byteLength;
}

/**
 * Looks at one record inside a block without copying it. One view is moved over many records: take what you need before
 * it moves on. The buffers it hands out stay valid (the block is never overwritten).
 */
export class RecordView {
  position: number;
  readonly #block: Buffer;
  #at: number;
  #flags = 0;
  #streamEnd = 0;
  #typeEnd = 0;
  #dataEnd = 0;
  #end = 0;

  constructor(block: Buffer, at: number, position: number) {
    this.#block = block;
    this.#at = at;
    this.position = position;
    this.#locate();
  }

  copy(): RecordView {
    return new RecordView(this.#block, this.#at, this.position);
  }

  /** Moves on to the record behind it in the block. */
  next(): void {
    this.#at = this.#end;
    this.position += 1;
    this.#locate();
  }

  /** Of the whole record. */
  get bytes(): number {
    return this.#end - this.#at;
  }

  get isJson(): boolean {
    return (this.#flags & JSON_FLAG) !== 0;
  }

  get isTombstone(): boolean {
    return (this.#flags & TOMBSTONE_FLAG) !== 0;
  }

  get compactId(): string {
    return this.#block.toString('hex', this.#at + 10, this.#at + 26);
  }

  get id(): string {
    const hex = this.compactId;
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  get createdMs(): number {
    return this.#block.readUIntLE(this.#at + 26, 6);
  }

  /** Not meaningful for a tombstone, whose revision is TOMBSTONE_REVISION. */
  get revision(): number {
    return this.#block.readUIntLE(this.#at + 32, 6);
  }

  get stream(): string {
    return this.#text(ASCII_NAMES_FLAG, this.#at + HEADER_BYTES, this.#streamEnd);
  }

  get type(): string {
    return this.#text(ASCII_NAMES_FLAG, this.#streamEnd, this.#typeEnd);
  }

  get dataText(): string {
    return this.#text(ASCII_PAYLOAD_FLAG, this.#typeEnd, this.#dataEnd);
  }

  get metadataText(): string {
    return this.#text(ASCII_PAYLOAD_FLAG, this.#dataEnd, this.#end);
  }

  get data(): Buffer {
    return this.#block.subarray(this.#typeEnd, this.#dataEnd);
  }

  get metadata(): Buffer {
    return this.#block.subarray(this.#dataEnd, this.#end);
  }

  #locate(): void {
    const block = this.#block;
    const at = this.#at;
    if (at >= block.length) return;
    this.#flags = block[at + 4]!;
    this.#streamEnd = at + HEADER_BYTES + block.readUInt16LE(at + 6);
    this.#typeEnd = this.#streamEnd + block.readUInt16LE(at + 8);
    this.#dataEnd = this.#typeEnd + block.readUInt32LE(at + 38);
    this.#end = at + block.readUInt32LE(at);
  }

  #text(asciiFlag: number, start: number, end: number): string {
    return this.#block.toString((this.#flags & asciiFlag) === 0 ? 'utf8' : 'latin1', start, end);
  }
}
