import { beforeEach, describe, expect, it } from '@jest/globals';
import { at, Past, type PastLead, policyBook, viewOf } from './given-when-then.js';
import { MERGE_SET } from './duplicates.js';
import { listAudit, listDuplicates, listLeads, type ReportName, runReport } from './reports.js';
import type { Query } from './report-params.js';

/** Merged leads in the figures and lists (spec §2.6, §7.0). */

const context = { nowMs: at('2019-01-01'), defaultTz: 'UTC', policies: policyBook(), position: null };
let past: Past;
beforeEach(() => {
  past = new Past();
});

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are asserted on, not used
type Body = any;
const report = async (name: ReportName, query: Query = {}): Promise<Body> =>
  (await runReport(await viewOf(past, [2, 5]), name, query, context)).total;
const iso = (ms: number): string => new Date(ms).toISOString();

function merge(survivor: PastLead, duplicate: PastLead, atMs: number, mergeId = 'm1'): void {
  survivor.fact('DuplicateAbsorbed', atMs, {
    mergeId,
    duplicateLeadId: duplicate.leadId,
    duplicateCapturedAt: iso((duplicate.visits[0] as { atMs: number }).atMs),
  });
  duplicate.transition('MergedInto', 'MERGED', atMs, { mergeId, survivorLeadId: survivor.leadId });
}
function unmerge(survivor: PastLead, duplicate: PastLead, atMs: number, mergeId = 'm1'): void {
  const reverted = { mergeId, duplicateLeadId: duplicate.leadId, survivorLeadId: survivor.leadId };
  for (const lead of [survivor, duplicate]) lead.fact('MergeReverted', atMs, { ...reverted, cause: 'unmerged' });
  duplicate.visits.pop();
}
const suspect = (lead: PastLead, candidate: PastLead, when: string, basis: string[], score = 0.6): string =>
  lead.fact('DuplicateSuspected', at(when), { candidateLeadId: candidate.leadId, score, basis });

describe('a lead that was merged away', () => {
  it('is in no count, at whatever time the report is asked for', async () => {
    const survivor = past.lead().captured(at('2018-03-05')).mql(at('2018-03-06')).handedOff(at('2018-03-06 09:00'));
    const duplicate = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-02 09:00'));
    duplicate
      .accepted(at('2018-03-03'))
      .sql(at('2018-03-03'))
      .opportunity(at('2018-03-03'), 500)
      .lost(at('2018-03-04'));
    merge(survivor, duplicate, at('2018-03-10'));
    for (const asOf of ['2018-03-05', '2018-04-01']) {
      expect((await report('stock', { asOf })).leads.count).toBe(1);
      expect((await report('funnel', { asOf })).reached.SQL.count).toBe(0);
      expect((await report('acceptance', { asOf })).accepted.count).toBe(0);
      expect((await report('win-rate', { asOf })).lost.count).toBe(0);
      expect((await report('stage-durations', { asOf })).stages.map(({ state }: Body) => state)).not.toContain('SAL');
    }
    expect((await report('acceptance')).offered.count).toBe(1);
  });

  it('lends its first days to the survivor, who is open from then on in every figure', async () => {
    const survivor = past.lead().captured(at('2018-03-05'));
    const duplicate = past.lead().captured(at('2018-03-01'));
    merge(survivor, duplicate, at('2018-03-10'));
    const asOf = '2018-03-03';
    expect((await report('stock', { asOf })).states.LEAD.count).toBe(1);
    expect((await report('stale', { asOf })).stale.denominator).toBe(1);
  });

  it('keeps what it promised: kept and broken promises count, cancelled ones do not', async () => {
    const survivor = past.lead().captured(at('2018-03-01'));
    const duplicate = past.lead().captured(at('2018-03-01'));
    const [start, due] = [at('2018-03-01'), at('2018-03-02')];
    const kept = duplicate.clock('handoff_response', start, due);
    duplicate.clockStopped(kept, start, at('2018-03-01 12:00'), 'met');
    const broken = duplicate.clock('first_contact', start, due);
    duplicate.breached(broken, due);
    const running = duplicate.clock('recycle_reengagement', start, at('2018-03-20'));
    merge(survivor, duplicate, at('2018-03-10'));
    for (const clockId of [broken, running]) {
      duplicate.fact('SlaClockCancelled', at('2018-03-10'), { clockId, reason: 'merged' });
    }
    const { clocks } = await report('sla');
    expect(clocks.map(({ clockType, met, standing }: Body) => [clockType, met.count, standing.count])).toEqual([
      ['handoff_response', 1, 0],
      ['first_contact', 0, 1],
    ]);
  });

  it('is listed only when asked for, and in the audit with the lead that survived it', async () => {
    const [survivor, duplicate] = [past.lead().captured(at('2018-03-01')), past.lead().captured(at('2018-03-02'))];
    merge(survivor, duplicate, at('2018-03-10'));
    const view = await viewOf(past);
    const listed = async (query: Query) => (await listLeads(view, query, context)).items.map(({ leadId }) => leadId);
    expect(await listed({})).toEqual([survivor.leadId]);
    expect(await listed({ 'filter[state]': 'MERGED' })).toEqual([duplicate.leadId]);
    expect((await listed({ 'filter[state]': ['MERGED', 'LEAD'] })).sort()).toEqual([survivor.leadId, duplicate.leadId]);
    const { items } = await listAudit(view, { 'filter[type]': 'MergedInto' }, context);
    expect(items).toMatchObject([{ leadId: duplicate.leadId, fromState: 'LEAD', mergedInto: survivor.leadId }]);
  });

  it('is told of to whoever finishes merges, also when it was taken back', async () => {
    const [survivor, duplicate] = [past.lead().captured(at('2018-03-01')), past.lead().captured(at('2018-03-01'))];
    merge(survivor, duplicate, at('2018-03-10'));
    expect(await (await viewOf(past)).scored(MERGE_SET)).toEqual([[`${survivor.leadId}/m1`, at('2018-03-10')]]);
    unmerge(survivor, duplicate, at('2018-03-12'));
    expect(await (await viewOf(past)).scored(MERGE_SET)).toEqual([[`${survivor.leadId}/m1`, at('2018-03-12')]]);
  });
});

describe('a lead that survived a merge', () => {
  it('came in when the person first did, in its own states', async () => {
    const survivor = past.lead().captured(at('2018-04-03')).mql(at('2018-04-04'));
    const duplicate = past.lead().captured(at('2018-03-20'));
    merge(survivor, duplicate, at('2018-04-10'));
    const march = { from: '2018-03-01', to: '2018-04-01' };
    expect((await report('funnel', march)).reached.LEAD.count).toBe(1);
    expect((await report('flow', march)).entries.LEAD.count).toBe(1);
    expect((await report('stock', { asOf: '2018-03-25' })).states.LEAD.count).toBe(1);
    const [stage] = (await report('stage-durations')).stages;
    expect([stage.state, stage.visits.mean]).toEqual(['LEAD', 15 * 24]);
    const [item] = (await listLeads(await viewOf(past), {}, context)).items;
    expect(item).toMatchObject({ capturedAt: '2018-03-20T00:00:00.000Z', state: 'MQL' });
    unmerge(survivor, duplicate, at('2018-04-11'));
    expect((await report('funnel', march)).reached.LEAD.count).toBe(1);
    expect((await report('funnel', { from: '2018-04-01' })).reached.LEAD.count).toBe(1);
  });

  it('closes a cycle as long as the person was known', async () => {
    const survivor = past.lead().captured(at('2018-04-01')).mql(at('2018-04-02')).sql(at('2018-04-03'));
    survivor.opportunity(at('2018-04-04'), 100).won(at('2018-04-11'));
    merge(survivor, past.lead().captured(at('2018-03-22')), at('2018-04-12'));
    for (const start of ['interaction', 'cycle']) expect((await report('sales-cycle', { start })).won.mean).toBe(20);
    expect((await report('sales-cycle', { start: 'opportunity' })).won.mean).toBe(7);
  });

  it('keeps its own capture as long as that is the earlier one, also when it is corrected', async () => {
    const survivor = past.lead().captured(at('2018-03-20'));
    merge(survivor, past.lead().captured(at('2018-03-10')), at('2018-04-10'));
    const { eventId } = survivor.visits[0] as { eventId: string };
    const firstOf = async () => (await listLeads(await viewOf(past), {}, context)).items[0]?.capturedAt.slice(0, 10);
    expect(await firstOf()).toBe('2018-03-10');
    survivor.fact('OccurredAtCorrected', at('2018-04-11'), {
      correctedEventId: eventId,
      old: '2018-03-20T00:00:00.000Z',
      new: '2018-03-05T00:00:00.000Z',
      reason: 'typo',
      approvedBy: 'gil',
    });
    expect(await firstOf()).toBe('2018-03-05');
  });
});

describe('the merge desk', () => {
  const desk = async (query: Query = {}): Promise<Body> => listDuplicates(await viewOf(past, [2]), query, context);
  const pairs = async (query: Query = {}): Promise<string[]> =>
    (await desk(query)).items.map((one: Body) => `${one.leadId} ${one.candidateLeadId}`);

  it('lists a pair once, with all that speaks for it, the newest first', async () => {
    const [a, b, c] = [1, 2, 3].map(() => past.lead().captured(at('2018-03-01'))) as [PastLead, PastLead, PastLead];
    suspect(b, a, '2018-03-02', ['same_phone']);
    suspect(b, a, '2018-03-02', ['same_external'], 0.9);
    suspect(c, a, '2018-03-04', ['same_phone']);
    suspect(a, b, '2018-03-03', ['same_phone']);
    expect(await pairs()).toEqual([`${c.leadId} ${a.leadId}`, `${a.leadId} ${b.leadId}`]);
    const { count, items } = await desk({ limit: '1', 'filter[lead]': b.leadId });
    expect([count, items[0].score]).toEqual([1, 0.9]);
    expect(new Set(items[0].basis)).toEqual(new Set(['same_external', 'same_phone']));
    const first = await desk({ limit: '1' });
    expect(first.nextCursor).not.toBeNull();
    expect(await pairs({ limit: '1', cursor: first.nextCursor })).toEqual([`${a.leadId} ${b.leadId}`]);
  });

  it('forgets a pair that was merged or told apart, and holds the survivor for the one merged away', async () => {
    const [a, b, c] = [1, 2, 3].map(() => past.lead().captured(at('2018-03-01'))) as [PastLead, PastLead, PastLead];
    suspect(b, a, '2018-03-02', ['same_phone']);
    merge(c, a, at('2018-03-05'));
    expect(await pairs()).toEqual([`${b.leadId} ${c.leadId}`]);
    merge(c, b, at('2018-03-06'), 'm2');
    expect(await pairs()).toEqual([]);
    unmerge(c, b, at('2018-03-07'), 'm2');
    unmerge(c, a, at('2018-03-07'));
    expect(await pairs()).toEqual([`${b.leadId} ${a.leadId}`]);
    b.fact('DuplicateDismissed', at('2018-03-08'), { candidateLeadId: a.leadId });
    expect(await pairs()).toEqual([]);
  });

  it('forgets a pair whose suspect survived the other, whoever had suspected whom', async () => {
    const [a, b] = [1, 2].map(() => past.lead().captured(at('2018-03-01'))) as [PastLead, PastLead];
    suspect(b, a, '2018-03-02', ['same_phone']);
    merge(b, a, at('2018-03-05'));
    expect((await desk()).items).toEqual([]);
  });
});
