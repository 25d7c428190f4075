import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '#libs/lead/src/commands.js';
import type { Authentication } from './authentication.js';
import { bodyTooLarge, MAX_BODY_BYTES, parseJsonBody } from './json-body.js';
import type { Metrics } from './metrics.js';
import { invalid, Problem, problemBody } from './problem.js';
import { PROBLEM_CONTENT_TYPE } from './problem-filter.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every request below `/v1/` before its body is read. */
    actor: Actor;
  }
}

/** A client that has not sent its header block, or its JSON body, in this time is cut off. */
const SLOW_CLIENT_MS = 15_000;
const STREAMED_TYPES = ['application/x-ndjson', 'text/csv'];

/**
 * Fastify with the edge of the ledger: time-outs for slow clients, size and shape of bodies, authentication before the
 * body is read. NDJSON and CSV bodies are handed on as the raw stream on `streamedRoutes` (Fastify's spelling), whose readers
 * limit lines, not the whole.
 */
export function makeHttpAdapter(
  authentication: Authentication | null,
  metrics: Metrics,
  streamedRoutes: ReadonlySet<string> = new Set(),
): FastifyAdapter {
  const adapter = new FastifyAdapter({
    skipMiddie: true,
    multipart: false,
    bodyLimit: MAX_BODY_BYTES,
    // A streamed import may take minutes; JSON bodies have a deadline of their own below.
    requestTimeout: 0,
    keepAliveTimeout: 65_000,
    http: { headersTimeout: SLOW_CLIENT_MS, connectionsCheckingInterval: 2000 },
    routerOptions: { maxParamLength: 200 },
    clientErrorHandler: answerBrokenHttp,
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
      const body = invalid('', error.message).body();
      void reply.code(400).header('content-type', PROBLEM_CONTENT_TYPE).send(JSON.stringify(body));
    },
  });
  const http = adapter.getInstance<FastifyInstance>();
  http.removeAllContentTypeParsers();
  http.addContentTypeParser('application/json', (request: FastifyRequest, payload: IncomingMessage) =>
    readJson(payload, request.raw),
  );
  http.addContentTypeParser(STREAMED_TYPES, (request: FastifyRequest, payload: IncomingMessage, done) => {
    if (streamedRoutes.has(request.routeOptions.url ?? '')) done(null, payload);
    else done(invalid('content-type', 'send the body as application/json'));
  });
  http.addHook('onRequest', async (request) => {
    const path = request.url.split('?', 1)[0] as string;
    if (authentication !== null && (path === '/v1' || path.startsWith('/v1/')))
      request.actor = await authentication.actorOf(request.headers.authorization);
  });
  http.addHook('onResponse', (request, reply, done) => {
    metrics.httpSeconds.observe(
      { method: request.method, route: request.routeOptions.url ?? 'none', status: String(reply.statusCode) },
      reply.elapsedTime / 1000,
    );
    done();
  });
  return adapter;
}

/** Reads within the size limit and the deadline, then `parseJsonBody`. An empty body is an empty object. */
async function readJson(payload: IncomingMessage, raw: IncomingMessage): Promise<unknown> {
  const bytes = await readBytes(payload, raw);
  if (bytes.length === 0) return {};
  const body = parseJsonBody(bytes);
  if (body === null || typeof body !== 'object' || Array.isArray(body))
    throw invalid('', 'the body must be a JSON object');
  return body;
}

/** By listeners: iterating a stream costs several times as much for a body of one chunk. */
function readBytes(payload: IncomingMessage, raw: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      raw.destroy();
    }, SLOW_CLIENT_MS);
    const cutOff = () => {
      // Every body is closed after its end, and an error costs more than all else here.
      if (payload.readableEnded) return;
      clearTimeout(deadline);
      reject(new Problem('REQUEST_TIMEOUT', late ? 'the body came too slowly' : 'the body was cut off'));
    };
    payload.on('data', (chunk: Buffer) => {
      size += chunk.length;
      // The rest is read and dropped, so that the answer arrives; the deadline ends that too.
      if (size > MAX_BODY_BYTES) reject(bodyTooLarge(MAX_BODY_BYTES));
      else chunks.push(chunk);
    });
    payload.on('end', () => {
      clearTimeout(deadline);
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
    });
    payload.on('error', cutOff);
    payload.on('close', cutOff);
  });
}

/** What is no HTTP, or not in time: answered before Fastify has a request to speak of. */
function answerBrokenHttp(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? new Problem('REQUEST_TIMEOUT', 'the request came too slowly').body()
      : problemBody(
          error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400,
          'VALIDATION_FAILED',
          error.code === 'HPE_HEADER_OVERFLOW' ? 'the header block is too large' : 'this is no HTTP request',
        );
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      `Content-Type: ${PROBLEM_CONTENT_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
