import { parentPort, workerData } from 'node:worker_threads';
import { packedError, ThreadPort } from '#libs/platform/src/thread-port.js';
import type { MainCalls } from './read-thread.js';
import { type ReadSideSettings, readSide } from './read-side.js';

/** Begun by `ReadThread`. */
if (parentPort === null) throw new Error('this is the beginning of a thread');

const log = (level: 'info' | 'warn' | 'error') => (fields: object, message: string) => {
  const { err, ...rest } = fields as { err?: unknown };
  main.tell('log', level, rest, message, err === undefined ? null : packedError(err));
};
const logger = { info: log('info'), warn: log('warn'), error: log('error') };
const calls = readSide(workerData as ReadSideSettings, logger);
const main = new ThreadPort<MainCalls>(parentPort, calls, []);

// A client that is given up while everything opens may leave a promise behind; what hindered the start is told by `ready`.
const leftBehind = (error: unknown): void => logger.warn({ err: error }, 'left behind while opening');
process.on('unhandledRejection', leftBehind);
calls.ready().then(
  () => process.off('unhandledRejection', leftBehind),
  () => undefined,
);
