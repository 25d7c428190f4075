import { runRole } from '#libs/platform/src/run-role.js';
import { runApart } from '#apps/api/src/run-apart.js';
import { HealthModule } from '#apps/api/src/health/health.module.js';
import { WhatIfModule } from '#apps/api/src/whatif/what-if.module.js';
import { HistoryModule } from './history.module.js';
import { ProjectorModule } from './projector.module.js';

/** One role as a process of its own: log → read models. Needs EVENTSTORE_URL and REDIS_URL. */
await runRole('projector', (settings, logger) =>
  runApart(settings, logger, [HealthModule, ProjectorModule.here(), HistoryModule.here(), WhatIfModule]),
);
