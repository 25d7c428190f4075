import { beforeEach, describe, expect, it } from '@jest/globals';
import { defaultPipeline } from '#libs/policy/src/defaults.js';
import { at, Past, policyBook, viewOf } from '#libs/read-models/src/given-when-then.js';
import { silenceLimits } from '#libs/read-models/src/silence-due.js';
import { dueClocksOf } from './due-clocks.js';

/** Limits in days: LEAD 90, demo 21, meeting_booked 14. */
const DAY_MS = 86_400_000;
const CAPTURED = at('2018-03-01');
let past: Past;
beforeEach(() => {
  past = new Past();
});

async function dueClocks(policies = policyBook()) {
  const view = await viewOf(past);
  return dueClocksOf(
    () => Promise.resolve(view),
    (nowMs) => silenceLimits(policies, nowMs),
  );
}

describe('what falls due', () => {
  it('is a silence that has lasted longer than its limit, until it is told', async () => {
    const lead = past.lead().captured(CAPTURED);
    const dueMs = CAPTURED + 90 * DAY_MS + 1;
    const due = await dueClocks();
    expect(await due.nextDueAfter(CAPTURED)).toBe(dueMs);
    expect(await due.nextDueAfter(dueMs - 1)).toBe(dueMs);
    expect(await due.nextDueAfter(dueMs)).toBeNull();
    expect([...(await due.dueBy(dueMs - 1))]).toEqual([]);
    expect([...(await due.dueBy(dueMs))]).toEqual([[lead.leadId, dueMs]]);
    lead.fact('LeadWentStale', dueMs - 1, { state: 'LEAD', since: '2018-03-01T00:00:00.000Z', limitS: 90 * 86_400 });
    expect([...(await (await dueClocks()).dueBy(dueMs + DAY_MS))]).toEqual([]);
    lead.fact('BehaviourRecorded', dueMs + DAY_MS, { behaviourId: 'b', kind: 'guide', count: 1 });
    expect(await (await dueClocks()).nextDueAfter(0)).toBe(dueMs + 91 * DAY_MS + 1);
  });

  it('goes by the deal stage, and by a limit that is changed meanwhile', async () => {
    past.lead().captured(CAPTURED).opportunity(at('2018-03-02'), 1000);
    expect(await (await dueClocks()).nextDueAfter(0)).toBe(at('2018-03-23') + 1);
    const next = { occurredAt: '2018-01-01T00:00:00.000Z', version: 2 };
    const dealStages = defaultPipeline.dealStages.map((stage) => ({ ...stage, staleDays: 3 }));
    const stricter = policyBook(
      { stream: 'pipeline-default', type: 'PipelineDefined', data: { ...defaultPipeline, ...next, dealStages } },
      { stream: 'pipeline-default', type: 'PipelineActivated', data: { ...next, effectiveFrom: next.occurredAt } },
    );
    expect(await (await dueClocks(stricter)).nextDueAfter(at('2018-03-02'))).toBe(at('2018-03-05') + 1);
  });

  it('is the earliest clock or silence of all, and for one lead the one that fell due last', async () => {
    const lead = past.lead().captured(CAPTURED);
    lead.clock('handoff_response', at('2018-03-02'), at('2018-03-03'));
    past.lead().captured(at('2018-02-01'));
    const due = await dueClocks();
    expect(await due.nextDueAfter(0)).toBe(at('2018-03-03'));
    expect(await due.nextDueAfter(at('2018-03-03'))).toBe(at('2018-02-01') + 90 * DAY_MS + 1);
    expect((await due.dueBy(at('2018-03-03'))).get(lead.leadId)).toBe(at('2018-03-03'));
    expect((await due.dueBy(at('2019-01-01'))).get(lead.leadId)).toBe(CAPTURED + 90 * DAY_MS + 1);
  });

  it('is nothing before the view is filled', async () => {
    const due = dueClocksOf(
      () => Promise.resolve(null),
      () => [],
    );
    expect([await due.nextDueAfter(0), (await due.dueBy(1)).size]).toEqual([null, 0]);
  });
});
