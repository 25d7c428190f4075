import { Module, type DynamicModule, type Type } from '@nestjs/common';
import type { Logger } from '#libs/platform/src/logging.js';
import { PlatformModule } from '#libs/platform/src/platform.module.js';
import type { RunningRole } from '#libs/platform/src/run-role.js';
import { requireShared, type Settings } from '#libs/platform/src/settings.js';
import { CommandsModule } from './commands/commands.module.js';
import { close, listen } from './http-app.js';
import { openResources } from './resources.js';

@Module({})
class RoleModule {}

/** One role with its own listener on HOST:PORT, over the shared log and the shared read models. */
export async function runApart(
  settings: Settings,
  logger: Logger,
  modules: readonly (Type | DynamicModule)[],
): Promise<RunningRole> {
  requireShared(settings);
  const resources = await openResources(settings, logger);
  const root: DynamicModule = {
    module: RoleModule,
    imports: [PlatformModule.of(resources), CommandsModule.of(resources.master, resources.policies), ...modules],
  };
  try {
    const app = await listen(root, resources);
    logger.info({ url: await app.getUrl() }, 'listening');
    return {
      async stop() {
        await close(app);
        await resources.close();
      },
    };
  } catch (error) {
    await resources.close().catch(() => undefined);
    throw error;
  }
}
