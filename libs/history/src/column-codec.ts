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
  /** What the first difference is to; 0 unless it is here. */
  readonly base?: number;
  /** Bytes of a value; 0: eight bytes IEEE 754, of what is no whole number. */
  readonly width?: number;
  /** Some rows have no value: 0 is none, everything else is one more. */
  readonly gaps?: true;
}

export interface EncodedColumn {
  readonly form: ColumnForm;
  readonly planes: Uint8Array;
}

/** A column's values as they are encoded: whole numbers as u32, instants and numbers as f64. */
export type WideColumn = Uint32Array | Float64Array;
export const isWhole = ({ type }: Column): boolean => type !== 'instant' && type !== 'f64';
export const widened = (column: Column, values: ColumnArray): WideColumn =>
  isWhole(column) ? new Uint32Array(values) : new Float64Array(values);

/** Rows that decide which prediction is taken. */
const SAMPLE = 2048;
const EXACT = 2 ** 50;

export interface Earlier {
  readonly column: Column;
  readonly values: WideColumn;
}

/** `earlier`: the columns before this one, of the same rows. */
export function encodeColumn(column: Column, values: WideColumn, earlier: readonly Earlier[]): EncodedColumn {
  return values instanceof Uint32Array ? encodeWhole(column, values, earlier) : encodeReal(column, values, earlier);
}

function encodeWhole(column: Column, values: Uint32Array, earlier: readonly Earlier[]): EncodedColumn {
  if (isConstant(values)) return constant(values[0] ?? 0);
  if (column.type === 'u8') return planesOfWhole(values, {});
  const [start, end] = sampleOf(values);
  const sample = values.subarray(start, end);
  let least = costOf(sample);
  let best: ColumnForm & { readonly other?: Uint32Array } = {};
  const beforeIt = costOf(differencesOf(sample, values[Math.max(0, start - 1)] as number));
  if (beforeIt < least) {
    least = beforeIt;
    best = { from: 'before', base: values[0] ?? 0 };
  }
  // Seconds of one event in two columns are mostly the same.
  for (const [index, { column: known, values: other }] of earlier.entries()) {
    const isAlike = known.type === column.type && (column.type === 'u32' || column.type === 'lead');
    if (!isAlike || !(other instanceof Uint32Array)) continue;
    const cost = costOf(differencesTo(other.subarray(start, end), sample));
    if (cost >= least) continue;
    least = cost;
    best = { from: index, other };
  }
  const { other, ...form } = best;
  if (other !== undefined) return planesOfWhole(differencesTo(other, values), form);
  if (form.from === 'before') return planesOfWhole(differencesOf(values, form.base ?? 0), form);
  return planesOfWhole(values, {});
}

/** To the value before, modulo 2³², the sign in the lowest bit. */
function differencesOf(values: Uint32Array, base: number): Uint32Array {
  const out = new Uint32Array(values.length);
  let before = base;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] as number;
    const difference = (value - before) | 0;
    out[row] = (difference << 1) ^ (difference >> 31);
    before = value;
  }
  return out;
}

/** The same to another column. */
function differencesTo(other: Uint32Array, values: Uint32Array): Uint32Array {
  const out = new Uint32Array(values.length);
  for (let row = 0; row < values.length; row += 1) {
    const difference = ((values[row] as number) - (other[row] as number)) | 0;
    out[row] = (difference << 1) ^ (difference >> 31);
  }
  return out;
}

function planesOfWhole(numbers: Uint32Array, form: ColumnForm): EncodedColumn {
  let high = 0;
  for (const number of numbers) if (number > high) high = number;
  const width = high < 0x100 ? 1 : high < 0x10000 ? 2 : high < 0x1000000 ? 3 : 4;
  const rows = numbers.length;
  const planes = new Uint8Array(width * rows);
  for (let plane = 0; plane < width; plane += 1) {
    const at = plane * rows;
    const shift = 8 * plane;
    for (let row = 0; row < rows; row += 1) planes[at + row] = (numbers[row] as number) >>> shift;
  }
  return { form: { ...form, width }, planes };
}

function encodeReal(column: Column, values: Float64Array, earlier: readonly Earlier[]): EncodedColumn {
  let isExact = true;
  let hasGaps = false;
  for (const value of values) {
    if (Number.isNaN(value)) hasGaps = true;
    else if (!Number.isInteger(value) || value > EXACT || value < -EXACT) isExact = false;
  }
  // JSON knows no infinity.
  if (isConstant(values) && Math.abs(values[0] ?? 0) !== Infinity) return constant(values[0] ?? 0);
  if (!isExact) return { form: { width: 0 }, planes: ieeePlanes(values) };
  const gaps = hasGaps ? { gaps: true as const } : {};
  const [start, end] = sampleOf(values);
  let best: Differences = { base: 0 };
  let least = Infinity;
  for (const from of candidates(column, values, earlier)) {
    const cost = costOf(residuals(values, from, hasGaps, start, end));
    if (cost < least) {
      least = cost;
      best = from;
    }
  }
  const numbers = residuals(values, best, hasGaps, 0, values.length);
  // Beyond the sample the other column may be too far away for a difference to be exact.
  if (best.other !== undefined && !isExactly(numbers)) return encodeReal(column, values, []);
  const { from, base } = best;
  const form = { ...(from === undefined ? {} : { from }), ...(base === 0 ? {} : { base }), ...gaps };
  return planesOfReal(numbers, form);
}

interface Differences {
  readonly from?: 'before' | number;
  readonly base: number;
  readonly other?: Float64Array;
}

function candidates({ type }: Column, values: Float64Array, earlier: readonly Earlier[]): Differences[] {
  const base = values.find((value) => !Number.isNaN(value)) ?? 0;
  const all: Differences[] = type === 'instant' ? [] : [{ base: 0 }];
  all.push({ from: 'before', base });
  if (type !== 'instant') return all;
  for (const [index, { column, values: other }] of earlier.entries())
    if (column.type === 'instant' && other instanceof Float64Array) all.push({ from: index, base: 0, other });
  return all;
}

/** Non-negative whole numbers of the rows [start, end), the sign in the lowest bit. A difference to nothing is one to 0. */
function residuals(
  values: Float64Array,
  { base, from, other }: Differences,
  hasGaps: boolean,
  start: number,
  end: number,
): Float64Array {
  const out = new Float64Array(end - start);
  const gap = hasGaps ? 1 : 0;
  let before = start === 0 ? base : (values[start - 1] as number);
  if (Number.isNaN(before)) before = base;
  for (let row = start; row < end; row += 1) {
    const value = values[row] as number;
    if (Number.isNaN(value)) continue;
    let rest = value;
    if (other !== undefined) {
      const known = other[row] as number;
      if (!Number.isNaN(known)) rest -= known;
    } else if (from === 'before') {
      rest -= before;
      before = value;
    }
    out[row - start] = (rest < 0 ? -2 * rest - 1 : 2 * rest) + gap;
  }
  return out;
}

function isExactly(numbers: Float64Array): boolean {
  for (const number of numbers) if (number >= 2 ** 53) return false;
  return true;
}

function planesOfReal(numbers: Float64Array, form: ColumnForm): EncodedColumn {
  let high = 0;
  for (const number of numbers) if (number > high) high = number;
  if (high < 2 ** 32) return planesOfWhole(new Uint32Array(numbers), form);
  let width = 5;
  while (high >= 2 ** (8 * width)) width += 1;
  const rows = numbers.length;
  const planes = new Uint8Array(width * rows);
  for (let row = 0; row < rows; row += 1) {
    const number = numbers[row] as number;
    const low = number >>> 0;
    let rest = (number - low) / 2 ** 32;
    for (let plane = 0; plane < 4; plane += 1) planes[plane * rows + row] = low >>> (8 * plane);
    for (let plane = 4; plane < width; plane += 1) {
      planes[plane * rows + row] = rest;
      rest = Math.floor(rest / 256);
    }
  }
  return { form: { ...form, width }, planes };
}

const constant = (value: number): EncodedColumn => ({
  form: { all: Number.isNaN(value) ? null : value },
  planes: new Uint8Array(0),
});

function isConstant(values: WideColumn): boolean {
  const first = values[0];
  for (const value of values) if (!Object.is(value, first)) return false;
  return true;
}

function sampleOf({ length }: WideColumn): [start: number, end: number] {
  const start = Math.max(0, (length - SAMPLE) >> 1);
  return [start, Math.min(length, start + SAMPLE)];
}

/** Bits, about: what repeats costs nothing. */
function costOf(numbers: WideColumn): number {
  let bits = 0;
  let before = -1;
  for (const number of numbers) {
    if (number !== before) bits += 1 + (number < 2 ** 32 ? 32 - Math.clz32(number) : Math.log2(number));
    before = number;
  }
  return bits;
}

/** Writes the column's rows into `target` from `at` on. `earlier`: the columns before, their rows at the same places. */
export function decodeColumn(
  column: Column,
  form: ColumnForm,
  planes: Uint8Array,
  target: ColumnArray,
  at: number,
  rows: number,
  earlier: readonly ColumnArray[],
): void {
  const { all, from, width = 1 } = form;
  if (all !== undefined) {
    target.fill(all ?? NaN, at, at + rows);
    return;
  }
  if (planes.length !== rows * (width === 0 ? 8 : width)) throw new RangeError(`${column.name} has not ${rows} rows`);
  if (width === 0) target.set(ieeeNumbers(planes, rows), at);
  else if (target instanceof Float64Array) {
    const other = typeof from === 'number' ? earlier[from] : undefined;
    decodeReal(form, planes, target, at, rows, other instanceof Float64Array ? other : null);
  } else if (from === undefined && width === 1) target.set(planes, at);
  else {
    // Straight into the target where it is wide enough.
    const numbers = target instanceof Uint32Array ? target.subarray(at, at + rows) : new Uint32Array(rows);
    joinPlanes(planes, width, numbers);
    if (from === 'before') addUp(numbers, form.base ?? 0);
    else if (from !== undefined) addTo(earlier[from] as ColumnArray, at, numbers);
    if (!(target instanceof Uint32Array)) target.set(numbers, at);
  }
}

function joinPlanes(planes: Uint8Array, width: number, into: Uint32Array): void {
  const rows = into.length;
  const two = 2 * rows;
  const three = 3 * rows;
  if (width === 1) into.set(planes);
  else if (width === 2)
    for (let row = 0; row < rows; row += 1) into[row] = (planes[row] as number) | ((planes[rows + row] as number) << 8);
  else if (width === 3)
    for (let row = 0; row < rows; row += 1)
      into[row] =
        (planes[row] as number) | ((planes[rows + row] as number) << 8) | ((planes[two + row] as number) << 16);
  else
    for (let row = 0; row < rows; row += 1)
      into[row] =
        (planes[row] as number) |
        ((planes[rows + row] as number) << 8) |
        ((planes[two + row] as number) << 16) |
        ((planes[three + row] as number) << 24);
}

function addUp(numbers: Uint32Array, base: number): void {
  let before = base | 0;
  for (let row = 0; row < numbers.length; row += 1) {
    const number = numbers[row] as number;
    before = (before + ((number >>> 1) ^ -(number & 1))) | 0;
    numbers[row] = before;
  }
}

function addTo(other: ColumnArray, at: number, numbers: Uint32Array): void {
  for (let row = 0; row < numbers.length; row += 1) {
    const number = numbers[row] as number;
    numbers[row] = (other[at + row] as number) + ((number >>> 1) ^ -(number & 1));
  }
}

function decodeReal(
  { base = 0, from, gaps, width = 1 }: ColumnForm,
  planes: Uint8Array,
  target: Float64Array,
  at: number,
  rows: number,
  other: Float64Array | null,
): void {
  if (width <= 4) {
    const numbers = new Uint32Array(rows);
    joinPlanes(planes, width, numbers);
    for (let row = 0; row < rows; row += 1) {
      let number = numbers[row] as number;
      if (gaps === true) {
        if (number === 0) {
          target[at + row] = NaN;
          continue;
        }
        number -= 1;
      }
      const half = number >>> 1;
      target[at + row] = (number & 1) === 1 ? -half - 1 : half;
    }
  } else {
    for (let row = 0; row < rows; row += 1) {
      let number = 0;
      for (let plane = width - 1; plane >= 0; plane -= 1)
        number = number * 256 + (planes[plane * rows + row] as number);
      if (gaps === true) number -= 1;
      if (number < 0) target[at + row] = NaN;
      else target[at + row] = number % 2 === 0 ? number / 2 : -(number + 1) / 2;
    }
  }
  if (other !== null) {
    for (let row = at; row < at + rows; row += 1) {
      const known = other[row] as number;
      if (known === known) target[row] = (target[row] as number) + known;
    }
  } else if (from === 'before') {
    let before = base;
    for (let row = at; row < at + rows; row += 1) {
      const value = (target[row] as number) + before;
      if (value !== value) continue;
      target[row] = value;
      before = value;
    }
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
