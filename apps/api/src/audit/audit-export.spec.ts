import { describe, expect, it } from '@jest/globals';
import { csvCell } from './audit-export.js';

describe('a cell of an exported CSV', () => {
  it.each([
    ['plain', 'plain'],
    ['a "quoted", value', '"a ""quoted"", value"'],
    ['two\nlines', '"two\nlines"'],
    [7, '7'],
    [null, ''],
  ])('%j becomes %s', (value, cell) => {
    expect(csvCell(value)).toBe(cell);
  });

  it.each(['=1+1', '+cmd', '-2', '@SUM(A1)', ' =1', '\t=1', '\n=1', '\u0000=1', '\r=1'])(
    '%j, which a spreadsheet would run, becomes text',
    (value) => {
      expect(csvCell(value).replace(/^"/, '').startsWith("'")).toBe(true);
    },
  );
});
