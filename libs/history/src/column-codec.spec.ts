import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeColumn, type Earlier, encodeColumn, type WideColumn } from './column-codec.js';
import { newColumn } from './growing-tables.js';
import type { Column, ColumnArray, ColumnType } from './table.js';

const instant = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_900_000 }),
  fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
  fc.constant(NaN),
);
const small = fc.integer({ min: 0, max: 300 });
const any = fc.integer({ min: 0, max: 0xffffffff });
const values: Readonly<Record<ColumnType, fc.Arbitrary<number>>> = {
  u8: fc.integer({ min: 0, max: 255 }),
  u16: fc.integer({ min: 0, max: 65_535 }),
  u32: fc.oneof(small, any),
  lead: fc.oneof(small, any),
  code: fc.oneof(small, any),
  instant,
  f64: fc.oneof(instant, fc.double()),
};
const types = Object.keys(values) as ColumnType[];

it('gives every column back as it was, alone and beside others like it', () => {
  const columns = fc.array(fc.constantFrom(...types), { minLength: 1, maxLength: 6 });
  const table = columns.chain((own) =>
    fc.record({
      types: fc.constant(own),
      // Columns alike, constant, and of their own.
      rows: fc.array(fc.tuple(...own.map((type) => values[type])), { minLength: 1, maxLength: 80 }),
      alike: fc.boolean(),
      constant: fc.nat(6),
    }),
  );
  fc.assert(
    fc.property(table, ({ alike, constant, rows, types }) => {
      const earlier: Earlier[] = [];
      const decoded: ColumnArray[] = [];
      for (const [index, type] of types.entries()) {
        const column: Column = { name: `c${index}`, type, about: '' };
        const same = alike ? types.indexOf(type) : index;
        const plain = rows.map((row) => (constant === index ? row[index] : row[same]) as number);
        const own = constant === index ? plain.map(() => plain[0] as number) : plain;
        const wide: WideColumn = type === 'instant' || type === 'f64' ? Float64Array.from(own) : Uint32Array.from(own);
        const { form, planes } = encodeColumn(column, wide, earlier);
        earlier.push({ column, values: wide });
        // In the middle of a longer column, as one segment of several.
        const target = newColumn(column, rows.length + 7, 0xffffffff);
        decoded.push(target);
        decodeColumn(column, JSON.parse(JSON.stringify(form)) as typeof form, planes, target, 3, rows.length, decoded);
        expect(Array.from(target.slice(3, 3 + rows.length), (value) => value + 0)).toEqual(
          own.map((value) => value + 0),
        );
      }
    }),
    { numRuns: 1_000 },
  );
});
