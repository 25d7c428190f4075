import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedLog } from './embedded-log.js';
import { eventLogContract } from './event-log.contract.js';
import { EventStoreDBLog } from './eventstoredb-log.js';
import { startWireEndpoint } from './wire/wire-endpoint.js';

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
