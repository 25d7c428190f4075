import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedLog } from './embedded-log.js';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Collector, eventLogContract, failure, newEvent } from './event-log.contract.js';
import { EventStoreDBLog } from './eventstoredb-log.js';
import { startWireEndpoint, type WireEndpoint } from './wire/wire-endpoint.js';

const { EVENTSTORE_URL } = process.env;

if (EVENTSTORE_URL) {
  eventLogContract(`EventStoreDB at ${EVENTSTORE_URL}`, async () => ({
    open: async () => EventStoreDBLog.connect({ url: EVENTSTORE_URL }),
  }));
} else {
  eventLogContract("EventStoreDB's client on the wire endpoint", async () => {
    const dir = mkdtempSync(join(tmpdir(), 'eventstoredb-log-'));
    const log = await EmbeddedLog.open({ dir, clock: { nowMs: () => Date.now() } });
    const endpoint = await startWireEndpoint(log, { port: 0 });
    return {
      open: async () => EventStoreDBLog.connect({ url: `esdb://127.0.0.1:${endpoint.port}?tls=false` }),
      stop: async () => {
        await endpoint.close();
        await log.close();
        rmSync(dir, { recursive: true });
      },
    };
  });
}

describe('EventStoreDBLog when the connection fails', () => {
  let dir: string;
  let server: EmbeddedLog;
  let endpoint: WireEndpoint;
  let log: EventStoreDBLog;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'eventstoredb-log-'));
    server = await EmbeddedLog.open({ dir, clock: { nowMs: () => Date.now() } });
    endpoint = await startWireEndpoint(server, { port: 0 });
    log = EventStoreDBLog.connect({ url: `esdb://127.0.0.1:${endpoint.port}?tls=false`, deadlineMs: 2_000 });
  });

  afterEach(async () => {
    await log.close();
    await endpoint.close();
    await server.close();
    rmSync(dir, { recursive: true });
  });

  const append = (stream: string): ReturnType<EventStoreDBLog['append']> =>
    log.append({ stream, expectedRevision: 'any', events: [newEvent('Noted', {})] });
  const restart = async (): Promise<void> => {
    endpoint = await startWireEndpoint(server, { port: endpoint.port });
  };

  it('says so at once, and works again as soon as the server does', async () => {
    await append('s');
    await endpoint.close();
    for (const operation of [
      append('s'),
      log.readStream('s'),
      log.readAll({ limit: 1 }),
      log.head(),
      log.deleteStream('s', 'any'),
    ]) {
      expect(await failure(operation)).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    }
    expect(
      await log.appendMany([{ stream: 's', expectedRevision: 'any', events: [newEvent('Noted', {})] }]),
    ).toMatchObject([{ code: 'STORE_UNAVAILABLE' }]);
    await restart();
    await settles(() => append('s'));
    expect((await log.readStream('s')).length).toBeGreaterThanOrEqual(2);
  });

  it('ends subscriptions, which resume after what was handled without losing anything', async () => {
    const handled: number[] = [];
    let after: string | undefined;
    let drops = 0;
    const stop = new AbortController();
    const supervised = (async () => {
      while (!stop.signal.aborted) {
        try {
          const options = { filter: { streamPrefixes: ['s'] }, batchSize: 3, signal: stop.signal };
          for await (const batch of log.subscribe(after === undefined ? options : { ...options, after })) {
            handled.push(...batch.events.map((event) => event.revision));
            after = batch.scannedTo ?? after;
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' });
          drops += 1;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    })();
    let count = 0;
    for (let round = 0; round < 3; round += 1) {
      for (let n = 0; n < 7; n += 1) {
        await server.append({ stream: 's', expectedRevision: 'any', events: [newEvent('Noted', {})] });
        await server.append({ stream: 'other', expectedRevision: 'any', events: [newEvent('Noted', {})] });
        count += 1;
      }
      await reached(() => handled.length >= count - 3);
      await endpoint.close();
      for (let n = 0; n < 4; n += 1) {
        await server.append({ stream: 's', expectedRevision: 'any', events: [newEvent('Noted', {})] });
        count += 1;
      }
      await restart();
    }
    await reached(() => handled.length >= count);
    stop.abort();
    await supervised;
    expect(handled).toEqual(Array.from({ length: count }, (_, n) => n));
    expect(drops).toBeGreaterThanOrEqual(3);
  });

  it('gives up on a server that takes the call and never answers', async () => {
    const sockets: Socket[] = [];
    const silent: Server = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const hanging = EventStoreDBLog.connect({ url: `esdb://127.0.0.1:${port}?tls=false`, deadlineMs: 300 });
    const operations = [
      hanging.append({ stream: 's', expectedRevision: 'any', events: [newEvent('Noted', {})] }),
      hanging.readStream('s'),
      hanging.head(),
    ];
    for (const operation of operations) expect(await failure(operation)).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const seen = new Collector(hanging.subscribe());
    await expect(seen.until(() => false)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
    await hanging.close();
  });

  it('reads past links, events that are not JSON and what is not an object', async () => {
    const records = [
      { type: '$>', isJson: true, data: '0@s', metadata: '' },
      { type: 'Bytes', isJson: false, data: new Uint8Array([1, 2]), metadata: '' },
      { type: 'Text', isJson: true, data: '"text"', metadata: '' },
      { type: 'Broken', isJson: true, data: '{', metadata: '' },
      { type: 'Noted', isJson: true, data: '{"n":1}', metadata: 'no json' },
    ];
    await server.store.append(
      's',
      'any',
      records.map((record, n) => ({ ...record, id: `00000000-0000-4000-8000-00000000000${n + 1}` })),
    );
    for (const each of [log, server]) {
      expect(await each.readStream('s')).toMatchObject([{ type: 'Noted', revision: 4, data: { n: 1 }, metadata: {} }]);
      expect((await each.readAll({ limit: 100 })).events).toHaveLength(1);
    }
  });
});

async function reached(condition: () => boolean): Promise<void> {
  for (let n = 0; n < 500 && !condition(); n += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(condition()).toBe(true);
}

async function settles(operation: () => Promise<unknown>): Promise<void> {
  for (let n = 0; n < 50; n += 1) {
    const done = await operation().then(
      () => true,
      () => false,
    );
    if (done) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('it never recovered');
}
