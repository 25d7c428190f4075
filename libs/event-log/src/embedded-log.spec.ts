import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedLog } from './embedded-log.js';
import { eventLogContract } from './event-log.contract.js';

eventLogContract('the embedded log', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'embedded-log-'));
  const log = await EmbeddedLog.open({ dir, clock: { nowMs: () => 1_500_000_000_000 } });
  return {
    open: async () => log,
    stop: async () => rmSync(dir, { recursive: true }),
  };
});
