import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { csvCell, type ExportFormat } from '../audit/audit-export.js';

/** How an item becomes a line of CSV: a name and a cell for each column. */
export type Columns<T> = Readonly<Record<string, (item: T) => string | number | null>>;

export interface SpooledFile {
  /** Alone in a folder of its own. */
  readonly path: string;
  readonly bytes: number;
  /** Rows of data, without the CSV's heading. */
  readonly rows: number;
  /** Of every byte, in hex. */
  readonly sha256: string;
}

/**
 * Writes the items into a file of its own before the first byte is sent: so the count and the digest stand in the headers, however
 * many there are, and memory holds one page of them. Whoever is given the file reads it by `readSpooled`.
 */
export async function spoolExport<T>(
  pages: AsyncIterable<readonly T[]>,
  format: ExportFormat,
  columns: Columns<T>,
): Promise<SpooledFile> {
  const path = join(await mkdtemp(join(tmpdir(), 'lead-ledger-export-')), 'export');
  try {
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
    return { path, bytes, rows, sha256: hash.digest('hex') };
  } catch (error) {
    await forget(path);
    throw error;
  }
}

/** What is in the file, once: it is gone when the content is read or given up. */
export function readSpooled({ path }: SpooledFile): Readable {
  const content = createReadStream(path);
  content.once('close', () => void forget(path));
  return content;
}

const forget = (path: string): Promise<void> => rm(dirname(path), { recursive: true, force: true });

const lineOf = <T>(item: T, format: ExportFormat, columns: Columns<T>): string =>
  format === 'ndjson' ? `${JSON.stringify(item)}\n` : csvLine(Object.values(columns).map((cell) => cell(item)));

const csvLine = (cells: readonly (string | number | null)[]): string => `${cells.map(csvCell).join(',')}\r\n`;
