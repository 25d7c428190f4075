import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { FastifyInstance } from 'fastify';
import { makeHttpAdapter } from './http-adapter.js';
import { Metrics } from './metrics.js';

let http: FastifyInstance;
let port: number;
const metrics = new Metrics();

beforeAll(async () => {
  http = makeHttpAdapter(null, metrics, new Set(['/lines'])).getInstance<FastifyInstance>();
  http.post('/json', (request) => request.body);
  http.post('/lines', (request, reply) => reply.type('text/plain').send(request.body));
  await http.listen({ port: 0, host: '127.0.0.1' });
  port = (http.server.address() as AddressInfo).port;
});
afterAll(() => http.close());

/** Sends bytes as they are, answers what came back until the server hung up. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(bytes);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  await once(socket, 'close');
  return answer;
}

describe('the HTTP edge', () => {
  it('answers what is no HTTP with a problem and hangs up', async () => {
    const answer = await raw('GARBAGE\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain('application/problem+json');
    expect(answer).toContain('"code":"VALIDATION_FAILED"');
  });

  it('refuses a header block that is too large', async () => {
    expect(await raw(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('hands streams on where they belong, and nowhere else', async () => {
    const ndjson = {
      method: 'POST' as const,
      headers: { 'content-type': 'application/x-ndjson' },
      payload: '{}\n{}\n',
    };
    expect((await http.inject({ ...ndjson, url: '/lines' })).body).toBe('{}\n{}\n');
    expect((await http.inject({ ...ndjson, url: '/json' })).json()).toMatchObject({
      statusCode: 400,
      message: expect.stringContaining('application/json'),
    });
  });

  it('takes a missing body as an empty object and only objects otherwise', async () => {
    const json = { method: 'POST' as const, url: '/json', headers: { 'content-type': 'application/json' } };
    expect((await http.inject(json)).json()).toEqual({});
    expect((await http.inject({ ...json, payload: '{"a":1}' })).json()).toEqual({ a: 1 });
    expect((await http.inject({ ...json, payload: '[1]' })).json()).toMatchObject({
      message: 'the body must be a JSON object',
    });
  });

  it('measures requests by their route, not by their path', async () => {
    await http.inject({ method: 'GET', url: '/nobody/knows/this' });
    const text = await metrics.scrape();
    expect(text).toContain('ledger_http_request_seconds_count{method="POST",route="/json",status="200"}');
    expect(text).toContain('route="none"');
    expect(text).not.toContain('nobody');
  });
});
