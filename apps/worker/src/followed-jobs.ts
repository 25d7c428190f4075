import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { LeadCommands } from '#apps/api/src/commands/lead-commands.js';
import type { Policies } from '#apps/api/src/policies.js';
import type { Views } from '#apps/api/src/views.js';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import type { Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import type { Settings } from '#libs/platform/src/settings.js';
import type { KeyVault } from '#libs/privacy/src/key-vault.js';
import { leadsOwnedBy } from '#libs/read-models/src/owned-leads.js';
import { BulkWorker } from './bulk-worker.js';
import { RepProcess } from './rep-process.js';

interface Job {
  run(signal: AbortSignal): Promise<void>;
}

/** Work that waits for facts and for no clock: runs for as long as the application does, also under a test clock. */
export class FollowedJobs implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(private readonly jobs: readonly Job[]) {}

  onApplicationBootstrap(): void {
    this.#running = Promise.all(this.jobs.map((job) => job.run(this.#stop.signal)));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

export function followedJobs(
  log: EventLog,
  clock: Clock,
  { testClock }: Settings,
  logger: Logger,
  views: Views,
  policies: Policies,
  leads: LeadCommands,
  vault: KeyVault,
): FollowedJobs {
  const nowMs = () => clock.nowMs();
  const bulk = new BulkWorker({
    log,
    vault,
    nowMs,
    testClock,
    execute: (command) => leads.execute(command),
    onError: (jobId, error) => logger.warn({ err: error, jobId }, 'a bulk command could not go on'),
  });
  const reps = new RepProcess({
    log,
    nowMs,
    testClock,
    async policies() {
      await policies.catchUp();
      return policies.book;
    },
    leadsOf: async (ownerId, position) => leadsOwnedBy((await views.reflecting(position)).view, ownerId),
    execute: (command) => leads.execute(command),
    onError: (leadId, error) => logger.error({ err: error, leadId }, 'a lead could not be handed over'),
  });
  return new FollowedJobs([bulk, reps]);
}
