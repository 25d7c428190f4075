import type { Column, Table } from './table.js';

/** `docs/analysts/columns.md`: every table and column as a file has it. */
export function columnsDocument(tables: readonly Table[]): string {
  const lines = [
    '# Columns of the history',
    '',
    'Made from the descriptions in `libs/history/src/tables-*.ts` by `npx ledger export columns`; a test holds it to them.',
    'Types are those of the Parquet files; CSV and NDJSON have times as ISO 8601 in UTC.',
  ];
  for (const { about, columns, name } of tables) {
    lines.push('', `## ${name}`, '', about, '');
    for (const column of columns) lines.push(`- \`${column.name}\` ${TYPES[column.type]}: ${column.about}`);
  }
  return `${lines.join('\n')}\n`;
}

const TYPES: Readonly<Record<Column['type'], string>> = {
  u8: 'UTINYINT',
  u16: 'USMALLINT',
  u32: 'UINTEGER',
  f64: 'DOUBLE',
  instant: 'TIMESTAMP',
  code: 'VARCHAR',
  lead: 'VARCHAR',
};
