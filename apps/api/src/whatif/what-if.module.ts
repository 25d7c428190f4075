import { Module } from '@nestjs/common';
import { type History, readHistory } from '#apps/projector/src/history.js';
import { HISTORY } from '#apps/projector/src/history.controller.js';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { EVENT_LOG } from '#libs/platform/src/tokens.js';
import { Replays } from './replays.js';
import { ReplaysController } from './replays.controller.js';
import { ScoringHistories } from './scoring-histories.js';
import { HISTORY_SOURCE, type HistorySource, SlaReplays } from './sla-replays.js';
import { SlaReplaysController } from './sla-replays.controller.js';
import { Tunings } from './tunings.js';
import { TuningsController } from './tunings.controller.js';
import { WhatIfRuns } from './what-if-runs.js';

/** A run may wait so long for what the log holds when it begins. */
const CATCH_UP_MS = 60_000;

const historySource = {
  provide: HISTORY_SOURCE,
  useFactory: (history: History, log: EventLog): HistorySource => ({
    async tables(wanted) {
      const position = await log.head();
      return readHistory(history, wanted, position === null ? null : { position, timeoutMs: CATCH_UP_MS });
    },
  }),
  inject: [HISTORY, EVENT_LOG],
};

/** What-ifs over the history. Needs the platform's, the commands' and the history's module beside it. */
@Module({
  controllers: [ReplaysController, SlaReplaysController, TuningsController],
  providers: [WhatIfRuns, ScoringHistories, Replays, historySource, SlaReplays, Tunings],
})
export class WhatIfModule {}
