import { type FileHandle, open, rename } from 'node:fs/promises';
import type { SourceRecord } from './source-file.js';

export interface Reject {
  readonly record: SourceRecord;
  readonly code: string;
  readonly field?: string | undefined;
  readonly message: string;
}

/**
 * The refused rows as NDJSON: `{file, row, line, code, field, message, columns: {…as they came}}`. Written beside and renamed
 * when the run is through, so that a reader sees the last whole run. It holds what the source file held: 0600.
 */
export class RejectsFile {
  #text = '';
  #written = 0;

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  static async open(path: string): Promise<RejectsFile> {
    return new RejectsFile(path, await open(`${path}.new`, 'w', 0o600));
  }

  async add({ record, code, field, message }: Reject): Promise<void> {
    const columns: Record<string, string> = {};
    record.cells.forEach((cell, n) => {
      columns[record.columns.names[n] ?? `column ${n + 1}`] = cell;
    });
    const { file, rowNo: row, line } = record;
    this.#text += `${JSON.stringify({ file, row, line, code, field: field ?? null, message, columns })}\n`;
    this.#written++;
    if (this.#text.length > 64 * 1024) await this.#flush();
  }

  async finish(): Promise<number> {
    await this.#flush();
    await this.file.close();
    await rename(`${this.path}.new`, this.path);
    return this.#written;
  }

  async abandon(): Promise<void> {
    await this.file.close();
  }

  async #flush(): Promise<void> {
    await this.file.appendFile(this.#text);
    this.#text = '';
  }
}
