import { Controller, Headers, Inject, Post, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '#libs/lead/src/commands.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { invalid } from '#libs/platform/src/problem.js';
import { problemOf } from '#libs/platform/src/problem-filter.js';
import { LOGGER } from '#libs/platform/src/tokens.js';
import { Caller } from '../caller.js';
import { runBatch, type BatchKind } from '../commands/command-batch.js';
import { LeadCommandRequest } from '../commands/lead-command-request.js';
import { commandIdOf } from './command-headers.js';

/**
 * Results kept for a client that sends everything before it reads anything (16 MiB, about 50,000 lines). Beyond, such a
 * client and this server would wait for each other; one that reads while it sends may send without end.
 */
const UNREAD_RESULTS_BYTES = 16 * 2 ** 20;

/** NDJSON in, NDJSON out: one result line per input line, in order (contract "Batches"). */
@Controller('v1')
export class BatchController {
  constructor(
    private readonly bus: CommandBus,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Post('commands')
  commands(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Caller() actor: Actor,
    @Headers('idempotency-key') key: string | undefined,
  ): void {
    this.#run('commands', request, reply, actor, key);
  }

  @Post('behaviours')
  behaviours(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Caller() actor: Actor,
    @Headers('idempotency-key') key: string | undefined,
  ): void {
    this.#run('behaviours', request, reply, actor, key);
  }

  #run(kind: BatchKind, request: FastifyRequest, reply: FastifyReply, actor: Actor, key: string | undefined): void {
    const { body } = request;
    if (!(body instanceof Readable)) throw invalid('content-type', 'send the lines as application/x-ndjson');
    const results = runBatch(body as AsyncIterable<Uint8Array>, {
      kind,
      actor,
      source: { system: 'api' },
      ...(key === undefined ? {} : { batchId: commandIdOf(key) }),
      execute: async (input) => this.bus.execute(new LeadCommandRequest(input)),
      problemOf,
      onUnforeseen: (error) => this.logger.error({ err: error }, 'unforeseen error in a batch'),
    });
    const stream = Readable.from(results, { objectMode: false, highWaterMark: UNREAD_RESULTS_BYTES });
    void reply.code(200).header('content-type', 'application/x-ndjson').send(stream);
  }
}
