import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { parse, type CsvError } from 'csv-parse';
import { ImportError } from './import-error.js';
import { folded, type MappedFile } from './mapping.js';

/** A given file and what the mapping says about it. */
export interface SourceFile {
  /** Its name in the mapping. */
  readonly file: string;
  /** Its own name, for messages. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly spec: MappedFile;
  readonly requiredColumns: ReadonlySet<string>;
}

/** The columns of a file, found by name trimmed and without case. NDJSON files name theirs row by row. */
export class Columns {
  readonly names: string[] = [];
  readonly #index = new Map<string, number>();
  /** Answers by the spelling asked for: cells are looked up far more often than columns come. */
  readonly #asked = new Map<string, number | undefined>();

  indexOf(column: string): number | undefined {
    const known = this.#asked.get(column);
    if (known !== undefined || this.#asked.has(column)) return known;
    const index = this.#index.get(folded(column));
    this.#asked.set(column, index);
    return index;
  }

  add(column: string): number {
    const index = this.names.push(column) - 1;
    this.#index.set(folded(column), index);
    this.#asked.clear();
    return index;
  }
}

/** One row as it came. */
export interface SourceRecord {
  readonly file: string;
  /** 1 for the first row of data of its file. */
  readonly rowNo: number;
  /** Line of the file on which it ends. */
  readonly line: number;
  readonly columns: Columns;
  readonly cells: readonly string[];
  /** Set when the row as such cannot be used: wrong number of columns, broken quotes, no JSON object, bad characters. */
  readonly malformed?: string;
}

/** A cell by column name; a column that the file does not have reads as blank. */
export function cellOf(record: SourceRecord, column: string): string {
  const index = record.columns.indexOf(column);
  return index === undefined ? '' : (record.cells[index] ?? '');
}

const MAX_ROW_BYTES = 1024 * 1024;
/** U+FFFD is what bytes of another encoding become; lone surrogates come in by JSON escapes. */
const NOT_TEXT = /\uFFFD|\p{Cs}/u;

/**
 * Streams the rows of a file in batches, malformed ones among them; memory holds a batch. Who only counts goes without lines.
 * @throws ImportError FILE_INVALID: no header, or a column missing that the mapping needs.
 */
export async function* readRecords(source: SourceFile, withLines = true): AsyncGenerator<SourceRecord[]> {
  const format = source.spec.format ?? (/\.(ndjson|jsonl)$/i.test(source.name) ? 'ndjson' : 'csv');
  const rows = format === 'csv' ? readCsv(source, withLines) : readNdjson(source);
  let batch: SourceRecord[] = [];
  for await (const row of rows) {
    batch.push(row);
    if (batch.length < 500) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function* readCsv(source: SourceFile, withLines: boolean): AsyncGenerator<SourceRecord> {
  const { file, spec } = source;
  const columns = new Columns();
  const skipped: CsvError[] = [];
  const parser = parse({
    bom: true,
    delimiter: spec.delimiter ?? ',',
    encoding: spec.encoding,
    info: withLines,
    max_record_size: MAX_ROW_BYTES,
    // Rows are counted and judged here: one bad row must not end the file.
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error) => {
      if (error !== undefined) skipped.push(error);
      return undefined;
    },
  });
  const input = createReadStream(source.path);
  input.on('error', (error) => parser.destroy(error));
  input.pipe(parser);
  let rowNo = 0;
  let header = false;
  try {
    for await (const item of parser as AsyncIterable<string[] | { info: { lines: number }; record: string[] }>) {
      const [record, line] = Array.isArray(item) ? [item, 0] : [item.record, item.info.lines];
      for (const error of skipped.splice(0)) yield brokenRow(++rowNo, error);
      if (!header) {
        header = true;
        readHeader(source, record, columns);
        continue;
      }
      rowNo++;
      const malformed = wrongRow(record, columns);
      yield { file, rowNo, line, columns, cells: record, ...(malformed !== null && { malformed }) };
    }
    for (const error of skipped.splice(0)) yield brokenRow(++rowNo, error);
    if (!header) throw new ImportError('FILE_INVALID', `${source.name}: no header line`, source.file);
  } finally {
    input.destroy();
  }

  function brokenRow(rowNo: number, error: CsvError): SourceRecord {
    const line = Number((error as { lines?: unknown }).lines ?? 0);
    const open = (error as { code?: string }).code === 'CSV_QUOTE_NOT_CLOSED';
    const malformed = open ? `${error.message}; the rest of the file from here on was not read` : error.message;
    return { file, rowNo, line, columns, cells: [], malformed };
  }
}

function readHeader(source: SourceFile, names: readonly string[], columns: Columns): void {
  for (const name of names) {
    if (columns.indexOf(name) !== undefined && name.trim() !== '')
      throw new ImportError('FILE_INVALID', `${source.name}: two columns ${JSON.stringify(name)}`, source.file);
    columns.add(name.trim());
  }
  const missing = [...source.requiredColumns].filter((column) => columns.indexOf(column) === undefined);
  if (missing.length === 0) return;
  const hint = names.length === 1 ? ' (is the delimiter another one?)' : '';
  throw new ImportError('FILE_INVALID', `${source.name}: no column ${missing.map((it) => JSON.stringify(it)).join(', ')}${hint}`, source.file); // prettier-ignore
}

function wrongRow(cells: readonly string[], columns: Columns): string | null {
  if (cells.length !== columns.names.length) return `${cells.length} columns instead of ${columns.names.length}`;
  const odd = cells.findIndex((cell) => NOT_TEXT.test(cell));
  return odd < 0 ? null : notText(columns.names[odd]!);
}

const notText = (column: string): string =>
  `${column} has characters that are no text in the file's encoding (the mapping may name another)`;

async function* readNdjson(source: SourceFile): AsyncGenerator<SourceRecord> {
  const { file, spec } = source;
  const columns = new Columns();
  let rowNo = 0;
  let lineNo = 0;
  for await (const line of linesOf(source.path, spec.encoding, MAX_ROW_BYTES)) {
    lineNo++;
    if (line !== null && line.trim() === '') continue;
    rowNo++;
    const cells: string[] = [];
    const malformed = line === null ? `row longer than ${MAX_ROW_BYTES} bytes` : fill(cells, columns, line);
    yield { file, rowNo, line: lineNo, columns, cells, ...(malformed !== null && { malformed }) };
  }
}

function fill(cells: string[], columns: Columns, line: string): string | null {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch {
    return 'not JSON';
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return 'not a JSON object';
  const columnsBefore = columns.names.length;
  let malformed: string | null = null;
  const put = (prefix: string, value: object, depth: number): void => {
    for (const [key, member] of Object.entries(value)) {
      const column = prefix + key;
      if (typeof member === 'object' && member !== null && !Array.isArray(member)) {
        if (depth >= 8) malformed ??= `${column} is nested deeper than 8`;
        else put(`${column}.`, member as object, depth + 1);
        continue;
      }
      // A column more per row must not grow the table of columns without end.
      if (columns.indexOf(column) === undefined && columns.names.length >= 2000) malformed ??= 'more than 2000 columns';
      else {
        const cell = member === null ? '' : Array.isArray(member) ? JSON.stringify(member) : String(member);
        if (NOT_TEXT.test(cell)) malformed ??= notText(column);
        cells[columns.indexOf(column) ?? columns.add(column)] = cell;
      }
    }
  };
  put('', row, 1);
  for (let n = 0; n < Math.max(columnsBefore, cells.length); n++) cells[n] ??= '';
  return malformed;
}

/** Lines of a file, split at LF alone; null for one longer than `maxLength`. */
export async function* linesOf(
  path: string,
  encoding: BufferEncoding,
  maxLength: number,
): AsyncGenerator<string | null> {
  let rest = '';
  let tooLong = false;
  const input: AsyncIterable<string> = Readable.from(createReadStream(path, { encoding }));
  let first = true;
  for await (let chunk of input) {
    if (first) chunk = chunk.replace(/^\uFEFF/, '');
    first = false;
    const pieces = chunk.split('\n');
    for (const [n, piece] of pieces.entries()) {
      const last = n === pieces.length - 1;
      if (rest.length + piece.length > maxLength) tooLong = true;
      rest = tooLong ? '' : rest + piece;
      if (last) break;
      yield tooLong ? null : rest;
      rest = '';
      tooLong = false;
    }
  }
  if (tooLong) yield null;
  else if (rest !== '') yield rest;
}
