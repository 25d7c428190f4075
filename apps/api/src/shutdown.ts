import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

/** Knows when the server stops, so that answers that wait end at once. */
@Injectable()
export class Shutdown implements BeforeApplicationShutdown {
  readonly #stop = new AbortController();

  get begun(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Aborts when the server stops or the client of this answer has gone. */
  signal(reply: FastifyReply): AbortSignal {
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    return AbortSignal.any([this.#stop.signal, gone.signal]);
  }

  beforeApplicationShutdown(): void {
    this.#stop.abort();
  }
}
