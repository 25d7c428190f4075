import { Module } from '@nestjs/common';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import type { Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { CLOCK, EVENT_LOG, LOGGER, SETTINGS } from '#libs/platform/src/tokens.js';
import { openDealsOf } from '#libs/read-models/src/open-deals.js';
import { LeadCommands } from '../commands/lead-commands.js';
import { Policies } from '../policies.js';
import { Views } from '../views.js';
import { ViewsModule } from '../views.module.js';
import { ConfigCommands } from './config-commands.js';
import { ConfigController } from './config.controller.js';
import { ConfigHistory } from './config-history.js';
import { RepsController } from './reps.controller.js';
import { StageMoves } from './stage-moves.js';

/** Configuration over HTTP. Needs the platform's and the commands' module beside it. */
@Module({
  imports: [ViewsModule],
  controllers: [RepsController, ConfigController],
  providers: [
    ConfigHistory,
    {
      provide: StageMoves,
      useFactory: (clock: Clock, { book }: Policies, views: Views, commands: LeadCommands, logger: Logger) =>
        new StageMoves({
          policies: book,
          nowMs: () => clock.nowMs(),
          view: () => views.active(),
          execute: (command) => commands.execute(command),
          onError: (leadId, error) => logger.warn({ err: error, leadId }, 'a deal could not be moved to its new stage'),
        }),
      inject: [CLOCK, Policies, Views, LeadCommands, LOGGER],
    },
    {
      provide: ConfigCommands,
      useFactory: (
        log: EventLog,
        clock: Clock,
        settings: Settings,
        policies: Policies,
        views: Views,
        moves: StageMoves,
      ) =>
        new ConfigCommands({
          log,
          clock,
          policies,
          testClock: settings.testClock,
          async openDeals() {
            const head = await log.head();
            const { view } = await views.reflecting(head ?? undefined);
            return openDealsOf(view);
          },
          moveDeals: () => moves.round(),
        }),
      inject: [EVENT_LOG, CLOCK, SETTINGS, Policies, Views, StageMoves],
    },
  ],
})
export class ConfigModule {}
