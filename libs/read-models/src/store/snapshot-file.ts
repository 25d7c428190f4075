import { Buffer } from 'node:buffer';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Position } from '#libs/event-log/src/event-log.js';
import { SealedRows } from './partition.js';
import type { Scored } from './score-set.js';

/**
 * File: magic, blocks, end block, CRC-32 of all that. Block: kind (1 byte), ascii (1), row count (4), name length (4), body
 * length (4), name, body; little endian. The number in the magic is the version of this layout: any other is not read.
 */
const MAGIC = Buffer.from('LLSNAP01');
const BLOCK_HEADER = 14;
const FLUSH_BYTES = 1 << 20;
const DATASYNC_BYTES = 16 << 20;

const KINDS = { end: 0, rows: 1, scores: 2, counters: 3 } as const;

export type SnapshotBlock =
  | { readonly kind: 'rows'; readonly table: string; readonly part: string; readonly rows: SealedRows }
  | { readonly kind: 'scores'; readonly set: string; readonly entries: readonly Scored[] }
  | { readonly kind: 'counters'; readonly counters: string; readonly entries: readonly [string, number][] };

export interface SnapshotTrailer {
  readonly checkpoint: Position | null;
}

/** The file is not a whole snapshot of this layout. */
export class SnapshotUnreadable extends Error {
  constructor(readonly reason: string) {
    super(reason);
    this.name = 'SnapshotUnreadable';
  }
}

/**
 * Writes beside the file and renames once everything is on the disk: whenever the process dies, the old or the new snapshot
 * is there, whole.
 */
export async function writeSnapshot(
  file: string,
  blocks: AsyncIterable<SnapshotBlock>,
  trailer: SnapshotTrailer,
): Promise<void> {
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, 'w');
  try {
    const out = new ChecksummedWriter(handle);
    await out.write(MAGIC);
    for await (const block of blocks) {
      if (block.kind === 'rows') {
        const { rows } = block;
        await out.block(KINDS.rows, `${block.table}\0${block.part}`, rows.bytes, rows.count, rows.ascii);
      } else {
        const name = block.kind === 'scores' ? block.set : block.counters;
        const entries =
          block.kind === 'scores' ? block.entries.map((entry) => [entry.member, entry.score]) : block.entries;
        await out.block(KINDS[block.kind], name, Buffer.from(JSON.stringify(entries)), entries.length, false);
      }
    }
    await out.block(KINDS.end, JSON.stringify(trailer), Buffer.alloc(0), 0, false);
    await out.finish();
    await handle.sync();
  } catch (error) {
    await handle.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await handle.close();
  await rename(temporary, file);
  await syncDirectory(dirname(file));
}

/** Throws `SnapshotUnreadable`, or what the file system says (ENOENT). */
export async function readSnapshot(file: string): Promise<{ blocks: SnapshotBlock[]; trailer: SnapshotTrailer }> {
  const handle = await open(file, 'r');
  try {
    const input = new ChecksummedReader(handle, (await handle.stat()).size);
    const magic = await input.read(MAGIC.length);
    if (!magic.equals(MAGIC)) throw new SnapshotUnreadable('not a snapshot of this version');
    const blocks: SnapshotBlock[] = [];
    for (;;) {
      const header = await input.read(BLOCK_HEADER);
      const kind = header.readUInt8(0);
      const ascii = header.readUInt8(1) === 1;
      const count = header.readUInt32LE(2);
      const nameLength = header.readUInt32LE(6);
      const bodyLength = header.readUInt32LE(10);
      const name = (await input.read(nameLength)).toString('utf8');
      const body = await input.read(bodyLength);
      if (kind === KINDS.end) {
        await input.verify();
        return { blocks, trailer: JSON.parse(name) as SnapshotTrailer };
      }
      if (kind === KINDS.rows) {
        const separator = name.indexOf('\0');
        const rows = new SealedRows(body, count, ascii);
        blocks.push({ kind: 'rows', table: name.slice(0, separator), part: name.slice(separator + 1), rows });
      } else if (kind === KINDS.scores || kind === KINDS.counters) {
        const entries = parseEntries(body);
        blocks.push(
          kind === KINDS.scores
            ? { kind: 'scores', set: name, entries: entries.map(([member, score]) => ({ member, score })) }
            : { kind: 'counters', counters: name, entries },
        );
      } else {
        throw new SnapshotUnreadable(`unknown block ${kind}`);
      }
    }
  } finally {
    await handle.close();
  }
}

export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function parseEntries(body: Buffer): [string, number][] {
  try {
    return JSON.parse(body.toString('utf8')) as [string, number][];
  } catch {
    throw new SnapshotUnreadable('damaged block');
  }
}

class ChecksummedWriter {
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private unsyncedBytes = 0;
  private crc = 0;

  constructor(private readonly handle: FileHandle) {}

  async block(kind: number, name: string, body: Buffer, count: number, ascii: boolean): Promise<void> {
    const nameBytes = Buffer.from(name);
    const header = Buffer.alloc(BLOCK_HEADER);
    header.writeUInt8(kind, 0);
    header.writeUInt8(ascii ? 1 : 0, 1);
    header.writeUInt32LE(count, 2);
    header.writeUInt32LE(nameBytes.length, 6);
    header.writeUInt32LE(body.length, 10);
    await this.write(header);
    await this.write(nameBytes);
    await this.write(body);
  }

  async write(bytes: Buffer): Promise<void> {
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
    if (this.pendingBytes >= FLUSH_BYTES) await this.flush();
  }

  async finish(): Promise<void> {
    await this.flush();
    const trailer = Buffer.alloc(4);
    trailer.writeUInt32LE(this.crc);
    await writeFully(this.handle, trailer);
  }

  private async flush(): Promise<void> {
    const chunk = Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    for (let at = 0; at < chunk.length; at += FLUSH_BYTES) {
      const piece = chunk.subarray(at, at + FLUSH_BYTES);
      this.crc = crc32(piece, this.crc);
      await writeFully(this.handle, piece);
    }
    this.unsyncedBytes += chunk.length;
    // In small portions: one flush of everything at the end would hold up the log's own fsyncs for its whole length.
    if (this.unsyncedBytes >= DATASYNC_BYTES) {
      await this.handle.datasync();
      this.unsyncedBytes = 0;
    }
  }
}

async function writeFully(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
}

class ChecksummedReader {
  private chunk = Buffer.alloc(0);
  private at = 0;
  private unread: number;
  private crc = 0;

  constructor(
    private readonly handle: FileHandle,
    size: number,
  ) {
    this.unread = size;
  }

  /** A copy of the next bytes, so that nothing keeps the read buffer alive. */
  async read(length: number): Promise<Buffer> {
    const bytes = await this.take(length);
    this.crc = crc32(bytes, this.crc);
    return bytes;
  }

  async verify(): Promise<void> {
    const expected = (await this.take(4)).readUInt32LE(0);
    if (expected !== this.crc) throw new SnapshotUnreadable('checksum differs');
    if (this.unread + this.chunk.length - this.at > 0) throw new SnapshotUnreadable('bytes after the end');
  }

  private async take(length: number): Promise<Buffer> {
    if (length > this.unread + this.chunk.length - this.at) throw new SnapshotUnreadable('cut off');
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let filled = 0; filled < length;) {
      if (this.at === this.chunk.length) await this.fill();
      const copied = this.chunk.copy(bytes, filled, this.at, this.at + length - filled);
      filled += copied;
      this.at += copied;
    }
    return bytes;
  }

  private async fill(): Promise<void> {
    const next = Buffer.allocUnsafe(Math.min(4 * FLUSH_BYTES, this.unread));
    const { bytesRead } = await this.handle.read(next, 0, next.length);
    if (bytesRead === 0) throw new SnapshotUnreadable('cut off');
    this.chunk = next.subarray(0, bytesRead);
    this.unread -= bytesRead;
    this.at = 0;
  }
}
