import { createHash, type Hash } from 'node:crypto';
import type { Position } from '#libs/event-log/src/event-log.js';
import type { Extent, GrowingTables } from './growing-tables.js';
import { readTable, rowsIn, type SegmentFile, SegmentUnreadable, Spines } from './segment-file.js';
import { dictionariesOf, type SentTables } from './sent-tables.js';
import type { Columns, Dictionary, HistoryTables, Table } from './table.js';

/** The history at one moment: nothing of it changes while it is held, whatever is added or merged. */
export class HeldHistory {
  readonly #tails: ReadonlyMap<string, Columns>;
  #isReleased = false;

  constructor(
    readonly position: Position | null,
    readonly tables: readonly Table[],
    private readonly spine: Table,
    private readonly segments: readonly SegmentFile[],
    private readonly names: GrowingTables,
    private readonly extent: Extent,
    private readonly told: { damaged(error: SegmentUnreadable): Promise<void>; released(): Promise<void> },
  ) {
    this.#tails = new Map(
      tables.map((table) => {
        const { begin } = names.rowsOf(table);
        return [table.name, names.columns(table, begin, Math.max(begin, extent.rows.get(table.name) ?? 0))];
      }),
    );
  }

  /** Number of leads. */
  get leads(): number {
    return this.extent.leads;
  }

  leadId(index: number): string {
    return this.names.leads.idAt(index);
  }

  dictionary(name: string): Dictionary {
    return this.names.dictionary(name);
  }

  rowsOf(table: Table): number {
    const inFiles = this.segments.reduce((sum, segment) => sum + rowsIn(segment, table), 0);
    return inFiles + this.#tailOf(table).rows;
  }

  /** These tables whole. Throws SegmentUnreadable. */
  read(tables: readonly Table[] = this.tables): Promise<HistoryTables> {
    return this.#watched(async () => {
      const read = new Map<string, Columns>();
      const spines = new Spines(this.spine);
      for (const table of tables)
        read.set(table.name, await readTable(this.segments, table, spines, this.#tailOf(table)));
      return new ReadTables(this.position, this.names, this.extent.leads, read);
    });
  }

  /** The same for another thread. */
  async send(tables: readonly Table[] = this.tables): Promise<SentTables> {
    const read = await this.read(tables);
    return {
      position: this.position,
      tables: tables.map((table) => [table.name, read.table(table)]),
      dictionaries: dictionariesOf(tables).map((name) => [
        name,
        this.dictionary(name).values.slice(1, this.extent.dictionaries.get(name) ?? 1),
      ]),
      leads: this.names.leads.shared(this.extent.leads),
    };
  }

  /** One table's rows, a segment's at a time. Throws SegmentUnreadable. */
  async *pieces(table: Table): AsyncGenerator<Columns> {
    for (const segment of this.segments) {
      const rows = rowsIn(segment, table);
      if (rows > 0) yield await this.#watched(() => readTable([segment], table, new Spines(this.spine)));
    }
    const tail = this.#tailOf(table);
    if (tail.rows > 0) yield tail;
  }

  /** See HistoryStore. */
  async digest(): Promise<string> {
    const digest = new HistoryDigest();
    for (const table of this.tables) for await (const piece of this.pieces(table)) digest.add(table, piece);
    return digest.finish(this.tables, this.names, this.extent);
  }

  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    await this.told.released();
  }

  #tailOf(table: Table): Columns {
    const tail = this.#tails.get(table.name);
    if (tail === undefined) throw new RangeError(`the history has no table ${table.name}`);
    return tail;
  }

  async #watched<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof SegmentUnreadable) await this.told.damaged(error);
      throw error;
    }
  }
}

class ReadTables implements HistoryTables {
  #leadIds: readonly string[] | null = null;

  constructor(
    readonly position: Position | null,
    private readonly names: GrowingTables,
    private readonly leads: number,
    private readonly tables: ReadonlyMap<string, Columns>,
  ) {}

  get leadIds(): readonly string[] {
    this.#leadIds ??= this.names.leads.ids(0, this.leads);
    return this.#leadIds;
  }

  dictionary(name: string): Dictionary {
    return this.names.dictionary(name);
  }

  table(table: Table): Columns {
    const columns = this.tables.get(table.name);
    if (columns === undefined) throw new RangeError(`${table.name} was not read`);
    return columns;
  }
}

/** SHA-256 of everything a history says, in whatever pieces it comes. */
export class HistoryDigest {
  readonly #tables = new Map<string, { rows: number; columns: Hash[] }>();

  add(table: Table, { columns, rows }: Columns): void {
    let known = this.#tables.get(table.name);
    if (known === undefined) {
      known = { rows: 0, columns: table.columns.map(() => createHash('sha256')) };
      this.#tables.set(table.name, known);
    }
    known.rows += rows;
    for (const [index, values] of columns.entries()) {
      const wide = values instanceof Float64Array ? values : new Uint32Array(values);
      // Not of shared memory, which a hash does not take.
      known.columns[index]?.update(Buffer.from(new Uint8Array(wide.buffer, wide.byteOffset, wide.byteLength)));
    }
  }

  finish(tables: readonly Table[], names: GrowingTables, { dictionaries, leads }: Extent): string {
    const whole = createHash('sha256');
    for (const { name } of tables) {
      const { columns, rows } = this.#tables.get(name) ?? { rows: 0, columns: [] };
      whole.update(JSON.stringify([name, rows]));
      if (rows > 0) for (const column of columns) whole.update(column.digest());
    }
    for (const name of [...dictionaries.keys()].sort()) {
      const values = names.dictionary(name).values.slice(0, dictionaries.get(name));
      if (values.length > 1) whole.update(JSON.stringify([name, values]));
    }
    for (let index = 0; index < leads; index += 1) whole.update(names.leads.idAt(index));
    return whole.digest('hex');
  }
}
