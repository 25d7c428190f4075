import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { makeHttpAdapter } from '#libs/platform/src/http-adapter.js';
import { PinoLoggerService } from '#libs/platform/src/logging.js';
import { ProblemFilter } from '#libs/platform/src/problem-filter.js';
import { SettingsError } from '#libs/platform/src/settings.js';
import { methodsOf, routes } from './openapi/routes.js';
import type { Resources } from './resources.js';

/** Requests under way when the process is told to stop get so long; contract: gone within 10 s. */
const DRAIN_MS = 5000;
/** A batch that a connection brings may run as long as it sends; everything else is small. */
const STREAMED_ROUTES = new Set(
  routes
    .filter(({ body }) => body?.contentTypes?.includes('application/x-ndjson'))
    .map(({ path }) => path.replaceAll(/\{(\w+)\}/g, ':$1')),
);

/** The Nest application of a role with HTTP, listening. Throws `SettingsError` naming PORT or HOST. */
export async function listen(root: DynamicModule, resources: Resources): Promise<NestFastifyApplication> {
  const { settings, logger, authentication, metrics } = resources;
  const adapter = makeHttpAdapter(authentication, metrics, STREAMED_ROUTES);
  const app = await NestFactory.create<NestFastifyApplication>(root, adapter, {
    logger: new PinoLoggerService(logger),
    bodyParser: false,
    abortOnError: false,
  });
  app.useGlobalFilters(new ProblemFilter(logger, methodsOf));
  try {
    await app.listen(settings.port, settings.host);
  } catch (error) {
    await app.close().catch(() => undefined);
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' || code === 'EACCES')
      throw new SettingsError(
        'PORT',
        `cannot listen on ${settings.host}:${settings.port}: ${(error as Error).message}`,
      );
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new SettingsError('HOST', `cannot listen on ${settings.host}: ${(error as Error).message}`);
    throw error;
  }
  return app;
}

/** Stops accepting, lets what is under way finish (Nest's own `close` would not wait for ever, nor cut off), then closes. */
export async function close(app: NestFastifyApplication): Promise<void> {
  const server = app.getHttpServer();
  const cutOff = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  try {
    await app.close();
  } finally {
    clearTimeout(cutOff);
  }
}
