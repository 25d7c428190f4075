import { join } from 'node:path';
import { Module, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { Imports } from '#libs/import/src/imports.js';
import type { Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { CLOCK, EVENT_LOG, LOGGER, SETTINGS } from '#libs/platform/src/tokens.js';
import { IdentityClaims } from '#libs/privacy/src/identity-claims.js';
import { KeyVault } from '#libs/privacy/src/key-vault.js';
import { LeadCommands } from '../commands/lead-commands.js';
import { Policies } from '../policies.js';
import { ImportsController } from './imports.controller.js';
import { LeadHistoryWriter } from './lead-history-writer.js';

/** Imports over HTTP. Goes on at start with what a stop or a crash interrupted. */
@Module({
  controllers: [ImportsController],
  providers: [
    {
      provide: LeadHistoryWriter,
      useFactory: (
        log: EventLog,
        clock: Clock,
        { streams }: LeadCommands,
        claims: IdentityClaims,
        vault: KeyVault,
        { book, models }: Policies,
      ) => new LeadHistoryWriter({ log, clock, streams, claims, vault, policies: book, models }),
      inject: [EVENT_LOG, CLOCK, LeadCommands, IdentityClaims, KeyVault, Policies],
    },
    {
      provide: Imports,
      useFactory: (log: EventLog, clock: Clock, settings: Settings, logger: Logger, writer: LeadHistoryWriter) =>
        new Imports({
          log,
          writer,
          nowMs: () => clock.nowMs(),
          directory: join(settings.dataDir, 'imports'),
          onFailure: (importId, error) => logger.error({ err: error, importId }, 'an import failed'),
        }),
      inject: [EVENT_LOG, CLOCK, SETTINGS, LOGGER, LeadHistoryWriter],
    },
  ],
})
export class ImportsModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(private readonly imports: Imports) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.imports.resume();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.imports.close();
  }
}
