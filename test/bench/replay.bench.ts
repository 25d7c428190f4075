import { Behaviours, type Behaviour } from '#libs/scoring/src/behaviours.js';
import { compileModel } from '#libs/scoring/src/compile.js';
import { defaultModel } from '#libs/scoring/src/default-model.js';
import type { Facts, FitField } from '#libs/scoring/src/facts.js';
import { evaluate, fitOf, reachesMql } from '#libs/scoring/src/score.js';
import { exactKernel, fastKernel, replayOutput } from '#libs/history/src/replay-kernel.js';
import { distributionOf, outcomesOf, sweepOf, usualThresholds } from '#libs/history/src/replay-metrics.js';
import { replayModel, type ReplayScope } from '#libs/history/src/replay-model.js';
import { ReplayThreads } from '#libs/history/src/replay-threads.js';
import { scopeOf, type ReplayRequest } from '#libs/history/src/replay.js';
import { SEGMENT_DIMENSIONS, STEP, STEP_MASK, type ScoringHistory } from '#libs/history/src/scoring-history.js';
import { generatedHistory } from '../support/generated-history.js';
import { median } from './median.js';
import { replayInSql } from './replay-in-sql.js';

/** Some 10 steps a lead: ten million. */
const LEADS = 1_000_000;
const RUNS = 5;
const SAMPLE = 20_000;
const IN_SQL = 100_000;
const model = compileModel(defaultModel, { modelId: 'default', version: 1 });
const request: ReplayRequest = {
  candidates: [{ name: 'default', model }],
  window: { fromMs: Date.parse('2024-01-01'), toMs: Date.parse('2026-01-01') },
  label: 'sql',
  horizonDays: 180,
  asOfMs: Date.parse('2026-08-01'),
  by: SEGMENT_DIMENSIONS,
  thresholds: null,
  listed: 100,
};
const scope: ReplayScope = scopeOf(request);

export const bench = {
  name: 'what-if scoring over the past, generated; processor time unless it says otherwise',

  async run(leads = LEADS): Promise<void> {
    const history = generatedHistory({ leads });
    const steps = history.steps.count;
    console.log(`${steps.toLocaleString('en')} steps of ${leads.toLocaleString('en')} leads, the default model`);
    const scanMs = medianCpuMs(() => scanned(history));
    const kernel = fastKernel(replayModel(model, history), history);
    const out = replayOutput(leads);
    const kernelMs = medianCpuMs(() => kernel(0, leads, scope, out));
    line('bare scan of the same columns', scanMs, steps);
    line('replay, one thread', kernelMs, steps, `${(kernelMs / scanMs).toFixed(1)} × the scan`);
    const sweepMs = medianCpuMs(() => {
      const outcomes = outcomesOf(history.leads, scope, 'sql', 180 * 86_400);
      const distribution = distributionOf(outcomes, out.maxMp);
      sweepOf(distribution, usualThresholds(distribution, model.thresholds.mql.minTotal));
    });
    console.log(`100 thresholds at once          ${((kernelMs + sweepMs) / kernelMs).toFixed(2)} × one replay`);

    const exact = exactKernel(replayModel(model, history), history);
    const few = Math.min(leads, SAMPLE);
    const exactMs = medianCpuMs(() => exact(0, few, scope, out));
    const jsonMs = jsonFoldMs(history, few);
    const sampled = history.leads.firstStep[few]!;
    const perStep = kernelMs / steps;
    line(
      'the arithmetic of live scoring',
      exactMs,
      sampled,
      `${(exactMs / sampled / perStep).toFixed(0)} × the replay`,
    );
    line('parsing and folding JSON', jsonMs, sampled, `${(jsonMs / sampled / perStep).toFixed(0)} × the replay`);

    const inSql = Math.min(leads, IN_SQL);
    const { cpuMs: sqlMs, flagged } = await replayInSql(history, replayModel(model, history), inSql);
    kernel(0, inSql, { fromS: 0, toS: 4e9, asOfS: 4e9 }, out);
    const ours = out.crossedAtS.subarray(0, inSql).reduce((sum, atS) => sum + (atS === 0 ? 0 : 1), 0);
    if (flagged !== ours) throw new Error(`SQL flags ${flagged} leads, the replay ${ours}`);
    const asked = history.leads.firstStep[inSql]!;
    line('the same question in DuckDB SQL', sqlMs, asked, `${(sqlMs / asked / perStep).toFixed(0)} × the replay`);

    const wallMs = await wholeRuns(history);
    console.log(`two threads for one             ${(wallMs[1]! / wallMs[0]!).toFixed(2)} of the time (wall)`);
    console.log(`peak memory                     ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
    await growth(leads);
  },
};

/** With all of its output, warm, as a process that answers others has it done. */
async function wholeRuns(history: ScoringHistory): Promise<number[]> {
  const wallMs: number[] = [];
  for (const threads of [1, 2]) {
    const hands = new ReplayThreads(threads);
    const [walls, cpus]: [number[], number[]] = [[], []];
    for (let run = 0; run <= RUNS; run++) {
      const [startedMs, startedCpuMs] = [performance.now(), cpuMs()];
      await hands.run(history, request);
      if (run === 0) continue;
      walls.push(performance.now() - startedMs);
      cpus.push(cpuMs() - startedCpuMs);
    }
    await hands.close();
    wallMs.push(median(walls));
    console.log(`whole what-if, ${threads === 1 ? 'one thread ' : 'two threads'}      ${median(walls).toFixed(0).padStart(7)} ms wall, ${median(cpus).toFixed(0)} ms CPU`); // prettier-ignore
  }
  return wallMs;
}

/** A tenth of the leads, and three times as many. */
async function growth(leads: number): Promise<void> {
  for (const size of [Math.round(leads / 10), leads * 3]) {
    const history = generatedHistory({ leads: size });
    const hands = new ReplayThreads(2);
    const walls: number[] = [];
    for (let run = 0; run <= 3; run++) {
      const startedMs = performance.now();
      await hands.run(history, request);
      if (run > 0) walls.push(performance.now() - startedMs);
    }
    await hands.close();
    console.log(`${(history.steps.count / 1e6).toFixed(1).padStart(5)} M steps, whole, two threads ${median(walls).toFixed(0).padStart(6)} ms wall, ${((median(walls) * 1e6) / history.steps.count).toFixed(0)} ns a step`); // prettier-ignore
  }
}

function scanned({ steps: { atS, kind, occurredAtS, value } }: ScoringHistory): number {
  let sum = 0;
  for (let step = 0; step < kind.length; step++)
    sum = (sum + kind[step]! + atS[step]! + occurredAtS[step]! + value[step]!) | 0;
  return sum;
}

/** The usual way: every lead's events as JSON, parsed, folded, evaluated. */
function jsonFoldMs({ leads, profiles, steps, variants }: ScoringHistory, few: number): number {
  const streams = Array.from({ length: few }, (_, lead) => {
    const events: object[] = [];
    for (let step = leads.firstStep[lead]!; step < leads.cutStep[lead]!; step++) {
      const atS = steps.atS[step]!;
      const value = steps.value[step]!;
      const kind = steps.kind[step]! & STEP_MASK;
      if (kind === STEP.facts) {
        const facts: Partial<Record<FitField, unknown>> = {};
        for (const field of Object.keys(profiles.fields) as FitField[])
          facts[field] = profiles.values[field][profiles.fields[field][value]!];
        events.push({ type: 'facts', atS, facts });
      } else events.push({ type: 'behaviour', atS, occurredAtS: steps.occurredAtS[step]!, ...variants[value] });
    }
    return JSON.stringify(events);
  });
  return medianCpuMs(() => {
    let flagged = 0;
    for (const stream of streams) {
      let behaviours = new Behaviours();
      let facts: Facts = {};
      let fit = fitOf(model, facts);
      let isFlagged = false;
      type Told = { type: string; atS: number; facts: Facts } & Behaviour;
      for (const [n, event] of (JSON.parse(stream) as Told[]).entries()) {
        if (event.type === 'facts') {
          facts = event.facts;
          fit = fitOf(model, facts);
        } else behaviours = behaviours.with({ ...event, eventId: String(n), availableAtS: event.atS });
        isFlagged ||= reachesMql(model, evaluate(model, { facts, behaviours, fit }, event.atS));
      }
      if (isFlagged) flagged += 1;
    }
    if (flagged === 0) throw new Error('nobody was flagged');
  });
}

const cpuMs = (): number => process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000;

function medianCpuMs(work: () => unknown): number {
  const runs: number[] = [];
  for (let run = 0; run <= RUNS; run++) {
    const from = cpuMs();
    work();
    // The first one is compiled on the way.
    if (run > 0) runs.push(cpuMs() - from);
  }
  return median(runs);
}

function line(what: string, ms: number, steps: number, ratio = ''): void {
  console.log(
    `${what.padEnd(31)} ${ms.toFixed(0).padStart(7)} ms, ${((ms * 1e6) / steps).toFixed(1)} ns a step  ${ratio}`,
  );
}
