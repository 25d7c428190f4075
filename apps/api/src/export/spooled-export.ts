import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { csvCell, type ExportFormat } from '../audit/audit-export.js';

/** How an item becomes a line of CSV: a name and a cell for each column. */
export type Columns<T> = Readonly<Record<string, (item: T) => string | number | null>>;

export interface SpooledExport {
  readonly content: Readable;
  readonly bytes: number;
  /** Rows of data, without the CSV's heading. */
  readonly rows: number;
  /** Of every byte. */
  readonly sha256: Buffer;
}

/**
 * Writes the items into a file of its own before the first byte is sent: so the count and the digest stand in the headers, however
 * many there are, and memory holds one page of them. The file is gone when the content is read or given up.
 */
export async function spoolExport<T>(
  pages: AsyncIterable<readonly T[]>,
  format: ExportFormat,
  columns: Columns<T>,
): Promise<SpooledExport> {
  const directory = await mkdtemp(join(tmpdir(), 'lead-ledger-export-'));
  const forget = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const path = join(directory, 'export');
    const hash = createHash('sha256');
    let bytes = 0;
    let rows = 0;
    const measured = async function* (): AsyncGenerator<Buffer> {
      const measure = (text: string): Buffer => {
        const content = Buffer.from(text);
        hash.update(content);
        bytes += content.length;
        return content;
      };
      if (format === 'csv') yield measure(csvLine(Object.keys(columns)));
      for await (const page of pages) {
        rows += page.length;
        yield measure(page.map((item) => lineOf(item, format, columns)).join(''));
      }
    };
    await pipeline(measured, createWriteStream(path, { mode: 0o600 }));
    const content = createReadStream(path);
    content.once('close', () => void forget());
    return { content, bytes, rows, sha256: hash.digest() };
  } catch (error) {
    await forget();
    throw error;
  }
}

const lineOf = <T>(item: T, format: ExportFormat, columns: Columns<T>): string =>
  format === 'ndjson' ? `${JSON.stringify(item)}\n` : csvLine(Object.values(columns).map((cell) => cell(item)));

const csvLine = (cells: readonly (string | number | null)[]): string => `${cells.map(csvCell).join(',')}\r\n`;
