import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { LedgerHttp } from './ledger-http.js';

export const TABLE_FORMATS = ['parquet', 'csv', 'ndjson'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

export interface ExportedFile {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string | null;
  readonly position: string | null;
  readonly out: string;
}

/** One file a table in the folder; null: every table there is. A file has its name once all of it is there. */
export async function exportTables(
  ledger: LedgerHttp,
  format: TableFormat,
  wanted: readonly string[] | null,
  folder: string,
): Promise<ExportedFile[]> {
  const tables = wanted ?? (await ledger.json<{ readonly tables: readonly string[] }>('GET', '/v1/history')).tables;
  await mkdir(folder, { recursive: true });
  const files: ExportedFile[] = [];
  for (const table of tables) {
    const { body, headers } = await ledger.answer(
      'GET',
      `/v1/export/tables/${encodeURIComponent(table)}?format=${format}`,
    );
    const out = join(folder, `${table}.${format}`);
    try {
      await pipeline(Readable.fromWeb(body as never), createWriteStream(`${out}.part`, { mode: 0o600, flush: true }));
      await rename(`${out}.part`, out);
    } catch (error) {
      await rm(`${out}.part`, { force: true });
      throw error;
    }
    files.push({
      table,
      rows: Number(headers.get('x-ledger-rows') ?? 0),
      bytes: Number(headers.get('content-length') ?? 0),
      sha256: headers.get('x-ledger-sha256'),
      position: headers.get('x-ledger-position'),
      out,
    });
  }
  return files;
}

/** What the columns mean; needs no ledger. Null: to stdout. */
export async function exportColumns(folder: string | null): Promise<void> {
  const { columnsDocument } = await import('#libs/history/src/columns-document.js');
  const { encodersOf } = await import('#libs/history/src/encoding.js');
  const { tablesOf } = await import('#libs/history/src/history-keeper.js');
  const text = columnsDocument(tablesOf(encodersOf));
  if (folder === null) process.stdout.write(text);
  else await writeFile(join(folder, 'columns.md'), text);
}
