import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { ConfigHistory } from './config-history.js';

const NOW = Date.parse('2026-03-02T10:00:00.000Z');

describe('the history of configuration', () => {
  let dir: string;
  let log: EmbeddedLog;
  const clock = { nowMs: () => NOW };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'config-history-'));
    log = await EmbeddedLog.open({ dir, clock });
  });
  afterAll(async () => {
    await log.close();
    rmSync(dir, { recursive: true });
  });

  it('tells a version that another client of the log has written, though nobody knows by whom', async () => {
    const defined = { version: 1, timeZone: 'Europe/Berlin', weekly: [], holidays: [], exceptions: [] };
    const activated = { version: 1, effectiveFrom: '2026-01-01T00:00:00.000Z' };
    const foreign = (type: string, data: typeof defined | typeof activated) => ({
      id: randomUUID(),
      type,
      data,
      metadata: {},
    });
    await log.append({
      stream: 'calendar-berlin',
      expectedRevision: 'no_stream',
      events: [foreign('CalendarDefined', defined), foreign('CalendarActivated', activated)],
    });
    const document = await new ConfigHistory(log, clock).read('calendars', 'berlin');
    expect(document).toMatchObject({ versionInForce: 1, versions: [{ by: null, status: 'in_force' }] });
  });
});
