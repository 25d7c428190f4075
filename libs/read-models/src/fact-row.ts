import { type Dims, dimsOf } from './dimensions.js';

/**
 * A fact's value has up to three lines: its dimensions (JSON), its numbers (commas between; an empty one is null), and
 * JSON for what is neither. Reports read a hundred thousand of them at a time: numbers are cheap to read so, equal
 * dimensions are parsed once.
 */
export function factValue(dims: string, numbers: string, rest?: unknown): string {
  return rest === undefined ? `${dims}\n${numbers}` : `${dims}\n${numbers}\n${JSON.stringify(rest)}`;
}

export class FactRow {
  constructor(
    readonly key: string,
    readonly dims: Dims,
    /** NaN stands for null. */
    readonly numbers: readonly number[],
    private readonly text: string | null,
  ) {}

  /** The third line, if any: read when asked for, because most reports do not. */
  get rest(): unknown {
    return this.text === null ? undefined : JSON.parse(this.text);
  }
}

export const orNull = (number: number | undefined): number | null =>
  number === undefined || Number.isNaN(number) ? null : number;

const COMMA = 44;
const MINUS = 45;
const ZERO = 48;

export function parseFact(value: string, key: string): FactRow {
  const first = value.indexOf('\n');
  let end = value.indexOf('\n', first + 1);
  const rest = end < 0 ? null : value.slice(end + 1);
  if (end < 0) end = value.length;
  const numbers: number[] = [];
  let number = 0;
  let digits = false;
  let sign = 1;
  for (let index = first + 1; index < end; index += 1) {
    const code = value.charCodeAt(index);
    if (code === COMMA) {
      numbers.push(digits ? sign * number : NaN);
      number = 0;
      digits = false;
      sign = 1;
    } else if (code === MINUS) sign = -1;
    else {
      number = number * 10 + code - ZERO;
      digits = true;
    }
  }
  numbers.push(digits ? sign * number : NaN);
  return new FactRow(key, dimsOf(value.slice(0, first)), numbers, rest);
}
