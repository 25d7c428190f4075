// The funnel by source, worked out with DuckDB from exported files:
//
//   npx ledger export parquet --all --out tables
//   node docs/analysts/funnel.mjs tables
//
// With LEDGER_URL and LEDGER_API_KEY set it asks the ledger for the same report and says whether they agree (exit code 1: not).
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

/** Rows of funnel.sql over the Parquet files of a folder, counts as numbers. */
export async function funnelOf(folder) {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  for (const table of ['events', 'transitions', 'merges', 'leads'])
    await connection.run(`CREATE VIEW ${table} AS FROM '${join(folder, `${table}.parquet`).replaceAll("'", "''")}'`);
  const sql = (name) => readFile(new URL(name, import.meta.url), 'utf8');
  await connection.run(await sql('visits.sql'));
  const reader = await connection.runAndReadAll(await sql('funnel.sql'));
  const rows = reader.getRowObjects().map((row) => ({
    ...row,
    denominator: Number(row.denominator),
    numerator: Number(row.numerator),
  }));
  connection.closeSync();
  return rows;
}

async function main([folder]) {
  if (folder === undefined) throw new Error('node docs/analysts/funnel.mjs <folder of Parquet files>');
  const rows = await funnelOf(folder);
  console.table(rows.filter(({ from, to }) => from === 'MQL' && to === 'CUSTOMER'));
  const { LEDGER_API_KEY, LEDGER_URL } = process.env;
  if (LEDGER_URL === undefined) return;
  const answer = await fetch(`${LEDGER_URL}/v1/reports/funnel?by=source`, {
    headers: { authorization: `Bearer ${LEDGER_API_KEY}` },
  });
  const report = await answer.json();
  const told = new Map(
    report.rows.flatMap(({ conversions, dimensions: { source } }) =>
      conversions.map(({ denominator, from, numerator, to }) => [`${source} ${from} ${to}`, [numerator, denominator]]),
    ),
  );
  const differing = rows.filter(({ denominator, from, numerator, source, to }) => {
    const [n, d] = told.get(`${source} ${from} ${to}`) ?? [];
    return n !== numerator || d !== denominator;
  });
  console.log(`${rows.length - differing.length} of ${rows.length} figures are those of ${LEDGER_URL}`);
  if (differing.length > 0) {
    console.table(differing);
    process.exitCode = 1;
  }
}

if (
  process.argv[1] !== undefined &&
  import.meta.url.endsWith('docs/analysts/funnel.mjs') &&
  process.argv[1].endsWith('funnel.mjs')
)
  await main(process.argv.slice(2));
