import { runRole } from '#libs/platform/src/run-role.js';
import { runApart } from '#apps/api/src/run-apart.js';
import { HealthModule } from '#apps/api/src/health/health.module.js';
import { WorkerModule } from './worker.module.js';

/** One role as a process of its own: SLA clocks. Needs EVENTSTORE_URL and REDIS_URL. */
await runRole('worker', (settings, logger) =>
  runApart(settings, logger, [HealthModule, WorkerModule.of({ testClock: false })]),
);
