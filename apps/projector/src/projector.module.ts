import {
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import type { Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { Metrics } from '#libs/platform/src/metrics.js';
import { CLOCK, EVENT_LOG, LOGGER, READ_STORE } from '#libs/platform/src/tokens.js';
import type { ReadStore } from '#libs/read-models/src/store/read-store.js';
import { type Projections, RunningProjections } from './projections.js';
import { PROJECTIONS, ProjectionsController } from './projections.controller.js';

/** The log → the read models. Needs the platform's module beside it. */
@Module({})
export class ProjectorModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(PROJECTIONS) private readonly projections: Projections,
    private readonly metrics: Metrics,
  ) {}

  /** Runs the projections here. */
  static here(): DynamicModule {
    const projections = {
      provide: PROJECTIONS,
      useFactory: (log: EventLog, store: ReadStore, clock: Clock, logger: Logger) =>
        new RunningProjections({ log, store, clock, logger }),
      inject: [EVENT_LOG, READ_STORE, CLOCK, LOGGER],
    };
    return { module: ProjectorModule, controllers: [ProjectionsController], providers: [projections] };
  }

  /** Another thread runs them. */
  static elsewhere(projections: Projections): DynamicModule {
    const providers = [{ provide: PROJECTIONS, useValue: projections }];
    return { module: ProjectorModule, controllers: [ProjectionsController], providers };
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.projections instanceof RunningProjections) await this.projections.start();
    this.metrics.beforeScrape(async () => {
      for (const { events, parked, seconds, view } of await this.projections.lags()) {
        this.metrics.projectionLagEvents.set({ view }, events);
        this.metrics.projectionLagSeconds.set({ view }, seconds);
        this.metrics.parked.set({ view }, parked);
      }
    });
  }

  /** After HTTP has drained: what was asked with `after=` had its answer. */
  async onApplicationShutdown(): Promise<void> {
    if (this.projections instanceof RunningProjections) await this.projections.stop();
  }
}
