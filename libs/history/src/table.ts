/**
 * Tables of the columnar history (architecture §5): append-only typed columns, one row after the other in the order of the log,
 * without personal data. A table is described once here; storage, export and documentation follow the description.
 */

/**
 * - `u8`, `u16`, `u32`: whole numbers; `f64`: any number.
 * - `instant`: ms since the Unix epoch; NaN: none.
 * - `code`: index into the dictionary named by `dictionary`; 0 is always "none".
 * - `lead`: index of the lead among all leads of the history, by first appearance.
 */
export type ColumnType = 'u8' | 'u16' | 'u32' | 'f64' | 'instant' | 'code' | 'lead';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Of a `code`: which dictionary its values are in; columns may share one. */
  readonly dictionary?: string;
  /** One line for whoever reads the exported file. */
  readonly about: string;
}

export interface Table {
  readonly name: string;
  readonly about: string;
  readonly columns: readonly Column[];
}

export type ColumnArray = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** A table's rows so far, or those of one segment: columns of equal length, in the order of the table's description. */
export interface Columns {
  readonly rows: number;
  readonly columns: readonly ColumnArray[];
}

/** Texts and other plain values by number; entry 0 is null ("none"). Append-only: a number never changes its value. */
export interface Dictionary {
  readonly values: readonly (string | number | boolean | null)[];
  /** The value's number, given one when it is new; null and undefined are 0. */
  codeOf(value: string | number | boolean | null | undefined): number;
}

/** What encoders write into: one batch of the log becomes rows of several tables. */
export interface RowSink {
  dictionary(name: string): Dictionary;
  /** Index of a lead, given one at its first appearance. */
  leadIndex(leadId: string): number;
  /** One row: values in the order of the table's columns, codes and lead already as numbers. */
  row(table: Table, ...values: number[]): void;
}

/** Everything the history holds, for readers: the columns of all segments joined. */
export interface HistoryTables {
  /** The log is in up to here; null: nothing yet. */
  readonly position: string | null;
  /** By lead index. */
  readonly leadIds: readonly string[];
  dictionary(name: string): Dictionary;
  table(table: Table): Columns;
}
