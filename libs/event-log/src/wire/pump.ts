import type { EventEmitter } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { rpcErrorOf } from './protocol.js';

/** Resolves when the call takes more, or takes nothing any more. */
export function drained(call: EventEmitter): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'cancelled', 'close', 'error']) call.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'cancelled', 'close', 'error']) call.on(event, done);
  });
}

/**
 * Writes what `responses` yields as fast as the client takes it, and no faster: the next one is asked for when the last
 * went out. `signal` aborts when the client has gone.
 */
export async function pump<Request, Response>(
  call: ServerWritableStream<Request, Response>,
  responses: (signal: AbortSignal) => AsyncIterable<Response>,
): Promise<void> {
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  call.on('cancelled', abort);
  call.on('close', abort);
  try {
    for await (const response of responses(gone.signal)) {
      if (gone.signal.aborted) return;
      if (!call.write(response)) await drained(call);
    }
    call.end();
  } catch (error) {
    if (!gone.signal.aborted) call.emit('error', rpcErrorOf(error));
  } finally {
    gone.abort();
  }
}
