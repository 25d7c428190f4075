import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { clocksEncoder } from '#libs/history/src/encode-clocks.js';
import { GrowingTables } from '#libs/history/src/growing-tables.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { parsed } from '#libs/platform/src/zod-pipe.js';
import { problemOf } from '#libs/platform/src/problem-filter.js';
import { standardAgreement } from '#libs/policy/src/defaults.js';
import { actor, CommandWorld, type CommandSide } from '../../../../test/support/command-path.js';
import { slaReplayRequest, slaReplayResult } from './sla-replay-requests.js';
import { SlaReplays } from './sla-replays.js';
import { WhatIfRuns } from './what-if-runs.js';

/** A Monday; the office is open from 09:00 to 17:00 UTC, and an offer is answered within eight hours of that. */
const MONDAY = '2026-03-02T09:00:00.000Z';
const NOW = '2026-03-20T12:00:00.000Z';
const WINDOW = { from: '2026-03-01', to: '2026-03-20' };

describe('promises of the past under other policies', () => {
  let world: CommandWorld;
  let side: CommandSide;
  let runs: WhatIfRuns;
  let replays: SlaReplays;
  /** Answered on Monday at 16:00, and on Wednesday at 10:00. */
  let prompt: string;
  let slow: string;

  beforeAll(async () => {
    world = await CommandWorld.open(MONDAY);
    side = world.process();
    const { clock, log, policies } = world;
    const settings = parseSettings({ DATA_DIR: world.dir, LEDGER_TEST_CLOCK: '1' });
    runs = new WhatIfRuns(log, clock, settings, makeLogger('silent', 'what-if'));
    const history = {
      async tables() {
        const tables = new GrowingTables();
        const { events } = await log.readAll({ filter: { streamPrefixes: ['lead-'] }, limit: 1_000 });
        for (const event of events) void clocksEncoder.encode(event, tables);
        tables.position = events.at(-1)?.position ?? null;
        return tables;
      },
    };
    replays = new SlaReplays(runs, history, policies, clock);

    const offered = async (email: string) => {
      const { leadId } = await side.capture(email);
      await side.send('MarkMQL', leadId, { reason: 'agreed criteria' });
      return leadId;
    };
    [prompt, slow] = [await offered('ann@example.org'), await offered('bob@example.org')];
    const accept = (leadId: string) => side.send('AcceptLead', leadId, {}, { by: actor('sales', 'sam', ['sales']) });
    clock.set(Date.parse('2026-03-02T16:00:00.000Z'));
    await accept(prompt);
    await side.send('LogContactAttempt', prompt, { channel: 'phone', outcome: 'connected' });
    clock.set(Date.parse('2026-03-04T10:00:00.000Z'));
    await accept(slow);
    await side.send('LogContactAttempt', slow, { channel: 'phone', outcome: 'connected' });
    clock.set(Date.parse(NOW));
  });
  afterAll(() => world.close());

  const ask = async (body: object) => {
    const id = randomUUID();
    await replays.start(id, parsed(slaReplayRequest, { window: WINDOW, ...body }), actor('analyst'));
    const told = await runs.settled('sla-replay', id, 10_000);
    expect([told.status, told.error]).toEqual(['done', null]);
    return slaReplayResult.strict().parse(told.result);
  };
  const refusal = async (body: object) => {
    try {
      await replays.start(randomUUID(), parsed(slaReplayRequest, { window: WINDOW, ...body }), actor('analyst'));
    } catch (error) {
      const problem = problemOf(error);
      return [problem?.status, problem?.code, problem?.fields[0]?.field];
    }
    throw new Error('it was not refused');
  };
  const inHours = (hours: number) => ({
    ...standardAgreement,
    clocks: standardAgreement.clocks.map(({ warnOpenS: _, ...rule }) =>
      rule.clockType === 'handoff_response' ? { ...rule, targetOpenS: hours * 3600 } : rule,
    ),
  });
  const weekly = [1, 2, 3, 4, 5].map((weekday) => ({ weekday, from: '09:00', to: '17:00' }));
  const office = { timeZone: 'UTC', weekly };
  const offers = ({ byClockType }: z.output<typeof slaReplayResult>) =>
    byClockType.find(({ clockType }) => clockType === 'handoff_response')!;

  it('are those that were recorded when nothing is changed', async () => {
    const result = await ask({});
    expect(result.check).toEqual({ clocks: 4, breaches: 1, differences: 0, examples: [] });
    expect(result.total.whatIf).toEqual(result.total.recorded);
    expect(offers(result).recorded.attainment).toEqual({ numerator: 1, denominator: 2, rate: 0.5 });
    expect(result.breaches.items).toMatchObject([
      { leadId: slow, clockType: 'handoff_response', recordedDueAt: '2026-03-02T17:00:00.000Z', teamId: 'sales' },
    ]);
  });

  it('are more of them broken by a shorter promise, with the leads and who answers for them', async () => {
    const result = await ask({ agreement: { document: inHours(4) } });
    expect(offers(result)).toMatchObject({ gained: 1, avoided: 0, whatIf: { met: 0, breached: 2 } });
    expect(result.gained.items).toEqual([
      {
        leadId: prompt,
        clockType: 'handoff_response',
        startedAt: MONDAY,
        recordedDueAt: '2026-03-02T17:00:00.000Z',
        whatIfDueAt: '2026-03-02T13:00:00.000Z',
        stoppedAt: '2026-03-02T16:00:00.000Z',
        ownerId: 'sam',
        teamId: 'sales',
      },
    ]);
    expect(result.byTeam).toMatchObject([{ teamId: 'sales', gained: 1 }]);
  });

  it('are fewer of them broken when days are holidays', async () => {
    const document = { ...office, holidays: ['2026-03-03'] };
    const kept = await ask({ calendars: [{ calendarId: 'office', document }] });
    expect(offers(kept)).toMatchObject({ gained: 0, avoided: 0 });
    const longer = await ask({ calendars: [{ calendarId: 'office', document }], agreement: { document: inHours(9) } });
    expect(offers(longer)).toMatchObject({ gained: 0, avoided: 1, whatIf: { met: 2, breached: 0 } });
    expect(longer.avoided.items).toMatchObject([{ leadId: slow, whatIfDueAt: '2026-03-04T10:00:00.000Z' }]);
  });

  it('vanish where the other agreement does not make them', async () => {
    const clocks = standardAgreement.clocks.filter(({ clockType }) => clockType !== 'handoff_response');
    const result = await ask({ agreement: { document: { ...standardAgreement, clocks } } });
    expect(offers(result)).toMatchObject({ avoided: 1, whatIf: { met: 0, breached: 0, pending: 0, cancelled: 0 } });
    expect(result.caveats.join(' ')).toContain('does not promise handoff_response');
    const elsewhere = await ask({ agreement: { agreementId: 'standard', version: 1, replaces: 'standard' } });
    expect(elsewhere.total.gained + elsewhere.total.avoided).toBe(0);
  });

  it('are asked about without a trace on any lead', async () => {
    const before = await Promise.all([prompt, slow].map((leadId) => world.log.readStream(`lead-${leadId}`)));
    await ask({ agreement: { document: inHours(1) } });
    const after = await Promise.all([prompt, slow].map((leadId) => world.log.readStream(`lead-${leadId}`)));
    expect(after).toEqual(before);
  });

  it('are not asked about with a window or documents that cannot be', async () => {
    const refusals = await Promise.all(
      [
        { window: { from: '2026-03-10', to: '2026-03-10' } },
        { window: { from: '2026-03-10', to: '2026-03-21' } },
        { asOf: '2026-03-21' },
        { window: { from: 'soon' } },
        { calendars: [{ calendarId: 'office', document: { ...office, timeZone: 'Mars/Olympus' } }] },
        { calendars: [{ calendarId: 'office', document: { ...office, weekly: [{ weekday: 1, from: '17:00', to: '09:00' }] } }] },
        { calendars: [{ calendarId: 'office', version: 9 }] },
        { agreement: { document: { ...standardAgreement, clocks: [] } } },
        { agreement: { document: inHours(8), version: 1 } },
        { agreement: { agreementId: 'standard', version: 9 } },
        { agreement: { document: { ...standardAgreement, clocks: [{ ...standardAgreement.clocks[0], calendarId: 'moon' }] } } },
      ].map(refusal),
    );
    expect(refusals).toEqual([
      [400, 'WINDOW_INVALID', 'window.from'],
      [400, 'WINDOW_INVALID', 'window.to'],
      [400, 'WINDOW_INVALID', 'asOf'],
      [400, 'VALIDATION_FAILED', 'window.from'],
      [400, 'TIME_ZONE_INVALID', 'calendars.0.document.timeZone'],
      [400, 'CALENDAR_INVALID', 'calendars.0.document.weekly'],
      [422, 'UNKNOWN_CALENDAR', 'calendars.0.version'],
      [400, 'VALIDATION_FAILED', 'agreement.document.clocks'],
      [400, 'VALIDATION_FAILED', 'agreement'],
      [422, 'UNKNOWN_AGREEMENT', 'agreement.version'],
      [422, 'UNKNOWN_CALENDAR', 'agreement.document.clocks.0.calendarId'],
    ]);
  });
}); // prettier-ignore
