import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DuckDBAppender, DuckDBDataChunk, DuckDBType } from '@duckdb/node-api';
import type { Position } from '#libs/event-log/src/event-log.js';
import type { HeldHistory } from '#libs/history/src/held-history.js';
import { dictionariesOf } from '#libs/history/src/sent-tables.js';
import type { Column, ColumnArray, Columns as TableColumns, Table } from '#libs/history/src/table.js';
import { toIso } from '#libs/platform/src/clock.js';
import { type SpooledFile, spoolExport } from './spooled-export.js';

export const TABLE_FORMATS = ['parquet', 'csv', 'ndjson'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

export interface TableExport {
  readonly table: string;
  readonly format: TableFormat;
}

/** A file alone in a folder of its own, which `readSpooled` takes away when it was read. */
export type ExportedTable = SpooledFile & { readonly position: Position | null };

/** Rows made at a time. */
const PAGE = 2_000;

/** One table as a file in which codes are what they stand for, leads their ids, instants times. */
export async function exportTable(
  held: HeldHistory,
  table: Table,
  { format }: Pick<TableExport, 'format'>,
): Promise<ExportedTable> {
  const file =
    format === 'parquet'
      ? await parquetFile(held, table)
      : await spoolExport(pagesOf(held, table), format, cellsOf(table));
  return { ...file, position: held.position };
}

type Value = string | number | boolean | null;
type Row = Readonly<Record<string, Value>>;

const cellsOf = ({ columns }: Table): Record<string, (row: Row) => string | number | null> =>
  Object.fromEntries(
    columns.map(({ name }) => [
      name,
      (row) => {
        const value = row[name] ?? null;
        return typeof value === 'boolean' ? String(value) : value;
      },
    ]),
  );

async function* pagesOf(held: HeldHistory, table: Table): AsyncGenerator<Row[]> {
  const readers = table.columns.map((column) => valueOf(held, column));
  for await (const { columns, rows } of held.pieces(table)) {
    for (let from = 0; from < rows; from += PAGE) {
      const page: Row[] = [];
      for (let row = from; row < Math.min(rows, from + PAGE); row += 1)
        page.push(
          Object.fromEntries(
            table.columns.map(({ name }, index) => [
              name,
              readers[index]?.((columns[index] as ColumnArray)[row] as number) ?? null,
            ]),
          ),
        );
      yield page;
    }
  }
}

function valueOf(held: HeldHistory, { dictionary, type }: Column): (value: number) => Value {
  switch (type) {
    case 'lead':
      return (index) => held.leadId(index);
    case 'code': {
      const { values } = held.dictionary(dictionary ?? '');
      return (code) => values[code] ?? null;
    }
    case 'instant':
      return (ms) => (Number.isNaN(ms) ? null : toIso(ms));
    case 'f64':
      return (value) => (Number.isFinite(value) ? value : null);
    case 'u8':
    case 'u16':
    case 'u32':
      return (value) => value;
  }
}

/** Rows and dictionaries go into a database of its own beside the file, which joins them and compresses. */
async function parquetFile(held: HeldHistory, table: Table): Promise<SpooledFile> {
  // Some 70 MB of native code that most processes never need.
  const { DOUBLE, DuckDBDataChunk, DuckDBInstance, UINTEGER, VARCHAR } = await import('@duckdb/node-api');
  const path = join(await mkdtemp(join(tmpdir(), 'lead-ledger-export-')), 'export');
  try {
    const database = await DuckDBInstance.create(`${path}.duckdb`, { memory_limit: '512MB', threads: '1' });
    const connection = await database.connect();
    try {
      const chunkOf = (types: readonly DuckDBType[]): DuckDBDataChunk => DuckDBDataChunk.create([...types]);
      await connection.run('CREATE TABLE leads (code UINTEGER, value VARCHAR)');
      if (table.columns.some(({ type }) => type === 'lead')) {
        const ids = Array.from({ length: held.leads }, (_, index) => held.leadId(index));
        fill(await connection.createAppender('leads'), chunkOf([UINTEGER, VARCHAR]), [ids.map((_, code) => code), ids]);
      }
      const dictionaries = dictionariesOf([table]);
      for (const [number, name] of dictionaries.entries()) {
        await connection.run(`CREATE TABLE dictionary${number} (code UINTEGER, value VARCHAR)`);
        const texts = held.dictionary(name).values.map((value) => (value === null ? null : String(value)));
        const codes = texts.map((_, code) => code);
        fill(await connection.createAppender(`dictionary${number}`), chunkOf([UINTEGER, VARCHAR]), [codes, texts]);
      }
      const isReal = ({ type }: Column): boolean => type === 'instant' || type === 'f64';
      const types = table.columns.map((column) => (isReal(column) ? DOUBLE : UINTEGER));
      const raw = table.columns.map((column, index) => `c${index} ${isReal(column) ? 'DOUBLE' : 'UINTEGER'}`);
      await connection.run(`CREATE TABLE raw (${raw.join(', ')})`);
      const appender = await connection.createAppender('raw');
      let rows = 0;
      for await (const piece of held.pieces(table)) {
        append(appender, chunkOf(types), piece.columns.map(plainNumbers), piece.rows);
        rows += piece.rows;
      }
      appender.closeSync();
      const wanted = table.columns.map((column, index) => `${expression(column, index)} AS "${column.name}"`);
      const joins = table.columns.flatMap(({ dictionary, type }, index) => {
        if (type === 'lead') return `LEFT JOIN leads l${index} ON l${index}.code = c${index}`;
        if (type !== 'code') return [];
        const known = `dictionary${dictionaries.indexOf(dictionary ?? '')}`;
        return `LEFT JOIN ${known} d${index} ON d${index}.code = c${index}`;
      });
      await connection.run(
        `COPY (SELECT ${wanted.join(', ')} FROM raw ${joins.join(' ')} ORDER BY raw.rowid) TO '${path.replaceAll("'", "''")}' (FORMAT parquet, COMPRESSION zstd)`,
      );
      const { size } = await stat(path);
      return { path, bytes: size, rows, sha256: await digestOf(path) };
    } finally {
      connection.closeSync();
      database.closeSync();
      await rm(`${path}.duckdb`, { force: true });
      await rm(`${path}.duckdb.wal`, { force: true });
    }
  } catch (error) {
    await rm(dirname(path), { recursive: true, force: true });
    throw error;
  }
}

const plainNumbers = (values: TableColumns['columns'][number]): (number | null)[] =>
  Array.from(values, (value) => (Number.isNaN(value) ? null : value));

function expression({ type }: Column, index: number): string {
  switch (type) {
    case 'lead':
      return `l${index}.value`;
    case 'code':
      return `d${index}.value`;
    case 'instant':
      return `epoch_ms(CAST(c${index} AS BIGINT))`;
    case 'f64':
      return `c${index}`;
    case 'u8':
      return `CAST(c${index} AS UTINYINT)`;
    case 'u16':
      return `CAST(c${index} AS USMALLINT)`;
    case 'u32':
      return `CAST(c${index} AS UINTEGER)`;
  }
}

function fill(appender: DuckDBAppender, chunk: DuckDBDataChunk, columns: readonly (readonly Value[])[]): void {
  append(appender, chunk, columns, columns[0]?.length ?? 0);
  appender.closeSync();
}

function append(
  appender: DuckDBAppender,
  chunk: DuckDBDataChunk,
  columns: readonly (readonly Value[])[],
  rows: number,
): void {
  for (let from = 0; from < rows; from += PAGE) {
    const to = Math.min(rows, from + PAGE);
    chunk.reset();
    chunk.rowCount = to - from;
    for (const [index, values] of columns.entries()) chunk.setColumnValues(index, values.slice(from, to));
    appender.appendDataChunk(chunk);
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}
