import { Buffer } from 'node:buffer';

/** Row as laid out in `SealedRows.bytes`: key length, value length (4 bytes each, little endian), key, value in UTF-8. */
const HEADER = 8;

type Change = string | null;

let lastNumber = 0;
const nextNumber = (): number => (lastNumber += 1);

/**
 * An immutable run of rows in one buffer, outside the garbage-collected heap: eight bytes of overhead a row instead of the
 * ~90 of a Map of strings, and already in the form in which the snapshot file holds it.
 */
export class SealedRows {
  static readonly empty = new SealedRows(Buffer.alloc(0), 0, true);

  /** Open-addressed hash table of offset + 1; built at the first `get`, since most partitions are only scanned. */
  private index: Uint32Array | null = null;

  constructor(
    readonly bytes: Buffer,
    readonly count: number,
    /** All bytes of keys and values are ASCII: the buffer can be decoded in one go. */
    readonly ascii: boolean,
  ) {}

  get(key: string): string | null {
    if (this.count === 0) return null;
    this.index ??= this.buildIndex();
    const { bytes, index } = this;
    const wanted = Buffer.from(key);
    const mask = index.length - 1;
    for (let slot = hashBytes(wanted, 0, wanted.length) & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot] as number;
      if (entry === 0) return null;
      const offset = entry - 1;
      const keyLength = readLength(bytes, offset);
      if (keyLength === wanted.length && equalBytes(bytes, offset + HEADER, wanted)) {
        const start = offset + HEADER + keyLength;
        return bytes.toString(this.ascii ? 'latin1' : 'utf8', start, start + readLength(bytes, offset + 4));
      }
    }
  }

  /** Visits every row. The strings may share memory with the whole run: do not keep a few of them for long. */
  forEach(visit: (key: string, value: string, start: number, end: number) => void): void {
    const { bytes } = this;
    const text = this.ascii ? bytes.toString('latin1') : null;
    for (let offset = 0; offset < bytes.length;) {
      const keyEnd = offset + HEADER + readLength(bytes, offset);
      const end = keyEnd + readLength(bytes, offset + 4);
      if (text === null) {
        visit(bytes.toString('utf8', offset + HEADER, keyEnd), bytes.toString('utf8', keyEnd, end), offset, end);
      } else {
        visit(text.slice(offset + HEADER, keyEnd), text.slice(keyEnd, end), offset, end);
      }
      offset = end;
    }
  }

  /** A new run with the changes applied; `null` removes. */
  with(changes: ReadonlyMap<string, Change>): SealedRows {
    if (changes.size === 0) return this;
    const kept: number[] = [];
    let size = 0;
    let count = 0;
    let ascii = this.ascii;
    this.forEach((key, _value, start, end) => {
      if (changes.has(key)) return;
      // Neighbours that stay are copied as one stretch.
      if (kept.length > 0 && kept[kept.length - 1] === start) kept[kept.length - 1] = end;
      else kept.push(start, end);
      size += end - start;
      count += 1;
    });
    const lengths: number[] = [];
    for (const [key, value] of changes) {
      if (value === null) continue;
      const keyLength = Buffer.byteLength(key);
      const valueLength = Buffer.byteLength(value);
      if (keyLength !== key.length || valueLength !== value.length) ascii = false;
      lengths.push(keyLength, valueLength);
      size += HEADER + keyLength + valueLength;
      count += 1;
    }
    if (count === 0) return SealedRows.empty;
    // Not from Node's shared pool: a slice of the pool would keep its neighbours alive.
    const bytes = Buffer.allocUnsafeSlow(size);
    let at = 0;
    for (let index = 0; index < kept.length; index += 2) {
      at += this.bytes.copy(bytes, at, kept[index], kept[index + 1]);
    }
    let next = 0;
    const encoding = ascii ? 'latin1' : 'utf8';
    for (const [key, value] of changes) {
      if (value === null) continue;
      const keyLength = lengths[next] as number;
      const valueLength = lengths[next + 1] as number;
      next += 2;
      writeLength(bytes, at, keyLength);
      writeLength(bytes, at + 4, valueLength);
      at += HEADER;
      at += bytes.write(key, at, encoding);
      at += bytes.write(value, at, encoding);
    }
    return new SealedRows(bytes, count, ascii);
  }

  private buildIndex(): Uint32Array {
    const { bytes } = this;
    let slots = 4;
    while (slots < this.count * 2) slots *= 2;
    const index = new Uint32Array(slots);
    const mask = slots - 1;
    for (let offset = 0; offset < bytes.length;) {
      const keyLength = readLength(bytes, offset);
      let slot = hashBytes(bytes, offset + HEADER, offset + HEADER + keyLength) & mask;
      while (index[slot] !== 0) slot = (slot + 1) & mask;
      index[slot] = offset + 1;
      offset += HEADER + keyLength + readLength(bytes, offset + 4);
    }
    return index;
  }
}

/**
 * The rows of one partition: a sealed run plus the changes since, which its owner folds into a new run when they come to half
 * of it (so a write costs about two row copies in all, and at most a third of the rows are loose strings).
 *
 * For the snapshot `freeze` sets the changes so far aside in O(1); writes go on into a new map, and `seal` later gives
 * exactly what there was at the freeze.
 */
export class Partition {
  private sealed: SealedRows;
  private frozen: Map<string, Change> | null = null;
  private fresh = new Map<string, Change>();
  /** Another number for each content any partition of this process ever had. */
  private number = nextNumber();

  constructor(sealed: SealedRows = SealedRows.empty) {
    this.sealed = sealed;
  }

  get version(): number {
    return this.number;
  }

  get(key: string): string | null {
    return this.fresh.get(key) ?? (this.fresh.has(key) ? null : this.getOlder(key));
  }

  put(key: string, value: string): void {
    this.number = nextNumber();
    this.fresh.set(key, value);
  }

  delete(key: string): void {
    this.number = nextNumber();
    if (this.frozen === null && this.sealed.count === 0) {
      this.fresh.delete(key);
      return;
    }
    this.fresh.set(key, null);
  }

  /** Whether the changes have come to half of the rows: `fold` them soon. */
  get isFoldDue(): boolean {
    return this.frozen === null && this.fresh.size >= 64 + (this.sealed.count >> 1);
  }

  /** Turns the changes into a new sealed run; the content stays. */
  fold(): void {
    if (this.frozen !== null || this.fresh.size === 0) return;
    this.sealed = this.sealed.with(this.fresh);
    this.fresh = new Map();
  }

  isEmpty(): boolean {
    for (const value of this.fresh.values()) if (value !== null) return false;
    if (this.frozen !== null) return capturedMap(this.capture()).size === 0;
    this.fold();
    return this.sealed.count === 0;
  }

  /** The content as of now, unaffected by later writes; `capturedMap` and `eachCaptured` read it. */
  capture(): CapturedRows {
    return {
      sealed: this.sealed,
      changes: this.frozen === null ? [new Map(this.fresh)] : [this.frozen, new Map(this.fresh)],
    };
  }

  /** Begins a snapshot of this partition: its content, or null when `seal` has yet to put it together. */
  freeze(): SealedRows | null {
    if (this.frozen !== null) throw new Error('The partition is frozen already');
    if (this.fresh.size === 0) return this.sealed;
    this.frozen = this.fresh;
    this.fresh = new Map();
    return null;
  }

  /** The content at `freeze`, as one run. */
  seal(): SealedRows {
    if (this.frozen !== null) {
      this.sealed = this.sealed.with(this.frozen);
      this.frozen = null;
    }
    return this.sealed;
  }

  private getOlder(key: string): string | null {
    if (this.frozen?.has(key)) return this.frozen.get(key) ?? null;
    return this.sealed.get(key);
  }
}

export interface CapturedRows {
  readonly sealed: SealedRows;
  /** Oldest first. */
  readonly changes: readonly ReadonlyMap<string, Change>[];
}

export function eachCaptured({ sealed, changes }: CapturedRows, visit: (key: string, value: string) => void): void {
  const [older, newer] = changes;
  const changed = (key: string): boolean => (older?.has(key) ?? false) || (newer?.has(key) ?? false);
  sealed.forEach((key, value) => {
    if (!changed(key)) visit(key, value);
  });
  for (const [key, value] of older ?? []) if (value !== null && !newer?.has(key)) visit(key, value);
  for (const [key, value] of newer ?? []) if (value !== null) visit(key, value);
}

export function capturedMap(captured: CapturedRows): Map<string, string> {
  const rows = new Map<string, string>();
  eachCaptured(captured, (key, value) => rows.set(key, value));
  return rows;
}

function readLength(bytes: Buffer, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

function writeLength(bytes: Buffer, at: number, length: number): void {
  bytes[at] = length & 0xff;
  bytes[at + 1] = (length >>> 8) & 0xff;
  bytes[at + 2] = (length >>> 16) & 0xff;
  bytes[at + 3] = length >>> 24;
}

function hashBytes(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let index = start; index < end; index += 1) hash = Math.imul(hash ^ (bytes[index] as number), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function equalBytes(bytes: Buffer, offset: number, wanted: Buffer): boolean {
  for (let index = 0; index < wanted.length; index += 1) if (bytes[offset + index] !== wanted[index]) return false;
  return true;
}
