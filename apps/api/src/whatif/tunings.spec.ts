import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { parsed } from '#libs/platform/src/zod-pipe.js';
import { actor, CommandWorld } from '../../../../test/support/command-path.js';
import { ScoringHistories } from './scoring-histories.js';
import { tuningRequest } from './tuning-requests.js';
import { Tunings } from './tunings.js';
import { WhatIfRuns } from './what-if-runs.js';

describe('a tuning', () => {
  let world: CommandWorld;
  let histories: ScoringHistories;
  let tunings: Tunings;

  beforeAll(async () => {
    world = await CommandWorld.open('2026-03-02T09:00:00.000Z');
    const { clock, log, policies } = world;
    const settings = parseSettings({ DATA_DIR: world.dir, LEDGER_TEST_CLOCK: '1' });
    const runs = new WhatIfRuns(log, clock, settings, makeLogger('silent', 'what-if'));
    // No history is asked for a position that the log has not reached.
    histories = new ScoringHistories(log, null as never);
    tunings = new Tunings(runs, histories, policies, clock);
  });
  afterAll(async () => {
    await histories.onApplicationShutdown();
    await world.close();
  });

  it('is the same run when the same request is sent again a day later', async () => {
    const body = parsed(tuningRequest, { position: 'f'.repeat(16) });
    const ana = actor('analyst', 'ana');
    const id = randomUUID();
    const { requestedAt } = await tunings.start(id, body, ana);
    world.clock.set(Date.parse('2026-03-03T09:00:00.000Z'));
    expect(await tunings.start(id, body, ana)).toMatchObject({ id, requestedAt });
    const other = { ...body, label: 'won' as const };
    await expect(tunings.start(id, other, ana)).rejects.toMatchObject({ code: 'COMMAND_ID_REUSED' });
  });

  it('says what a time may look like', () => {
    expect(() => parsed(tuningRequest, { asOf: 'yesterday' })).toThrow('must be a date or an RFC 3339 instant');
  });
});
