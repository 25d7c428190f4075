import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { columnsDocument } from './columns-document.js';
import { encodersOf } from './encoding.js';
import { tablesOf } from './history-keeper.js';

const tables = tablesOf(encodersOf);

it('describes every column in docs/analysts/columns.md as it is (`npx ledger export columns --out docs/analysts`)', () => {
  const kept = readFileSync(new URL('../../../docs/analysts/columns.md', import.meta.url), 'utf8');
  expect(kept).toBe(columnsDocument(tables));
});

it('has a name of its own for every table, and for every column of one', () => {
  const names = tables.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { columns } of tables) {
    const own = columns.map(({ name }) => name);
    expect(new Set(own).size).toBe(own.length);
    for (const { dictionary, type } of columns) expect(dictionary !== undefined).toBe(type === 'code');
  }
});
