import {
  Inject,
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CommandBus, CqrsModule } from '@nestjs/cqrs';
import { Alerts } from '#apps/api/src/alerts/alerts.js';
import { AccountCommands } from '#apps/api/src/accounts/account-commands.js';
import { LeadCommandRequest } from '#apps/api/src/commands/lead-command-request.js';
import { LeadCommands } from '#apps/api/src/commands/lead-commands.js';
import { Policies } from '#apps/api/src/policies.js';
import { StageMoves } from '#apps/api/src/config/stage-moves.js';
import { Figures } from '#apps/api/src/reports/figures.js';
import { Views } from '#apps/api/src/views.js';
import { ViewsModule } from '#apps/api/src/views.module.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { TestClock, type Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { Metrics } from '#libs/platform/src/metrics.js';
import { KeyVault } from '#libs/privacy/src/key-vault.js';
import { silenceLimits } from '#libs/read-models/src/silence-due.js';
import { CLOCK, EVENT_LOG, LOGGER, SETTINGS } from '#libs/platform/src/tokens.js';
import { FollowedAccounts, followedAccounts } from './followed-accounts.js';
import { FollowedJobs, followedJobs } from './followed-jobs.js';
import { dueClocksOf } from './due-clocks.js';
import { MergeResumer } from './merge-resumer.js';
import { Rescoring } from './rescoring.js';
import { settleCommand } from './settle-command.js';
import { Sweeper } from './sweeper.js';
import { TestClockDriver } from './test-clock.js';
import { TestingController } from './testing.controller.js';
import { WatchedAlerts } from './watched-alerts.js';

const stageMoves = (clock: Clock, views: Views, bus: CommandBus, policies: PolicyBook, logger: Logger): StageMoves =>
  new StageMoves({
    policies,
    nowMs: () => clock.nowMs(),
    view: () => views.active(),
    execute: async (command) => bus.execute(new LeadCommandRequest(command)),
    onError: (leadId, error) => logger.warn({ err: error, leadId }, 'a deal could not be moved to its new stage'),
  });

const mergeResumer = (clock: Clock, views: Views, leads: LeadCommands, logger: Logger): MergeResumer =>
  new MergeResumer({
    nowMs: () => clock.nowMs(),
    view: () => views.active(),
    resume: (survivorLeadId, mergeId) => leads.resumeMerge(survivorLeadId, mergeId),
    onError: (leadId, error) => logger.warn({ err: error, leadId }, 'a merge could not be finished'),
  });

const rescoring = (log: EventLog, clock: Clock, policies: Policies, leads: LeadCommands, logger: Logger): Rescoring =>
  new Rescoring({
    log,
    models: policies.models,
    nowMs: () => clock.nowMs(),
    testClock: clock instanceof TestClock,
    execute: (command) => leads.execute(command),
    onError: (leadId, error) => logger.warn({ err: error, leadId }, 'a lead could not be scored anew'),
  });

/**
 * The SLA sweeper (spec §6.6). It commands like anybody else, through the bus. Under a test clock nothing sweeps by itself:
 * the clock's driver does (`/v1/testing`).
 */
@Module({})
export class WorkerModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly bus: CommandBus,
    private readonly views: Views,
    private readonly metrics: Metrics,
    private readonly policies: Policies,
    private readonly leads: LeadCommands,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  static of(options: { readonly testClock: boolean }): DynamicModule {
    const imports = [CqrsModule, ViewsModule];
    const accounts = {
      provide: FollowedAccounts,
      useFactory: followedAccounts,
      inject: [EVENT_LOG, CLOCK, SETTINGS, LOGGER, Views, Policies, LeadCommands, AccountCommands],
    };
    const alerts = {
      provide: WatchedAlerts,
      useFactory: (clock: Clock, logger: Logger, views: Views, figures: Figures, policies: Policies, all: Alerts) =>
        new WatchedAlerts(clock, logger, views, figures, policies, all),
      inject: [CLOCK, LOGGER, Views, Figures, Policies, Alerts],
    };
    const jobs = {
      provide: FollowedJobs,
      useFactory: followedJobs,
      inject: [EVENT_LOG, CLOCK, SETTINGS, LOGGER, Views, Policies, LeadCommands, KeyVault],
    };
    if (!options.testClock) return { module: WorkerModule, imports, providers: [jobs, accounts, alerts] };
    const driver = {
      provide: TestClockDriver,
      useFactory: (
        clock: TestClock,
        views: Views,
        bus: CommandBus,
        logger: Logger,
        followed: FollowedAccounts,
        policies: Policies,
        leads: LeadCommands,
        log: EventLog,
        watched: WatchedAlerts,
      ) => {
        const scores = rescoring(log, clock, policies, leads, logger);
        const clockDriver = new TestClockDriver({
          clock,
          due: dueClocksOf(
            () => views.active(),
            (nowMs) => silenceLimits(policies.book, nowMs),
          ),
          newSettler: () => async (leadId) => bus.execute(new LeadCommandRequest(settleCommand(leadId))),
          viewsCaughtUp: async () => {
            await followed.process.caughtUp();
            await views.caughtUp();
          },
          moveDeals: () => stageMoves(clock, views, bus, policies.book, logger).round(),
          rescore: () => scores.round(),
          nextRescoringAfter: (afterMs) => policies.models.nextRescoringAfter(afterMs),
          resumeMerges: () => mergeResumer(clock, views, leads, logger).round(),
          watchAlerts: () => watched.round(),
          onError: (leadId, error) => logger.error({ err: error, leadId }, 'a lead could not be settled'),
        });
        watched.takeTurns((round) => clockDriver.watch(round));
        return clockDriver;
      },
      inject: [CLOCK, Views, CommandBus, LOGGER, FollowedAccounts, Policies, LeadCommands, EVENT_LOG, WatchedAlerts],
    };
    return {
      module: WorkerModule,
      imports,
      controllers: [TestingController],
      providers: [jobs, accounts, alerts, driver],
    };
  }

  onApplicationBootstrap(): void {
    if (this.clock instanceof TestClock) return;
    const moves = stageMoves(this.clock, this.views, this.bus, this.policies.book, this.logger);
    let unavailable = false;
    const sweeper = new Sweeper({
      due: dueClocksOf(
        () => this.views.active(),
        (nowMs) => silenceLimits(this.policies.book, nowMs),
      ),
      clock: this.clock,
      settle: async (leadId) => this.bus.execute(new LeadCommandRequest(settleCommand(leadId))),
      onRound: () => {
        unavailable = false;
        this.metrics.sweeperHeartbeat.set(this.clock.nowMs() / 1000);
      },
      onError: (leadId, error) => this.logger.warn({ err: error, leadId }, 'a lead could not be settled'),
      onOutage: (error) => {
        if (!unavailable) this.logger.warn({ err: error }, 'the due clocks cannot be read; trying again');
        unavailable = true;
      },
    });
    const { signal } = this.#stop;
    const merges = mergeResumer(this.clock, this.views, this.leads, this.logger);
    const scores = rescoring(this.log, this.clock, this.policies, this.leads, this.logger);
    const running = [sweeper.run(signal), moves.run(signal), merges.run(signal), scores.run(signal)];
    this.#running = Promise.all(running).then(() => undefined);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
