import { createHash } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import type { Position } from '#libs/event-log/src/event-log.js';
import { type ColumnForm, decodeColumn, type Earlier, encodeColumn, type WideColumn } from './column-codec.js';
import type { DictionaryValue } from './dictionaries.js';
import { type GrowingTables, highestCode, newColumn } from './growing-tables.js';
import type { LeadIndex } from './lead-index.js';
import { hintsOf, spineColumnsOf } from './spine.js';
import type { Column, ColumnArray, Columns, Table } from './table.js';

/**
 * One stretch of the history: magic, length and SHA-256 of the header, header (JSON), sections (leads, dictionaries, one a table) as
 * the header lists them, each with its SHA-256. The number in the magic is the version of this layout: any other is not read.
 */
const MAGIC = Buffer.from('LLHIST02');
const FIXED = MAGIC.length + 4 + 32;
const BEGINNING = '0'.repeat(16);
const EXTENSION = '.history';
/** Level 6 takes a third more time for a hundredth less room. */
const LEVEL = 4;
const EVENT: Column = { name: 'event', type: 'u32', about: '' };

interface Section {
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
}

export interface SegmentHeader {
  /** Digest of what the columns mean: another one cannot be read with these descriptions. */
  readonly schema: string;
  /** Names the log: digest of its first event's id. */
  readonly log: string;
  /** Exclusive; null: from the beginning. */
  readonly from: Position | null;
  readonly to: Position;
  /** Events encoded. */
  readonly events: number;
  /** New ones, numbered from `first` on. */
  readonly leads: Section & { readonly first: number; readonly count: number };
  readonly dictionaries: Section & { readonly entries: Readonly<Record<string, { first: number; count: number }>> };
  readonly tables: Readonly<Record<string, TableSection>>;
}

export interface TableSection extends Section {
  readonly rows: number;
  /** Before the columns: which event's row of the spine each row belongs to. */
  readonly events?: ColumnForm & { readonly length: number };
  /** In the order of the description; `length`: compressed bytes, `high`: the highest code. */
  readonly columns: readonly (ColumnForm & { readonly length: number; readonly high?: number })[];
}

/** One table of the segment is its spine: `hintsOf`. */
export interface NewSegment extends Pick<SegmentHeader, 'schema' | 'log' | 'from' | 'to' | 'events'> {
  readonly leads: { readonly first: number } & ReturnType<LeadIndex['pack']>;
  readonly dictionaries: Readonly<Record<string, { first: number; values: readonly DictionaryValue[] }>>;
  /** One after the other, each asked for when the one before is done. */
  readonly spine: Table;
  readonly tables: AsyncIterable<NewRows> | Iterable<NewRows>;
}

export interface NewRows {
  readonly table: Table;
  readonly rows: number;
  readonly column: (index: number) => WideColumn;
  /** Which row of the spine, of this segment, each row belongs to; absent: the spine's own. */
  readonly events?: () => Uint32Array;
}

export interface SegmentFile {
  readonly path: string;
  readonly header: SegmentHeader;
  readonly bytes: number;
}

/** The file is not a whole segment of this layout, or not the bytes that were written. */
export class SegmentUnreadable extends Error {
  constructor(
    readonly path: string,
    readonly reason: string,
  ) {
    super(`${path}: ${reason}`);
    this.name = 'SegmentUnreadable';
  }
}

/** Null: no segment. */
export function stretchOf(name: string): { from: Position | null; to: Position } | null {
  const match = /^([0-9a-f]{16})-([0-9a-f]{16})\.history$/.exec(name);
  if (match === null) return null;
  return { from: match[1] === BEGINNING ? null : (match[1] as Position), to: match[2] as Position };
}

export const segmentName = (from: Position | null, to: Position): string => `${from ?? BEGINNING}-${to}${EXTENSION}`;

const deflated = promisify(deflateRaw) as (bytes: Uint8Array, options: { level: number }) => Promise<Buffer>;
const inflated = promisify(inflateRaw) as (bytes: Uint8Array) => Promise<Buffer>;

/**
 * Writes beside the name and renames once everything is on the disk: whenever the process dies or the disk is full, a file of this
 * name is whole or not there.
 */
export async function writeSegment(directory: string, segment: NewSegment): Promise<SegmentFile> {
  const { events, from, log, schema, to } = segment;
  const sections: Buffer[] = [];
  let offset = 0;
  const add = (content: readonly Buffer[]): Section => {
    const hash = createHash('sha256');
    let length = 0;
    for (const part of content) {
      hash.update(part);
      length += part.length;
    }
    sections.push(...content);
    offset += length;
    return { offset: offset - length, length, sha256: hash.digest('hex') };
  };

  const { first, others, planes } = segment.leads;
  const ids = await deflated(planes, { level: LEVEL });
  const leadNames = Buffer.from(JSON.stringify(others));
  const count = Buffer.alloc(4);
  count.writeUInt32LE(ids.length);
  const leads = { ...add([count, ids, leadNames]), first, count: planes.length / 16 };

  const entries: Record<string, { first: number; count: number }> = {};
  const values: Record<string, readonly DictionaryValue[]> = {};
  for (const [name, added] of Object.entries(segment.dictionaries)) {
    entries[name] = { first: added.first, count: added.values.length };
    values[name] = added.values;
  }
  const dictionaries = {
    ...add([await deflated(Buffer.from(JSON.stringify(values)), { level: LEVEL })]),
    entries,
  };

  const tables: Record<string, TableSection> = {};
  let spine: WideColumn[] = [];
  for await (const { column, events: eventsOf, rows, table } of segment.tables) {
    if (rows === 0) continue;
    const contents: Promise<Buffer>[] = [];
    const write = (planes: Uint8Array): void => {
      contents.push(planes.length === 0 ? Promise.resolve(Buffer.alloc(0)) : deflated(planes, { level: LEVEL }));
    };
    const belongs = spine.length === 0 ? undefined : eventsOf?.();
    const earlier: Earlier[] = belongs === undefined ? [] : hintsOf(segment.spine, spine, belongs);
    const belonging = belongs === undefined ? null : encodeColumn(EVENT, belongs, []);
    if (belonging !== null) write(belonging.planes);
    const forms: (ColumnForm & { readonly high?: number })[] = [];
    const contentsOfTable: WideColumn[] = [];
    for (const [index, description] of table.columns.entries()) {
      const content = column(index);
      const { form, planes } = encodeColumn(description, content, earlier);
      earlier.push({ column: description, values: content });
      contentsOfTable.push(content);
      forms.push(description.type === 'code' ? { ...form, high: highestCode(description, content) } : form);
      write(planes);
      // A long column takes some milliseconds: others get their turn.
      await contents.at(-1);
    }
    if (table.name === segment.spine.name) spine = contentsOfTable;
    const bytes = await Promise.all(contents);
    const first = belonging === null ? 0 : 1;
    const columns = forms.map((form, index) => ({ ...form, length: (bytes[first + index] as Buffer).length }));
    const events = belonging === null ? {} : { events: { ...belonging.form, length: (bytes[0] as Buffer).length } };
    tables[table.name] = { ...add(bytes), rows, ...events, columns };
  }

  const header: SegmentHeader = { schema, log, from, to, events, leads, dictionaries, tables };
  const headerBytes = Buffer.from(JSON.stringify(header));
  const fixed = Buffer.alloc(FIXED);
  MAGIC.copy(fixed);
  fixed.writeUInt32LE(headerBytes.length, MAGIC.length);
  createHash('sha256')
    .update(headerBytes)
    .digest()
    .copy(fixed, MAGIC.length + 4);

  const path = join(directory, segmentName(from, to));
  const temporary = `${path}.tmp`;
  try {
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(Buffer.concat([fixed, headerBytes, ...sections]));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(directory);
  return { path, header, bytes: FIXED + headerBytes.length + offset };
}

/**
 * Reads every byte and compares the digests; adds the segment's leads and codes to those there are. SegmentUnreadable, and nothing
 * added, when it is damaged or does not belong to this schema, log (null: any) or place.
 */
export async function readSegment(
  path: string,
  { log, names, schema }: { readonly schema: string; readonly log: string | null; readonly names: GrowingTables },
): Promise<SegmentFile> {
  const handle = await openSegment(path);
  try {
    const { bytes, header, sectionsAt } = await readHeader(path, handle);
    if (header.schema !== schema) throw new SegmentUnreadable(path, 'written by another version');
    if (log !== null && header.log !== log) throw new SegmentUnreadable(path, 'of another log');
    for (const section of Object.values(header.tables)) await readSection(path, handle, sectionsAt, section);
    const leads = await readSection(path, handle, sectionsAt, header.leads);
    const texts = await readSection(path, handle, sectionsAt, header.dictionaries);
    const idBytes = leads.readUInt32LE(0);
    const planes = await inflated(leads.subarray(4, 4 + idBytes));
    const others = JSON.parse(leads.subarray(4 + idBytes).toString('utf8')) as [number, string][];
    const values = JSON.parse((await inflated(texts)).toString('utf8')) as Record<string, DictionaryValue[]>;
    const follows =
      header.leads.first === names.leads.count &&
      Object.entries(header.dictionaries.entries).every(
        ([name, { first }]) => first === names.dictionary(name).values.length,
      );
    if (!follows) throw new SegmentUnreadable(path, 'does not follow what is before it');
    names.leads.unpack(planes, others);
    for (const [name, added] of Object.entries(values)) {
      const dictionary = names.dictionary(name);
      for (const value of added) dictionary.codeOf(value);
    }
    return { path, header, bytes };
  } finally {
    await handle.close();
  }
}

export const rowsIn = ({ header }: SegmentFile, table: Table): number => header.tables[table.name]?.rows ?? 0;

/** Of segments that are read for several tables: what is in their spines. */
export class Spines {
  readonly #columns = new Map<string, Promise<readonly ColumnArray[]>>();

  constructor(readonly table: Table) {}

  columnsOf(segment: SegmentFile): Promise<readonly ColumnArray[]> {
    let columns = this.#columns.get(segment.path);
    if (columns === undefined) {
      const wanted = Math.max(0, ...spineColumnsOf(this.table)) + 1;
      columns = readRows(segment, this.table, this, wanted).then((rows) => rows?.columns ?? []);
      this.#columns.set(segment.path, columns);
    }
    return columns;
  }
}

/** One table's rows of these segments, and those after them. */
export async function readTable(
  segments: readonly SegmentFile[],
  table: Table,
  spines: Spines,
  after?: Columns,
): Promise<Columns> {
  const inFiles = segments.reduce((sum, segment) => sum + rowsIn(segment, table), 0);
  const rows = inFiles + (after?.rows ?? 0);
  const columns = table.columns.map((column, index) => {
    const high = Math.max(
      0,
      ...segments.map(({ header }) => header.tables[table.name]?.columns[index]?.high ?? 0),
      after === undefined ? 0 : highestCode(column, after.columns[index]),
    );
    return newColumn(column, rows, high);
  });
  let at = 0;
  for (const segment of segments) {
    const read = await readRows(segment, table, spines);
    read?.columns.forEach((values, index) => columns[index]?.set(values, at));
    at += rowsIn(segment, table);
  }
  after?.columns.forEach((values, index) => columns[index]?.set(values, inFiles));
  return { rows, columns };
}

/** Which row of the spine each row of the table belongs to, in all these segments together; undefined for the spine itself. */
export async function readEvents(
  segments: readonly SegmentFile[],
  table: Table,
  spine: Table,
): Promise<Uint32Array | undefined> {
  if (table.name === spine.name) return undefined;
  const events = new Uint32Array(segments.reduce((sum, segment) => sum + rowsIn(segment, table), 0));
  let at = 0;
  let before = 0;
  for (const segment of segments) {
    const read = await readRows(segment, table, new Spines(spine), 0);
    read?.events?.forEach((event, row) => (events[at + row] = before + event));
    at += rowsIn(segment, table);
    before += rowsIn(segment, spine);
  }
  return events;
}

/** The first columns of the segment's rows of one table. */
async function readRows(
  segment: SegmentFile,
  table: Table,
  spines: Spines,
  wanted = table.columns.length,
): Promise<{ readonly columns: readonly ColumnArray[]; readonly events: Uint32Array | null } | null> {
  const { header, path } = segment;
  const section = header.tables[table.name];
  if (section === undefined) return null;
  const handle = await openSegment(path);
  let content: Buffer;
  try {
    const { sectionsAt } = await readHeader(path, handle);
    content = await readSection(path, handle, sectionsAt, section);
  } finally {
    await handle.close();
  }
  let offset = 0;
  const planesOf = ({ length }: { readonly length: number }): Promise<Buffer> => {
    offset += length;
    const bytes = content.subarray(offset - length, offset);
    return length === 0 ? Promise.resolve(bytes) : inflated(bytes);
  };
  let events: Uint32Array | null = null;
  const earlier: ColumnArray[] = [];
  if (section.events !== undefined) {
    events = new Uint32Array(section.rows);
    decodeColumn(EVENT, section.events, await planesOf(section.events), events, 0, section.rows, []);
    const spine = wanted === 0 ? [] : await spines.columnsOf(segment);
    if (wanted > 0) earlier.push(...hintsOf(spines.table, spine, events).map(({ values }) => values));
  }
  const hints = earlier.length;
  const planes = section.columns.slice(0, wanted).map(planesOf);
  for (const [index, column] of table.columns.slice(0, wanted).entries()) {
    const { high = 0, ...form } = section.columns[index] as TableSection['columns'][number];
    const target = newColumn(column, section.rows, high);
    earlier.push(target);
    decodeColumn(column, form, await (planes[index] as Promise<Buffer>), target, 0, section.rows, earlier);
  }
  return { columns: earlier.slice(hints), events };
}

async function openSegment(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new SegmentUnreadable(path, 'is missing');
    throw error;
  }
}

async function readHeader(
  path: string,
  handle: FileHandle,
): Promise<{ bytes: number; header: SegmentHeader; sectionsAt: number }> {
  const { size } = await handle.stat();
  const fixed = await readAt(path, handle, 0, FIXED);
  if (!fixed.subarray(0, MAGIC.length).equals(MAGIC)) throw new SegmentUnreadable(path, 'no segment of this version');
  const length = fixed.readUInt32LE(MAGIC.length);
  if (FIXED + length > size) throw new SegmentUnreadable(path, 'cut off');
  const text = await readAt(path, handle, FIXED, length);
  if (
    !createHash('sha256')
      .update(text)
      .digest()
      .equals(fixed.subarray(MAGIC.length + 4))
  )
    throw new SegmentUnreadable(path, 'the digest of its header differs');
  const header = JSON.parse(text.toString('utf8')) as SegmentHeader;
  const sections = [header.leads, header.dictionaries, ...Object.values(header.tables)];
  const end = sections.reduce((sum, section) => sum + section.length, FIXED + length);
  if (end !== size) throw new SegmentUnreadable(path, `${size} bytes instead of ${end}`);
  return { bytes: size, header, sectionsAt: FIXED + length };
}

async function readSection(path: string, handle: FileHandle, at: number, section: Section): Promise<Buffer> {
  const content = await readAt(path, handle, at + section.offset, section.length);
  if (createHash('sha256').update(content).digest('hex') !== section.sha256)
    throw new SegmentUnreadable(path, 'the digest of its content differs');
  return content;
}

async function readAt(path: string, handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await handle.read(buffer, read, length - read, position + read);
    if (bytesRead === 0) throw new SegmentUnreadable(path, 'cut off');
    read += bytesRead;
  }
  return buffer;
}

export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
