import { Inject, Injectable } from '@nestjs/common';
import type { JsonObject } from '#libs/event-log/src/event-log.js';
import type { Quality } from '#libs/history/src/replay-metrics.js';
import { toldResult, type ReplayRequest, type ReplayResult } from '#libs/history/src/replay.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { toIso, type Clock } from '#libs/platform/src/clock.js';
import { CLOCK } from '#libs/platform/src/tokens.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { Policies } from '../policies.js';
import { candidateOf, toldApart } from './candidates.js';
import { ScoringHistories } from './scoring-histories.js';
import type { ReplayBody } from './what-if-requests.js';
import { type WhatIfTold, WhatIfRuns, type WhatIfWork } from './what-if-runs.js';
import { checkWindow } from './what-if-window.js';

/** What-if scoring (spec §5.6): candidates over the past. Reads the log and writes nothing but the run's own two events. */
@Injectable()
export class Replays {
  constructor(
    private readonly runs: WhatIfRuns,
    private readonly histories: ScoringHistories,
    private readonly policies: Policies,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Errors, before anything is begun: MODEL_INVALID, PROTECTED_ATTRIBUTE, UNKNOWN_VERSION, WINDOW_INVALID, and those of
   * `WhatIfRuns.start`.
   */
  async start(id: string, body: ReplayBody, actor: Actor): Promise<WhatIfTold> {
    const nowMs = this.clock.nowMs();
    await this.policies.catchUp();
    const { models } = this.policies;
    const candidates = toldApart(body.models.map((asked, n) => candidateOf(asked, `models.${n}`, models, nowMs)));
    const { asOf: asOfMs = nowMs, by, horizonDays, label, listed, thresholds = null, window } = body;
    checkWindow(window, asOfMs, nowMs);
    const span = { fromMs: window.from, toMs: window.to };
    const request: ReplayRequest = { candidates, window: span, asOfMs, label, horizonDays, by, listed, thresholds };
    const work: WhatIfWork = async ({ progress, signal }) => {
      const history = await this.histories.upTo(body.position, signal);
      progress(0.1);
      const numbered = await this.histories.threads.run(history, request, {
        signal,
        progress: (share) => progress(0.1 + 0.9 * share),
      });
      const result = toldResult(numbered, history.leads.leadIds, capacityOf(this.policies.book));
      return { summary: summaryOf(result), result: { ...result }, datasetPosition: history.position };
    };
    const asked = {
      ...body,
      window: { from: toIso(window.from), to: toIso(window.to) },
      ...(body.asOf === undefined ? {} : { asOf: toIso(body.asOf) }),
    };
    return this.runs.start({ id, kind: 'replay', name: body.name ?? null, request: asked, actor }, work);
  }
}

/** What all people in sales can take together in the week that begins then; null: nobody has a limit. */
export const capacityOf =
  (book: PolicyBook) =>
  (weekStartsMs: number): number | null => {
    const limits = book
      .teams()
      .flatMap(({ teamId }) => book.reps(teamId, weekStartsMs))
      .flatMap(({ weeklyLeadCapacity }) => weeklyLeadCapacity ?? []);
    return limits.length === 0 ? null : limits.reduce((sum, limit) => sum + limit, 0);
  };

function summaryOf({ actual, candidates, flags, population }: ReplayResult): JsonObject {
  const headline = ({ f1, flagged, lift, precision, recall }: Quality) => ({
    flagged,
    precision: precision.rate,
    recall: recall.rate,
    f1,
    lift,
  });
  return {
    population,
    baseRate: actual.quality.baseRate.rate,
    actual: headline(actual.quality),
    candidates: candidates.map(({ auc, digest, modelId, name, quality, version }) => ({
      name,
      modelId,
      version,
      digest,
      ...headline(quality),
      auc,
    })),
    flags,
  };
}
