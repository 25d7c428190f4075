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
