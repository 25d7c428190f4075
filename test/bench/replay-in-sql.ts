import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReplayModel } from '#libs/history/src/replay-model.js';
import { STEP, STEP_MASK, type ScoringHistory } from '#libs/history/src/scoring-history.js';

const PAGE = 2048;

/**
 * Who reaches the threshold, asked of DuckDB over the same steps as Parquet, with window functions. Of models with one half-life and
 * penalties that do not decay. Processor time of the query, of all its threads, and how many leads it flags.
 */
export async function replayInSql(
  history: ScoringHistory,
  replay: ReplayModel,
  few: number,
): Promise<{ readonly cpuMs: number; readonly flagged: number }> {
  const { DOUBLE, DuckDBDataChunk, DuckDBInstance, UINTEGER } = await import('@duckdb/node-api');
  const directory = mkdtempSync(join(tmpdir(), 'lead-ledger-sql-bench-'));
  const database = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await database.connect();
  const write = async (name: string, types: readonly ('u' | 'd')[], columns: readonly (readonly number[])[]) => {
    const names = columns.map((_, n) => `c${n}`);
    await connection.run(`CREATE TABLE ${name} (${names.map((column, n) => `${column} ${types[n] === 'u' ? 'UINTEGER' : 'DOUBLE'}`).join(', ')})`); // prettier-ignore
    const appender = await connection.createAppender(name);
    const chunk = DuckDBDataChunk.create(types.map((type) => (type === 'u' ? UINTEGER : DOUBLE)));
    for (let from = 0; from < columns[0]!.length; from += PAGE) {
      const to = Math.min(columns[0]!.length, from + PAGE);
      chunk.reset();
      chunk.rowCount = to - from;
      for (const [n, values] of columns.entries()) chunk.setColumnValues(n, values.slice(from, to));
      appender.appendDataChunk(chunk);
    }
    appender.closeSync();
  };
  try {
    const { leads, steps } = history;
    const rows: [number[], number[], number[], number[], number[], number[]] = [[], [], [], [], [], []];
    for (let lead = 0; lead < few; lead++) {
      let profile = history.profiles.count;
      for (let step = leads.firstStep[lead]!; step < leads.cutStep[lead]!; step++) {
        const isFact = (steps.kind[step]! & STEP_MASK) === STEP.facts;
        if (isFact) profile = steps.value[step]!;
        const counted = isFact ? 0 : replay.classOf[steps.value[step]!]!;
        for (const [n, value] of [lead, step, steps.atS[step]!, steps.occurredAtS[step]!, counted, profile].entries())
          rows[n]!.push(value);
      }
    }
    await write('steps', ['u', 'u', 'u', 'u', 'u', 'u'], rows);
    const { fit } = replay;
    const all = Array.from(fit.points, (_, n) => n);
    await write('profiles', ['u', 'd', 'u'], [all, [...fit.points], [...fit.enough]]);
    const { caps, halfLifeS, groupOf, penaltiesFrom } = replay.model;
    const capped = [...caps.keys()].filter((rule) => caps[rule] !== Infinity && rule < penaltiesFrom);
    /** Points by class: of each capped rule, of all other behaviour, of penalties. */
    const sums = replay.classes.map((counting) => {
      const of = (wanted: (rule: number) => boolean) =>
        counting.reduce((sum, { points, rule }) => sum + (wanted(rule) ? points : 0), 0);
      return [
        ...capped.map((one) => of((rule) => rule === one)),
        of((rule) => rule < penaltiesFrom && caps[rule] === Infinity),
        of((rule) => rule >= penaltiesFrom),
      ];
    });
    const width = capped.length + 2;
    await write('classes', ['u', ...Array.from({ length: width }, () => 'd' as const)], [
      sums.map((_, n) => n),
      ...Array.from({ length: width }, (_, n) => sums.map((row) => row[n]!)),
    ]); // prettier-ignore
    const path = join(directory, 'steps.parquet');
    await connection.run(`COPY steps TO '${path}' (FORMAT parquet, COMPRESSION zstd)`);

    const halfLife = halfLifeS[groupOf[0]!]!;
    const weight = (n: number) => `sum(k.c${n + 1} * pow(2, (s.c3 - s.first) / ${halfLife}.0)) OVER so_far / pow(2, (s.c2 - s.first) / ${halfLife}.0)`; // prettier-ignore
    const engagement = [...capped.map((rule, n) => `least(${caps[rule]}, ${weight(n)})`), weight(capped.length)].join(
      ' + ',
    );
    const query = `
      SELECT count(*) AS flagged FROM (
        SELECT lead, max(total) AS most FROM (
          SELECT s.c0 AS lead, p.c2 AS enough,
            round(1000 * (p.c1 + ${engagement} + sum(k.c${width}) OVER so_far)) AS total
          FROM (SELECT *, (min(c2) OVER (PARTITION BY c0))::DOUBLE AS first FROM read_parquet('${path}')) s
          JOIN classes k ON k.c0 = s.c4 JOIN profiles p ON p.c0 = s.c5
          WINDOW so_far AS (PARTITION BY s.c0 ORDER BY s.c1)
        ) WHERE enough = 1 GROUP BY lead
      ) WHERE most >= ${replay.minTotalMp}`;
    const { system, user } = process.cpuUsage();
    const answer = await connection.runAndReadAll(query);
    const after = process.cpuUsage();
    const flagged = Number(answer.getRowObjects()[0]?.flagged);
    return { cpuMs: (after.user + after.system - user - system) / 1000, flagged };
  } finally {
    connection.closeSync();
    database.closeSync();
    rmSync(directory, { recursive: true, force: true });
  }
}
