import { deflateRawSync } from 'node:zlib';
import type { Column, ColumnArray } from './table.js';

/**
 * A column of one segment as bytes that compress well: whole numbers become small by what predicts them (the value before, or an
 * instant of the same row), and are laid out in planes, all lowest bytes first. Deflate does the rest.
 */
export interface ColumnForm {
  /** Every row has this value; null: none (NaN). There are no planes then. */
  readonly all?: number | null;
  /** `before`: difference to the value of the row before; a number: to that column of the same row. Absent: the value itself. */
  readonly from?: 'before' | number;
  /** Bytes of a value; 0: eight bytes IEEE 754, of what is no whole number. */
  readonly width?: number;
  /** Some rows have no value: 0 is none, everything else is one more. */
  readonly gaps?: true;
}

export interface EncodedColumn {
  readonly form: ColumnForm;
  readonly planes: Uint8Array;
}

/** Rows that decide which prediction is taken. */
const SAMPLE = 2048;
const EXACT = 2 ** 50;

/** `earlier`: the columns before this one, of the same rows. */
export function encodeColumn(column: Column, values: Float64Array, earlier: readonly Earlier[]): EncodedColumn {
  const { isWhole, hasGaps, isConstant } = lookAt(values);
  const gaps = hasGaps ? { gaps: true as const } : {};
  if (isConstant) {
    const value = values[0] ?? 0;
    return { form: { all: Number.isNaN(value) ? null : value }, planes: new Uint8Array(0) };
  }
  if (!isWhole) return { form: { width: 0 }, planes: ieeePlanes(values) };
  let best: { from: ColumnForm['from']; bytes: number } = { from: undefined, bytes: Infinity };
  for (const from of candidates(column, earlier)) {
    const start = Math.max(0, (values.length - SAMPLE) >> 1);
    const sample = residuals(column, values, from, earlier, hasGaps, start, Math.min(values.length, start + SAMPLE));
    const bytes = deflateRawSync(planesOf(sample).planes, { level: 1 }).length;
    if (bytes < best.bytes) best = { from, bytes };
  }
  const { planes, width } = planesOf(residuals(column, values, best.from, earlier, hasGaps, 0, values.length));
  return { form: { ...(best.from === undefined ? {} : { from: best.from }), width, ...gaps }, planes };
}

export interface Earlier {
  readonly column: Column;
  readonly values: Float64Array;
}

function candidates(column: Column, earlier: readonly Earlier[]): ColumnForm['from'][] {
  if (column.type === 'u8') return [undefined];
  const all: ColumnForm['from'][] = column.type === 'instant' ? ['before'] : [undefined, 'before'];
  if (column.type === 'instant')
    earlier.forEach((other, index) => {
      if (other.column.type === 'instant') all.push(index);
    });
  return all;
}

function lookAt(values: Float64Array): { isWhole: boolean; hasGaps: boolean; isConstant: boolean } {
  let isWhole = true;
  let hasGaps = false;
  let isConstant = true;
  const first = values[0] as number;
  for (const value of values) {
    if (Number.isNaN(value)) hasGaps = true;
    else if (!Number.isInteger(value) || value > EXACT || value < -EXACT) isWhole = false;
    if (!Object.is(value, first)) isConstant = false;
  }
  return { isWhole, hasGaps, isConstant };
}

/** Non-negative whole numbers of the rows [start, end). A difference to nothing is one to 0 or to the last value there was. */
function residuals(
  column: Column,
  values: Float64Array,
  from: ColumnForm['from'],
  earlier: readonly Earlier[],
  hasGaps: boolean,
  start: number,
  end: number,
): Float64Array {
  const out = new Float64Array(end - start);
  const other = typeof from === 'number' ? (earlier[from] as Earlier).values : null;
  const gap = hasGaps ? 1 : 0;
  const signed = isSigned(column, from);
  let before = 0;
  for (let row = start; row < end; row += 1) {
    const value = values[row] as number;
    if (hasGaps && Number.isNaN(value)) continue;
    let rest = value;
    if (other !== null) {
      const base = other[row] as number;
      rest -= Number.isNaN(base) ? 0 : base;
    } else if (from === 'before') {
      rest -= before;
      before = value;
    }
    out[row - start] = (signed ? (rest < 0 ? -2 * rest - 1 : 2 * rest) : rest) + gap;
  }
  return out;
}

const isSigned = ({ type }: Column, from: ColumnForm['from']): boolean =>
  from !== undefined || type === 'instant' || type === 'f64';

function planesOf(numbers: Float64Array): { planes: Uint8Array; width: number } {
  let high = 0;
  for (const number of numbers) if (number > high) high = number;
  let width = 1;
  while (high >= 2 ** (8 * width)) width += 1;
  const rows = numbers.length;
  const planes = new Uint8Array(width * rows);
  for (let row = 0; row < rows; row += 1) {
    const number = numbers[row] as number;
    const low = number >>> 0;
    planes[row] = low;
    if (width === 1) continue;
    planes[rows + row] = low >>> 8;
    if (width === 2) continue;
    planes[2 * rows + row] = low >>> 16;
    if (width > 3) planes[3 * rows + row] = low >>> 24;
    if (width > 4) {
      let rest = (number - low) / 2 ** 32;
      for (let plane = 4; plane < width; plane += 1, rest = Math.floor(rest / 256)) planes[plane * rows + row] = rest;
    }
  }
  return { planes, width };
}

/** Writes the column's rows into `target` from `at` on. `earlier`: the columns before, their rows at the same places. */
export function decodeColumn(
  column: Column,
  { all, from, gaps, width = 1 }: ColumnForm,
  planes: Uint8Array,
  target: ColumnArray,
  at: number,
  rows: number,
  earlier: readonly ColumnArray[],
): void {
  if (all !== undefined) {
    target.fill(all ?? NaN, at, at + rows);
    return;
  }
  if (planes.length !== rows * (width === 0 ? 8 : width)) throw new RangeError(`${column.name} has not ${rows} rows`);
  if (width === 0) {
    target.set(ieeeNumbers(planes, rows), at);
    return;
  }
  const gap = gaps ? 1 : 0;
  const signed = isSigned(column, from);
  if (width === 1 && gap === 0 && !signed) {
    target.set(planes, at);
    return;
  }
  const other = typeof from === 'number' ? earlier[from] : undefined;
  const cumulative = from === 'before';
  let before = 0;
  for (let row = 0; row < rows; row += 1) {
    let number = planes[row] as number;
    if (width > 1) number += (planes[rows + row] as number) * 0x100;
    if (width > 2) number += (planes[2 * rows + row] as number) * 0x10000;
    if (width > 3) {
      let unit = 0x1000000;
      for (let plane = 3; plane < width; plane += 1, unit *= 256)
        number += (planes[plane * rows + row] as number) * unit;
    }
    if (gap === 1) {
      if (number === 0) {
        target[at + row] = NaN;
        continue;
      }
      number -= 1;
    }
    if (signed) number = number % 2 === 0 ? number / 2 : -(number + 1) / 2;
    if (cumulative) {
      number += before;
      before = number;
    } else if (other !== undefined) {
      const base = other[at + row] as number;
      number += Number.isNaN(base) ? 0 : base;
    }
    target[at + row] = number;
  }
}

function ieeePlanes(values: Float64Array): Uint8Array {
  const rows = values.length;
  const bytes = new Uint8Array(values.slice().buffer);
  const planes = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row += 1)
    for (let byte = 0; byte < 8; byte += 1) planes[byte * rows + row] = bytes[8 * row + byte] as number;
  return planes;
}

function ieeeNumbers(planes: Uint8Array, rows: number): Float64Array {
  const bytes = new Uint8Array(8 * rows);
  for (let row = 0; row < rows; row += 1)
    for (let byte = 0; byte < 8; byte += 1) bytes[8 * row + byte] = planes[byte * rows + row] as number;
  return new Float64Array(bytes.buffer);
}
