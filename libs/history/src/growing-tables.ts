import type { Position } from '#libs/event-log/src/event-log.js';
import { isWhole, type WideColumn } from './column-codec.js';
import { GrowingDictionary } from './dictionaries.js';
import { LeadIndex } from './lead-index.js';
import type { Column, ColumnArray, Columns, Dictionary, HistoryTables, RowSink, Table } from './table.js';

/** How far everything has grown, counted from the very first row: to come back to, or to go on from. */
export interface Extent {
  readonly rows: ReadonlyMap<string, number>;
  readonly dictionaries: ReadonlyMap<string, number>;
  readonly leads: number;
}

/** Rows one after the other in memory: what encoders write into, and by itself a history that is not kept. */
export class GrowingTables implements RowSink, HistoryTables {
  position: Position | null = null;
  readonly leads = new LeadIndex();
  readonly #dictionaries = new Map<string, GrowingDictionary>();
  readonly #rows = new Map<string, GrowingRows>();
  /** By the description itself: a look-up by identity is what each row costs. */
  readonly #byTable = new Map<Table, GrowingRows>();
  readonly #spine: GrowingRows | null;

  /** `spine`: rows remember which of its rows was the last before them. */
  constructor(spine: Table | null = null) {
    this.#spine = spine === null ? null : this.rowsOf(spine);
  }

  get leadIds(): readonly string[] {
    return this.leads.ids();
  }

  dictionary(name: string): GrowingDictionary {
    let dictionary = this.#dictionaries.get(name);
    if (dictionary === undefined) this.#dictionaries.set(name, (dictionary = new GrowingDictionary()));
    return dictionary;
  }

  get dictionaries(): ReadonlyMap<string, Dictionary> {
    return this.#dictionaries;
  }

  leadIndex(leadId: string): number {
    return this.leads.indexOf(leadId);
  }

  row(table: Table, ...values: number[]): void {
    (this.#byTable.get(table) ?? this.rowsOf(table)).add(values, this.#spine === null ? 0 : this.#spine.end);
  }

  rowsOf(table: Table): GrowingRows {
    let rows = this.#rows.get(table.name);
    if (rows === undefined) this.#rows.set(table.name, (rows = new GrowingRows(table)));
    this.#byTable.set(table, rows);
    return rows;
  }

  table(table: Table): Columns {
    const { begin, end } = this.rowsOf(table);
    return this.columns(table, begin, end);
  }

  /** The rows [from, to), counted from the very first. */
  columns(table: Table, from: number, to: number): Columns {
    const rows = this.rowsOf(table);
    const columns = table.columns.map((column, index) => {
      const values = rows.column(index, from, to);
      const array = newColumn(column, values.length, highestCode(column, values));
      array.set(values);
      return array;
    });
    return { rows: to - from, columns };
  }

  extent(): Extent {
    return {
      rows: new Map([...this.#rows].map(([name, rows]) => [name, rows.end])),
      dictionaries: new Map([...this.#dictionaries].map(([name, { values }]) => [name, values.length])),
      leads: this.leads.count,
    };
  }

  /** Forgets everything beyond. */
  truncate(to: Extent): void {
    for (const [name, rows] of this.#rows) rows.truncate(to.rows.get(name) ?? 0);
    for (const [name, dictionary] of this.#dictionaries) dictionary.truncate(to.dictionaries.get(name) ?? 1);
    this.leads.truncate(to.leads);
  }

  /** Forgets the rows up to there: they are kept elsewhere. Leads and dictionaries stay. */
  dropRows(to: Extent): void {
    for (const [name, end] of to.rows) this.#rows.get(name)?.dropTo(end);
  }
}

const HIGHEST = { u8: 0xff, u16: 0xffff, u32: 0xffffffff, code: 0xffffffff, lead: 0xffffffff } as const;
/** Whole numbers up to the value; infinite for instants and any number at all for f64. */
const limitOf = ({ type }: Column): number => (type === 'instant' ? Infinity : type === 'f64' ? NaN : HIGHEST[type]);

const KEPT_ROWS = 8_192;

export class GrowingRows {
  /** The first row that is still here, of all there ever were, and the one after the last. */
  begin = 0;
  end = 0;
  readonly #limits: Float64Array;
  #values: Float64Array;
  /** Rows that the spine had when each was added. */
  #events: Float64Array;

  constructor(private readonly table: Table) {
    this.#limits = Float64Array.from(table.columns.map(limitOf));
    this.#values = new Float64Array(table.columns.length * 256);
    this.#events = new Float64Array(256);
  }

  /** TypeError when a value is none of its column's. */
  add(values: readonly number[], events: number): void {
    const limits = this.#limits;
    const width = limits.length;
    if (values.length !== width)
      throw new TypeError(`${this.table.name} has ${width} columns, the row ${values.length}`);
    const at = (this.end - this.begin) * width;
    if (at === this.#values.length) this.#resize(2 * this.#values.length);
    const all = this.#values;
    for (let column = 0; column < width; column += 1) {
      const value = values[column] as number;
      const limit = limits[column] as number;
      if (!(value >>> 0 === value && value <= limit) && !isValue(value, limit)) {
        throw new TypeError(`${this.table.name}.${this.table.columns[column]?.name}: ${value} is none`);
      }
      // No negative zero: a file would not give it back.
      all[at + column] = value + 0;
    }
    this.#events[this.end - this.begin] = events;
    this.end += 1;
  }

  /** One column's values of the rows [from, to), which are here. */
  column(index: number, from: number, to: number): WideColumn {
    const width = this.#limits.length;
    const all = this.#values;
    const isWholeColumn = isWhole(this.table.columns[index] as Column);
    const values = isWholeColumn ? new Uint32Array(to - from) : new Float64Array(to - from);
    for (let row = 0, at = (from - this.begin) * width + index; row < values.length; row += 1, at += width)
      values[row] = all[at] as number;
    return values;
  }

  /** Which row of the spine each of the rows [from, to) belongs to, counted from its row `first`. */
  events(from: number, to: number, first: number): Uint32Array {
    const rows = new Uint32Array(to - from);
    for (let row = 0, at = from - this.begin; row < rows.length; row += 1, at += 1)
      rows[row] = Math.max(0, (this.#events[at] as number) - 1 - first);
    return rows;
  }

  truncate(end: number): void {
    this.end = Math.min(this.end, Math.max(this.begin, end));
  }

  dropTo(end: number): void {
    const width = this.#limits.length;
    const to = Math.min(this.end, end);
    this.#values.copyWithin(0, (to - this.begin) * width, (this.end - this.begin) * width);
    this.#events.copyWithin(0, to - this.begin, this.end - this.begin);
    this.begin = to;
    // What is written again and again is not made to grow again each time.
    const needed = Math.max(KEPT_ROWS, 2 * (this.end - this.begin)) * width;
    if (this.#values.length > 4 * needed) this.#resize(needed);
  }

  #resize(length: number): void {
    const values = new Float64Array(length);
    values.set(this.#values.subarray(0, Math.min(length, (this.end - this.begin) * this.#limits.length)));
    this.#values = values;
    const events = new Float64Array(length / this.#limits.length);
    events.set(this.#events.subarray(0, Math.min(events.length, this.end - this.begin)));
    this.#events = events;
  }
}

function isValue(value: number, limit: number): boolean {
  if (Number.isNaN(limit)) return true;
  return limit === Infinity && (Number.isNaN(value) || Number.isSafeInteger(value));
}

/** An array for a whole column, over shared memory so that worker threads read it without a copy; codes as narrow as they are. */
export function newColumn({ type }: Column, rows: number, highestCode: number): ColumnArray {
  switch (type) {
    case 'u8':
      return new Uint8Array(new SharedArrayBuffer(rows));
    case 'u16':
      return new Uint16Array(new SharedArrayBuffer(2 * rows));
    case 'u32':
    case 'lead':
      return new Uint32Array(new SharedArrayBuffer(4 * rows));
    case 'f64':
    case 'instant':
      return new Float64Array(new SharedArrayBuffer(8 * rows));
    case 'code':
      if (highestCode <= 0xff) return new Uint8Array(new SharedArrayBuffer(rows));
      if (highestCode <= 0xffff) return new Uint16Array(new SharedArrayBuffer(2 * rows));
      return new Uint32Array(new SharedArrayBuffer(4 * rows));
  }
}

/** Of a column of codes; 0 of others, whose arrays do not depend on it. */
export function highestCode({ type }: Column, values: ColumnArray = new Uint8Array(0)): number {
  if (type !== 'code') return 0;
  let high = 0;
  for (const value of values) if (value > high) high = value;
  return high;
}
