import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mapping } from './mapping.js';
import { cellOf, type Columns, linesOf, readRecords, type SourceFile, type SourceRecord } from './source-file.js';

/** All rows that belong to one lead. */
export interface JoinedLead {
  readonly key: string;
  /** By the mapping's file name; a lead always has at least one row in the primary file. */
  readonly records: ReadonlyMap<string, readonly SourceRecord[]>;
  /** The key stood in an earlier row of the primary file already, which has one row a lead. */
  readonly repeated: boolean;
}

/** What joining finds: a lead, or rows that belong to none. */
export type Joined =
  | { readonly kind: 'lead'; readonly lead: JoinedLead }
  /** `code` says why these rows are no lead's: no key, unreadable, or nobody in the primary file has their key. */
  | {
      readonly kind: 'stray';
      readonly record: SourceRecord;
      readonly code: 'ROW_MALFORMED' | 'ROW_WITHOUT_LEAD' | 'VALIDATION_FAILED';
      readonly field?: string;
      readonly message: string;
    };

/** Files of up to so many bytes together are joined in memory; larger ones are first split on disk. */
export const HELD_BYTES = 64 * 1024 * 1024;

/**
 * Joins the files' rows by key. Beyond `heldBytes` the files are split by key over parts in `spoolDir` and joined part by part:
 * memory is bounded by one part whatever the files' size. The order is the same each time for the same files.
 */
export async function* joinFiles(
  mapping: Mapping,
  files: readonly SourceFile[],
  spoolDir: string,
  heldBytes: number = HELD_BYTES,
): AsyncGenerator<Joined> {
  const primary = files.find(({ file }) => file === mapping.primary)!;
  const sides = files.filter((file) => file !== primary);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes <= heldBytes) {
    yield* joinPart(
      mapping,
      readRecords(primary),
      sides.map((side) => readRecords(side)),
    );
    return;
  }
  const parts = Math.ceil(bytes / heldBytes);
  await rm(spoolDir, { recursive: true, force: true });
  await mkdir(spoolDir, { recursive: true, mode: 0o700 });
  try {
    const columns = new Map<string, Columns>();
    for (const file of files) yield* partition(file, parts, spoolDir, columns);
    for (let part = 0; part < parts; part++) {
      const rows = ({ file }: SourceFile) => readPart(partPath(spoolDir, file, part), file, columns.get(file));
      yield* joinPart(mapping, rows(primary), sides.map(rows));
    }
  } finally {
    await rm(spoolDir, { recursive: true, force: true });
  }
}

async function* joinPart(
  mapping: Mapping,
  primaryRows: AsyncIterable<readonly SourceRecord[]>,
  sideRows: readonly AsyncIterable<readonly SourceRecord[]>[],
): AsyncGenerator<Joined> {
  const many = mapping.files.get(mapping.primary)!.rows === 'many';
  const side = new Map<string, SourceRecord[]>();
  for (const rows of sideRows) {
    for await (const batch of rows) {
      for (const record of batch) {
        const key = keyOf(mapping, record);
        if (key === '') yield stray(mapping.files.get(record.file)!.key, record);
        else gather(side, key, record);
      }
    }
  }
  const seen = new Set<string>();
  const gathered = new Map<string, SourceRecord[]>();
  for await (const batch of primaryRows) {
    for (const record of batch) {
      const key = keyOf(mapping, record);
      if (key === '') yield stray(mapping.files.get(record.file)!.key, record);
      else if (many) gather(gathered, key, record);
      else {
        yield { kind: 'lead', lead: joined(key, [record, ...(side.get(key) ?? [])], seen.has(key)) };
        seen.add(key);
      }
    }
  }
  for (const [key, records] of gathered)
    yield { kind: 'lead', lead: joined(key, [...records, ...(side.get(key) ?? [])]) };
  for (const [key, records] of side) {
    if (seen.has(key) || gathered.has(key)) continue;
    for (const record of records) {
      const message = `no row of ${mapping.primary} has the key ${JSON.stringify(key)}`;
      yield { kind: 'stray', record, code: 'ROW_WITHOUT_LEAD', field: mapping.files.get(record.file)!.key, message };
    }
  }
}

const keyOf = (mapping: Mapping, record: SourceRecord): string =>
  cellOf(record, mapping.files.get(record.file)!.key).trim();

function stray(field: string, record: SourceRecord): Joined {
  if (record.malformed !== undefined)
    return { kind: 'stray', record, code: 'ROW_MALFORMED', message: record.malformed };
  return { kind: 'stray', record, code: 'VALIDATION_FAILED', field, message: `${field} is blank` };
}

function gather(into: Map<string, SourceRecord[]>, key: string, record: SourceRecord): void {
  const records = into.get(key);
  if (records === undefined) into.set(key, [record]);
  else records.push(record);
}

function joined(key: string, all: readonly SourceRecord[], repeated = false): JoinedLead {
  const records = new Map<string, SourceRecord[]>();
  for (const record of all) gather(records, record.file, record);
  return { key, records, repeated };
}

const partPath = (spoolDir: string, file: string, part: number): string => join(spoolDir, `${file}.${part}`);

/** Rows without a key belong to no part: they are told at once. */
async function* partition(
  source: SourceFile,
  parts: number,
  spoolDir: string,
  columns: Map<string, Columns>,
): AsyncGenerator<Joined> {
  const out = await Promise.all(
    Array.from({ length: parts }, (_, part) => open(partPath(spoolDir, source.file, part), 'w', 0o600)),
  );
  try {
    for await (const batch of readRecords(source)) {
      const text = Array.from({ length: parts }, () => '');
      for (const record of batch) {
        columns.set(source.file, record.columns);
        const key = cellOf(record, source.spec.key).trim();
        const { rowNo, line, malformed, cells } = record;
        if (key === '') yield stray(source.spec.key, record);
        else text[hash(key) % parts] += `${JSON.stringify([rowNo, line, malformed ?? null, cells])}\n`;
      }
      await Promise.all(out.map((file, part) => file.appendFile(text[part]!)));
    }
  } finally {
    await Promise.all(out.map((file) => file.close()));
  }
}

async function* readPart(path: string, file: string, columns: Columns | undefined): AsyncGenerator<SourceRecord[]> {
  if (columns === undefined) return;
  let batch: SourceRecord[] = [];
  for await (const text of linesOf(path, 'utf8', Infinity)) {
    const [rowNo, line, malformed, cells] = JSON.parse(text!) as [number, number, string | null, string[]];
    batch.push({ file, rowNo, line, columns, cells, ...(malformed !== null && { malformed }) });
    if (batch.length < 500) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let n = 0; n < text.length; n++) value = Math.imul(value ^ text.charCodeAt(n), 0x01000193);
  return value >>> 0;
}
