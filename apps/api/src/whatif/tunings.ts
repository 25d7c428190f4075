import { Inject, Injectable } from '@nestjs/common';
import type { JsonObject } from '#libs/event-log/src/event-log.js';
import { modelDigest } from '#libs/history/src/replay.js';
import type { NamedModel, TuningPart, TuningRequest, TuningResult } from '#libs/history/src/tune.js';
import { TuningError } from '#libs/history/src/tuning.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { toIso, type Clock } from '#libs/platform/src/clock.js';
import { Problem } from '#libs/platform/src/problem.js';
import { CLOCK } from '#libs/platform/src/tokens.js';
import { compileModel, DAY_S } from '#libs/scoring/src/compile.js';
import { DEFAULT_MODEL_ID, defaultModel } from '#libs/scoring/src/default-model.js';
import { Policies } from '../policies.js';
import { candidateOf, toldApart } from './candidates.js';
import { ScoringHistories } from './scoring-histories.js';
import type { TuningBody } from './tuning-requests.js';
import { type WhatIfTold, WhatIfRuns, type WhatIfWork } from './what-if-runs.js';
import { checkWindow } from './what-if-window.js';

/** What came with the product, however the team has changed its own since. */
const DEFAULT: NamedModel = {
  name: 'the default model',
  model: compileModel(defaultModel, { modelId: DEFAULT_MODEL_ID, version: 1 }),
};

/**
 * Scoring models fitted to history. What comes out is a document to read, edit and draft (`/v1/config/scoring-models`): nothing
 * is drafted, approved or activated here, and no event reaches a lead.
 */
@Injectable()
export class Tunings {
  constructor(
    private readonly runs: WhatIfRuns,
    private readonly histories: ScoringHistories,
    private readonly policies: Policies,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Errors, before anything is begun: MODEL_INVALID, PROTECTED_ATTRIBUTE, UNKNOWN_VERSION, WINDOW_INVALID, and those of
   * `WhatIfRuns.start`. A run fails with VALIDATION_FAILED where the past has too little to learn from.
   */
  async start(id: string, body: TuningBody, actor: Actor): Promise<WhatIfTold> {
    const nowMs = this.clock.nowMs();
    await this.policies.catchUp();
    const {
      asOf: asOfMs = nowMs,
      exclude,
      flaggedShare = null,
      halfLivesDays,
      horizonDays,
      l2 = null,
      label,
      testShare,
    } = body;
    const embargoDays = body.embargoDays ?? horizonDays;
    const window = body.window ?? { from: 0, to: asOfMs - horizonDays * DAY_S * 1000 };
    checkWindow(window, asOfMs, nowMs);
    const used = { window: { from: toIso(window.from), to: toIso(window.to) }, asOf: toIso(asOfMs) };
    const { models } = this.policies;
    const active = models.inForce(nowMs);
    const inForce =
      active === null ? null : { name: `the model in force, ${active.modelId} ${active.version}`, model: active };
    const others = body.compareWith.map((one, n) => candidateOf(one, `compareWith.${n}`, models, nowMs));
    const compareWith = toldApart([...(isDefault(inForce) ? [] : [DEFAULT]), ...others]);
    const request: TuningRequest = {
      name: body.name ?? `Tuned for ${label}`,
      label,
      horizonDays,
      fromS: Math.floor(window.from / 1000),
      toS: Math.floor(window.to / 1000),
      asOfS: Math.floor(asOfMs / 1000),
      testShare,
      embargoDays,
      halfLivesDays,
      l2,
      excluded: exclude,
      flaggedShare,
    };
    const work: WhatIfWork = async ({ progress, signal }) => {
      const history = await this.histories.upTo(body.position, signal);
      progress(0.1);
      const run = { signal, progress: (share: number) => progress(0.1 + 0.9 * share) };
      try {
        const result = await this.histories.threads.tune(history, request, { active: inForce, compareWith }, run);
        return { summary: summaryOf(result), result: { ...used, ...told(result) }, datasetPosition: history.position };
      } catch (error) {
        if (!(error instanceof TuningError)) throw error;
        const rule = `${error.message}; choose a longer window, a shorter horizon or a shorter embargo`;
        throw new Problem('VALIDATION_FAILED', rule, { fields: [{ field: 'window', rule }] });
      }
    };
    // What is not given follows from the clock: the same request is the same run, whenever it is sent again.
    const asked = {
      ...body,
      embargoDays,
      ...(body.window === undefined ? {} : { window: used.window }),
      ...(body.asOf === undefined ? {} : { asOf: used.asOf }),
    };
    return this.runs.start({ id, kind: 'tuning', name: body.name ?? null, request: asked, actor }, work);
  }
}

/** The model in force is the default one: said once. */
const isDefault = (active: NamedModel | null): boolean =>
  active !== null && modelDigest(active.model.document) === modelDigest(defaultModel);

const rounded = (value: number | null): number | null => (value === null ? null : Math.round(value * 1e6) / 1e6);

function told({ comparisons, fit, models, test, train, ...rest }: TuningResult): JsonObject {
  return {
    ...rest,
    documentDigest: modelDigest(rest.document),
    fit: { ...fit, halfLives: fit.halfLives.map((one) => ({ ...one, logLoss: rounded(one.logLoss) })) },
    train: toldPart(train),
    test: toldPart(test),
    models: models.map(({ auc, aucOfHighest, ...model }) => ({
      ...model,
      auc: rounded(auc),
      aucOfHighest: rounded(aucOfHighest),
    })),
    comparisons: comparisons.map(({ difference, interval, ...one }) => ({
      ...one,
      difference: rounded(difference),
      interval: interval.map(rounded),
    })),
  };
}

const toldPart = ({ fromS, toS, ...part }: TuningPart): JsonObject => ({
  from: toIso(fromS * 1000),
  to: toIso(toS * 1000),
  ...part,
});

const summaryOf = ({ comparisons, models, neverDecided, test, train }: TuningResult): JsonObject => ({
  auc: Object.fromEntries(models.map(({ auc, name }) => [name, rounded(auc)])),
  says: comparisons.map(({ says }) => says),
  positives: { train: train.positives, test: test.positives },
  neverDecidedShare: neverDecided.rate,
});
