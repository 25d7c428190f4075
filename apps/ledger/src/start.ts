import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiModule } from '#apps/api/src/api.module.js';
import { CommandsModule } from '#apps/api/src/commands/commands.module.js';
import { close, listen } from '#apps/api/src/http-app.js';
import { openResources, type Resources } from '#apps/api/src/resources.js';
import { HistoryModule } from '#apps/projector/src/history.module.js';
import { ProjectorModule } from '#apps/projector/src/projector.module.js';
import { WhatIfModule } from '#apps/api/src/whatif/what-if.module.js';
import { WorkerModule } from '#apps/worker/src/worker.module.js';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import type { WireEndpoint } from '#libs/event-log/src/wire/wire-endpoint.js';
import { SystemClock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { PlatformModule } from '#libs/platform/src/platform.module.js';
import { runRole, type RunningRole } from '#libs/platform/src/run-role.js';
import { SettingsError, type Settings } from '#libs/platform/src/settings.js';
import { ReadThread } from './read-thread/read-thread.js';

/** Every role in one process: what is computed from the log in a thread of its own. */
@Module({})
class LedgerModule {
  static of(
    resources: Resources,
    { history, projections }: Pick<ReadThread, 'history' | 'projections'>,
  ): DynamicModule {
    return {
      module: LedgerModule,
      imports: [
        PlatformModule.of(resources),
        CommandsModule.of(resources.master, resources.policies),
        ApiModule,
        ProjectorModule.elsewhere(projections),
        HistoryModule.elsewhere(history),
        WhatIfModule,
        WorkerModule.of({ testClock: resources.settings.testClock }),
      ],
    };
  }
}

export interface RunningLedger extends RunningRole {
  /** `http://127.0.0.1:3000`. */
  readonly url: string;
  /** Good for one visit. */
  readonly signInUrl: string;
  readonly log: EventLog;
  readonly app: NestFastifyApplication;
}

export interface LedgerOptions {
  /** Flags of Node for the thread of the read models: what it needs to run from sources. */
  readonly threadFlags?: readonly string[];
}

/** Opens, starts and listens; resolves when HTTP answers (`/readyz` says when the views have caught up). */
export async function runLedger(
  settings: Settings,
  logger: Logger,
  { threadFlags = [] }: LedgerOptions = {},
): Promise<RunningLedger> {
  let readThread: ReadThread | null = null;
  const resources = await openResources(
    settings,
    logger,
    async (opened) => (readThread = await ReadThread.start(opened, threadFlags)),
  );
  const { failed, history, projections } = readThread as unknown as ReadThread;
  let wire: WireEndpoint | null = null;
  let app: NestFastifyApplication | null = null;
  /** In the order in which the one needs the other: who asks stops before who answers. */
  const stop = async (): Promise<void> => {
    if (app !== null) await close(app);
    await wire?.close();
    await resources.close();
  };
  try {
    wire = await openWire(settings, resources);
    app = await listen(LedgerModule.of(resources, { history, projections }), resources);
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  const url = (await app.getUrl()).replace('[::1]', 'localhost');
  return {
    url,
    signInUrl: `${url}/sign-in?token=${resources.signInLink.token}`,
    log: resources.log,
    app,
    failed,
    stop,
  };
}

async function openWire(settings: Settings, { embedded }: Resources): Promise<WireEndpoint | null> {
  if (settings.embeddedGrpcPort === null || embedded === null) return null;
  const { startWireEndpoint } = await import('#libs/event-log/src/wire/wire-endpoint.js');
  try {
    return await startWireEndpoint(embedded, { port: settings.embeddedGrpcPort, clock: new SystemClock() });
  } catch (error) {
    throw new SettingsError('EMBEDDED_GRPC_PORT', `cannot listen: ${(error as Error).message}`);
  }
}

/** `ledger start` as a process. */
export function startLedger(): Promise<void> {
  return runRole('ledger', async (settings, logger) => {
    const ledger = await runLedger(settings, logger);
    console.log(announcement(ledger, settings).join('\n'));
    return ledger;
  });
}

/** What a start prints: where to go and what it runs on. */
export const announcement = (ledger: RunningLedger, settings: Settings): string[] => [
  `Lead Ledger listens on ${ledger.url}`,
  `  sign in      ${ledger.signInUrl}   (once, within 15 minutes)`,
  `  API docs     ${ledger.url}/docs`,
  `  data         ${settings.dataDir}`,
  `  log          ${settings.eventstoreUrl === null ? 'embedded' : 'EVENTSTORE_URL'}`,
  `  read models  ${settings.redisUrl === null ? 'in memory' : 'REDIS_URL'}`,
  ...(settings.embeddedGrpcPort === null
    ? []
    : [`  EventStoreDB protocol on esdb://127.0.0.1:${settings.embeddedGrpcPort}?tls=false`]),
  ...(settings.testClock ? ['  the clock is driven by hand (LEDGER_TEST_CLOCK=1): nothing here is for real'] : []),
];
