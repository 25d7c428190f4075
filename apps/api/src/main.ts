import { runRole } from '#libs/platform/src/run-role.js';
import { runApart } from './run-apart.js';
import { ApiModule } from './api.module.js';

/** One role as a process of its own: HTTP. Needs EVENTSTORE_URL and REDIS_URL. */
await runRole('api', (settings, logger) => runApart(settings, logger, [ApiModule]));
