import {
  Inject,
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import type { Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { Metrics } from '#libs/platform/src/metrics.js';
import { problemOf } from '#libs/platform/src/problem-filter.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { CLOCK, EVENT_LOG, LOGGER, READ_STORE, SETTINGS } from '#libs/platform/src/tokens.js';
import { IdentityClaims } from '#libs/privacy/src/identity-claims.js';
import { KeyVault } from '#libs/privacy/src/key-vault.js';
import type { MasterKey } from '#libs/privacy/src/master-key.js';
import { ownersOfAccount } from '#libs/read-models/src/owned-leads.js';
import type { ReadStore } from '#libs/read-models/src/store/read-store.js';
import { AccountCommands } from '../accounts/account-commands.js';
import { Accounts } from '../accounts/accounts.js';
import { Alerts } from '../alerts/alerts.js';
import { DryRunTokens } from '../bulk/dry-run-tokens.js';
import { Policies } from '../policies.js';
import { RepLoads } from '../routing/rep-loads.js';
import { Views } from '../views.js';
import { LeadCommandHandler } from './lead-command-request.js';
import { LeadReader } from './lead-reader.js';
import { LeadCommands, type LeadCommandAnswer, type LeadCommandInput } from './lead-commands.js';

/** The commands of a lead, counted by name and outcome. */
class CountedLeadCommands extends LeadCommands {
  constructor(
    options: ConstructorParameters<typeof LeadCommands>[0],
    private readonly metrics: Metrics,
  ) {
    super(options);
  }

  override async execute(input: LeadCommandInput): Promise<LeadCommandAnswer> {
    let outcome = 'ok';
    try {
      const answer = await super.execute(input);
      if (answer.replayed) outcome = 'replayed';
      return answer;
    } catch (error) {
      outcome = problemOf(error)?.code ?? 'INTERNAL_ERROR';
      throw error;
    } finally {
      this.metrics.commands.inc({ command: input.name, outcome });
    }
  }
}

function repLoads(log: EventLog, clock: Clock, store: ReadStore): RepLoads {
  const views = new Views(store, log);
  return new RepLoads({
    log,
    nowMs: () => clock.nowMs(),
    async accountOwners(accountId) {
      const view = await views.active();
      return view === null ? [] : ownersOfAccount(view, accountId);
    },
  });
}

/** Everything that commands need, on Nest's command bus: for the API and for the worker, which commands like anybody else. */
@Module({})
export class CommandsModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();

  constructor(
    private readonly policies: Policies,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  static of(master: MasterKey, policies: Policies): DynamicModule {
    return {
      module: CommandsModule,
      global: true,
      imports: [CqrsModule],
      providers: [
        { provide: Policies, useValue: policies },
        { provide: KeyVault, useFactory: (log: EventLog) => new KeyVault(log, master), inject: [EVENT_LOG] },
        {
          provide: IdentityClaims,
          useFactory: (log: EventLog) => new IdentityClaims(log, master),
          inject: [EVENT_LOG],
        },
        {
          provide: Accounts,
          useFactory: (log: EventLog, clock: Clock, { testClock }: Settings) => new Accounts({ log, clock, testClock }),
          inject: [EVENT_LOG, CLOCK, SETTINGS],
        },
        {
          provide: LeadCommands,
          useFactory: (
            log: EventLog,
            clock: Clock,
            settings: Settings,
            vault: KeyVault,
            claims: IdentityClaims,
            metrics: Metrics,
            accounts: Accounts,
            store: ReadStore,
          ) =>
            new CountedLeadCommands(
              {
                log,
                clock,
                vault,
                claims,
                policies: policies.book,
                models: policies.models,
                campaigns: policies.campaigns,
                accounts,
                repLoads: repLoads(log, clock, store),
                testClock: settings.testClock,
              },
              metrics,
            ),
          inject: [EVENT_LOG, CLOCK, SETTINGS, KeyVault, IdentityClaims, Metrics, Accounts, READ_STORE],
        },
        {
          provide: LeadReader,
          useFactory: (log: EventLog, { streams }: LeadCommands) => new LeadReader(log, streams),
          inject: [EVENT_LOG, LeadCommands],
        },
        { provide: DryRunTokens, useValue: new DryRunTokens(master) },
        LeadCommandHandler,
        AccountCommands,
        Alerts,
      ],
      exports: [
        DryRunTokens,
        CqrsModule,
        Policies,
        Accounts,
        AccountCommands,
        Alerts,
        KeyVault,
        IdentityClaims,
        LeadCommands,
        LeadReader,
      ],
    };
  }

  onApplicationBootstrap(): void {
    this.#following = this.policies.follow(this.#stop.signal).catch((error: unknown) => {
      this.logger.error({ err: error }, 'the configuration is no longer followed; restart');
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }
}
