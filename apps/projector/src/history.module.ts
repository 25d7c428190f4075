import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import type { Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { Metrics } from '#libs/platform/src/metrics.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { CLOCK, EVENT_LOG, LOGGER, SETTINGS } from '#libs/platform/src/tokens.js';
import { type History, RunningHistory } from './history.js';
import { HISTORY, HistoryController } from './history.controller.js';

/** The log → its columns. Whoever reads history injects `HISTORY`. Needs the platform's module beside it. */
@Module({})
export class HistoryModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(HISTORY) private readonly history: History,
    private readonly metrics: Metrics,
  ) {}

  /** Keeps the history here. */
  static here(): DynamicModule {
    const history = {
      provide: HISTORY,
      useFactory: (log: EventLog, { dataDir }: Settings, clock: Clock, logger: Logger) =>
        new RunningHistory({ log, dataDir, clock, logger }),
      inject: [EVENT_LOG, SETTINGS, CLOCK, LOGGER],
    };
    return {
      module: HistoryModule,
      global: true,
      controllers: [HistoryController],
      providers: [history],
      exports: [history],
    };
  }

  /** Another thread keeps it. */
  static elsewhere(history: History): DynamicModule {
    const providers = [{ provide: HISTORY, useValue: history }];
    return { module: HistoryModule, global: true, controllers: [HistoryController], providers, exports: providers };
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.history instanceof RunningHistory) await this.history.start();
    this.metrics.beforeScrape(async () => {
      const { bytes, lag, segments } = await this.history.status();
      if (lag !== null) {
        this.metrics.historyLagEvents.set(lag.events);
        this.metrics.historyLagSeconds.set(lag.seconds);
      }
      this.metrics.historySegments.set(segments);
      this.metrics.historyBytes.set(bytes);
    });
  }

  /** After HTTP has drained: what is in memory is written. */
  async onApplicationShutdown(): Promise<void> {
    if (this.history instanceof RunningHistory) await this.history.stop();
  }
}
