import { Module } from '@nestjs/common';
import { Replays } from './replays.js';
import { ReplaysController } from './replays.controller.js';
import { ScoringHistories } from './scoring-histories.js';
import { WhatIfRuns } from './what-if-runs.js';

/** What-ifs over the history. Needs the platform's and the commands' module beside it; stands where the projector runs. */
@Module({
  controllers: [ReplaysController],
  providers: [WhatIfRuns, ScoringHistories, Replays],
})
export class WhatIfModule {}
