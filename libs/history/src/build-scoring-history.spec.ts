import { describe, expect, it } from '@jest/globals';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveCapturedAtMs } from '#libs/lead/src/absorption.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { SCORED_FACTS } from '#libs/lead/src/scored-facts.js';
import { scoredOf } from '#libs/lead/src/scoring.js';
import type { LeadEventType } from '#libs/lead/src/events.js';
import { initialLead, type LeadState } from '#libs/lead/src/state.js';
import { RANK } from '#libs/lead/src/states.js';
import { wholeSeconds } from '#libs/scoring/src/behaviours.js';
import type { CompiledModel } from '#libs/scoring/src/compile.js';
import type { FactValue, Facts } from '#libs/scoring/src/facts.js';
import { capped, count, noSums, rawAt, resetEngagement, type Sums } from '#libs/scoring/src/kernel.js';
import { ModelBook } from '#libs/scoring/src/model-book.js';
import { milliPoints } from '#libs/scoring/src/rounding.js';
import { evaluate, fitOf } from '#libs/scoring/src/score.js';
import { byStream, scoringTables } from '../../../test/support/company-history.js';
import { RandomCompany } from '../../../test/support/random-company.js';
import { buildScoringHistory } from './build-scoring-history.js';
import { storedLeadEvent } from './encode-scoring.js';
import { FIT_FIELD_NAMES } from './profile-interner.js';
import {
  EVALUATED,
  IMPORTED,
  LEAD_FLAGS,
  RESCORED,
  STARTS,
  STEP,
  STEP_MASK,
  type ScoringHistory,
} from './scoring-history.js';
import { SCORING_TABLES } from './tables-scoring.js';

describe('the past of a company, grouped by lead', () => {
  it('gives every score to the last milli-point, under any model, whatever was merged, voided, corrected or imported', async () => {
    let evaluations = 0;
    let restated = 0;
    let failing = 0;
    for (let seed = 1; seed <= 8; seed++) {
      const { log } = new RandomCompany(seed);
      const streams = byStream(log);
      const history = buildScoringHistory(await scoringTables(log, streams));
      const models = modelsOf(streams.configuration);
      history.leads.leadIds.forEach((leadId, lead) => {
        const told = evaluationsOf(streams.leads.get(`lead-${leadId}`)!);
        const steps = evaluatedSteps(history, lead);
        expect([leadId, steps.length]).toEqual([leadId, told.length]);
        steps.forEach((step, n) => {
          const { before, imported, state } = told[n]!;
          if (state.icpFit?.failures.some(({ hard }) => hard) === true) failing += 1;
          expect((history.steps.kind[step]! & IMPORTED) !== 0).toBe(imported);
          const atS = history.steps.atS[step]!;
          for (const model of models) {
            const { band: _, ...score } = evaluate(model, scoredOf(state, model), atS);
            const told = { ...score, grade: score.grade === 'U' };
            expect([seed, leadId, n, replayed(history, lead, step, model)]).toEqual([seed, leadId, n, told]);
            if (imported || before.state === null) continue;
            const { band: __, ...former } = evaluate(model, scoredOf(before, model), atS);
            const was = replayed(history, lead, startOf(history, step) - 1, model, atS);
            expect([seed, leadId, n, was]).toEqual([seed, leadId, n, { ...former, grade: former.grade === 'U' }]);
          }
          evaluations += 1;
        });
      });
      restated += history.steps.kind.filter((kind) => (kind & STEP_MASK) === STEP.restated).length;
    }
    expect(evaluations).toBeGreaterThan(300);
    expect(restated).toBeGreaterThan(10);
    expect(failing).toBeGreaterThan(0);
  }, 60_000);

  it('knows when each lead came, was marked, reached SQL and was won, without what was voided', async () => {
    const seen = new Set<string>();
    for (let seed = 100; seed < 112; seed++) {
      const { log } = new RandomCompany(seed);
      const streams = byStream(log);
      const { leads } = buildScoringHistory(await scoringTables(log, streams));
      leads.leadIds.forEach((leadId, lead) => {
        const state = folded(streams.leads.get(`lead-${leadId}`)!);
        const first = (isOne: (visit: LeadState['visits'][number], before: string | undefined) => boolean) => {
          const entered = state.visits.flatMap((visit, n) =>
            visit.cycleNo === 1 && isOne(visit, state.visits[n - 1]?.state) ? [wholeSeconds(visit.enteredAtMs)] : [],
          );
          return entered.length === 0 ? 0 : Math.min(...entered);
        };
        const told = {
          capturedAtS: leads.capturedAtS[lead],
          mqlAtS: leads.mqlAtS[lead],
          sqlAtS: leads.sqlAtS[lead],
          wonAtS: leads.wonAtS[lead],
          isMerged: (leads.flags[lead]! & LEAD_FLAGS.mergedAway) !== 0,
          owner: leads.dimensionValues.owner[leads.dimensions.owner[lead]!],
          team: leads.dimensionValues.team[leads.dimensions.team[lead]!],
          leadType: leads.dimensionValues.leadType[leads.dimensions.leadType[lead]!],
        };
        expect([seed, leadId, told]).toEqual([
          seed,
          leadId,
          {
            capturedAtS: wholeSeconds(effectiveCapturedAtMs(state)),
            mqlAtS: first(({ state: now }) => now === 'MQL'),
            sqlAtS: first(({ state: now }) => RANK[now] >= RANK.SQL),
            wonAtS: first(({ state: now }) => now === 'CUSTOMER'),
            isMerged: state.state === 'MERGED',
            owner: state.ownerId,
            team: state.teamId,
            leadType: state.leadType,
          },
        ]);
        for (const [name, value] of Object.entries(told)) if (value !== 0 && value !== false) seen.add(name);
      });
    }
    expect([...seen].sort()).toEqual(
      ['capturedAtS', 'isMerged', 'leadType', 'mqlAtS', 'owner', 'sqlAtS', 'team', 'wonAtS'].sort(),
    );
  }, 60_000);

  it('is cut where sales got the lead: behind the fact that brought it there', async () => {
    let cuts = 0;
    for (let seed = 200; seed < 214; seed++) {
      const { log } = new RandomCompany(seed);
      const streams = byStream(log);
      const history = buildScoringHistory(await scoringTables(log, streams));
      const { leads, steps } = history;
      for (let lead = 0; lead < leads.count; lead++) {
        const end = leads.firstStep[lead + 1]!;
        const cut = leads.cutStep[lead]!;
        expect(cut).toBeGreaterThanOrEqual(leads.firstStep[lead]!);
        if (leads.handedOffAtS[lead] === 0 || (leads.flags[lead]! & LEAD_FLAGS.imported) !== 0) continue;
        expect(cut).toBeLessThanOrEqual(end);
        cuts += 1;
        const automatic = (leads.flags[lead]! & LEAD_FLAGS.markedAutomatically) !== 0;
        // An automatic mark hands over at once: the last step that may be read is the one that was scored.
        if (automatic && leads.mqlAtS[lead] === leads.handedOffAtS[lead])
          expect([seed, lead, steps.kind[cut - 1]! & (EVALUATED | RESCORED)]).not.toEqual([seed, lead, 0]);
      }
    }
    expect(cuts).toBeGreaterThan(8);
  }, 60_000);

  it('is written alike wherever an encoder starts anew', async () => {
    for (const [seed, restartEvery] of [
      [7, 1],
      [8, 3],
      [9, 17],
    ] as const) {
      const { log } = new RandomCompany(seed);
      const streams = byStream(log);
      const [whole, interrupted] = [await scoringTables(log, streams), await scoringTables(log, streams, restartEvery)];
      for (const table of SCORING_TABLES) expect(interrupted.table(table)).toEqual(whole.table(table));
    }
  }, 60_000);
});

function modelsOf(configuration: readonly RecordedEvent[]): CompiledModel[] {
  const book = new ModelBook();
  for (const event of configuration) book.apply(event);
  return Array.from({ length: 12 }, (_, n) => book.get('default', n + 1)).filter((model) => model !== null);
}

const evaluatedSteps = ({ leads, steps }: ScoringHistory, lead: number): number[] => {
  const found: number[] = [];
  for (let step = leads.firstStep[lead]!; step < leads.firstStep[lead + 1]!; step++)
    if ((steps.kind[step]! & EVALUATED) !== 0) found.push(step);
  return found;
};

/** First step of the command that one belongs to. */
function startOf({ steps }: ScoringHistory, step: number): number {
  let start = step;
  while ((steps.kind[start]! & STARTS) === 0) start -= 1;
  return start;
}

const isImported = ({ metadata }: RecordedEvent): boolean =>
  (metadata.source as { readonly importJobId?: string }).importJobId !== undefined;

function folded(stream: readonly RecordedEvent[], each?: (lead: LeadState, event: RecordedEvent) => void): LeadState {
  let lead = initialLead(stream[0]!.stream.slice('lead-'.length));
  for (const event of stream) {
    const { id: eventId, recordedAtMs, revision } = event;
    each?.(lead, event);
    lead = evolve(lead, storedLeadEvent(event), { eventId, revision, recordedAtMs, imported: isImported(event) });
  }
  return lead;
}

/** The lead wherever a command had told something scored: before the command, and before the score that was recorded of it. */
function evaluationsOf(
  stream: readonly RecordedEvent[],
): { readonly before: LeadState; readonly state: LeadState; readonly imported: boolean }[] {
  const found: { before: LeadState; state: LeadState; imported: boolean }[] = [];
  let before: LeadState = initialLead('');
  let scores = false;
  let command: unknown = null;
  let last: RecordedEvent | undefined;
  const end = (state: LeadState) => {
    if (scores) found.push({ before, state, imported: isImported(last!) });
    scores = false;
  };
  const state = folded(stream, (lead, event) => {
    if (event.metadata.commandId !== command || event.type === 'LeadScored') end(lead);
    if (event.metadata.commandId !== command) before = lead;
    command = event.metadata.commandId;
    if (SCORED_FACTS.has(event.type as LeadEventType)) scores = true;
    last = event;
  });
  end(state);
  return found;
}

/** The steps up to one, through the arithmetic of libs/scoring and nothing else of it. */
function replayed(
  { leads, profiles, steps, variants }: ScoringHistory,
  lead: number,
  to: number,
  model: CompiledModel,
  atS = steps.atS[to]!,
) {
  let sums: Sums = noSums(model);
  let facts: Facts = {};
  for (let step = leads.firstStep[lead]!; step <= to; step++) {
    const value = steps.value[step]!;
    switch (steps.kind[step]! & STEP_MASK) {
      case STEP.behaviour: {
        const { count: times, kind, more } = variants[value]!;
        const at = { atS: steps.atS[step]!, occurredAtS: steps.occurredAtS[step]!, count: times };
        for (const { rule, where } of model.byKind.get(kind) ?? []) {
          const read = (field: string) => (field === 'count' ? times : (more as Record<string, FactValue>)?.[field]);
          if (where.every((one) => one.holds(read(one.field)))) count(model, sums, rule, at);
        }
        break;
      }
      case STEP.returned:
        if (model.document.onRecycled === 'reset_engagement') resetEngagement(model, sums);
        break;
      case STEP.restated:
        sums = noSums(model);
        break;
      case STEP.facts:
        facts = Object.fromEntries(
          FIT_FIELD_NAMES.flatMap((field) => {
            const known = profiles.values[field][profiles.fields[field][value]!];
            return known === undefined ? [] : [[field, known]];
          }),
        );
        break;
      default:
    }
  }
  let [engagement, penalties] = [0, 0];
  for (let rule = 0; rule < model.ruleIds.length; rule++) {
    const points = capped(model, rule, rawAt(model, sums, rule, atS));
    if (rule < model.penaltiesFrom) engagement += points;
    else penalties += points;
  }
  const { max = Infinity, min = -Infinity } = model.document.engagementRange ?? {};
  engagement = Math.min(max, Math.max(min, engagement));
  const fit = fitOf(model, facts);
  return {
    total: milliPoints(fit.points + engagement + penalties),
    fit: milliPoints(fit.points),
    engagement: milliPoints(engagement),
    penalties: milliPoints(penalties),
    grade: !fit.isGradable,
  };
}
