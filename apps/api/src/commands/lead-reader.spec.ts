import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { actor, type CommandSide, CommandWorld } from '../../../../test/support/command-path.js';

const HOUR_MS = 3_600_000;

let world: CommandWorld;
let side: CommandSide;
beforeAll(async () => {
  world = await CommandWorld.open('2026-03-02T09:00:00.000Z');
  side = world.process();
});
afterAll(() => world.close());

let personNo = 0;
const capture = async () => (await side.capture(`reader${++personNo}@example.org`)).leadId;
/** Lets an hour pass; answers the instant before it passed. */
const hour = (): number => {
  const nowMs = world.clock.nowMs();
  world.clock.set(nowMs + HOUR_MS);
  return nowMs;
};
const stateAt = async (leadId: string, asOfMs: number, knownAtMs?: number) =>
  (await side.reader.lead(leadId, { asOfMs, ...(knownAtMs === undefined ? {} : { knownAtMs }) }))?.lead.state ?? null;

describe('a lead read from its stream', () => {
  it('is as its last command left it, with its name', async () => {
    const leadId = await capture();
    const answer = await side.send('MarkMQL', leadId, { reason: 'agreed criteria' });
    const read = (await side.reader.lead(leadId))!;
    expect(read).toMatchObject({ revision: answer.revision, position: answer.position, erased: false });
    expect([read.lead.state, read.lead.details.givenName, read.captured.source.channel]).toEqual([
      'MQL',
      'Ada',
      'search',
    ]);
  });

  it('is not there when nobody captured it', async () => {
    expect(await side.reader.lead(randomUUID())).toBeNull();
    expect(await side.reader.timeline(randomUUID())).toEqual([]);
  });

  it('is what it was at a past moment', async () => {
    const leadId = await capture();
    const capturedMs = hour();
    await side.send('MarkMQL', leadId, { reason: 'r' });
    const markedMs = hour();
    await side.send('AcceptLead', leadId, {});
    expect(await stateAt(leadId, capturedMs - 1)).toBeNull();
    expect(await stateAt(leadId, capturedMs)).toBe('LEAD');
    expect(await stateAt(leadId, markedMs - 1)).toBe('LEAD');
    expect(await stateAt(leadId, markedMs)).toBe('MQL');
    expect(await stateAt(leadId, world.clock.nowMs())).toBe('SAL');
  });

  it('was known otherwise before a late fact was recorded', async () => {
    const leadId = await capture();
    hour();
    hour();
    const occurredMs = world.clock.nowMs() - HOUR_MS;
    const recordedMs = world.clock.nowMs();
    await side.send('MarkMQL', leadId, { reason: 'r', occurredAt: new Date(occurredMs).toISOString() });
    expect(await stateAt(leadId, occurredMs, recordedMs)).toBe('MQL');
    expect(await stateAt(leadId, occurredMs, recordedMs - 1)).toBe('LEAD');
  });

  it('was never in a state that a void took back, as we know today', async () => {
    const leadId = await capture();
    hour();
    const marked = await side.send('MarkMQL', leadId, { reason: 'wrong lead' });
    const markedMs = hour();
    const voided = marked.events.find(({ type }) => type === 'MarkedMQL')!.eventId;
    await side.send('VoidTransition', leadId, { eventId: voided, reason: 'wrong lead' });
    const voidedMs = world.clock.nowMs();
    expect(await stateAt(leadId, markedMs, markedMs)).toBe('MQL');
    expect(await stateAt(leadId, markedMs)).toBe('LEAD');
    expect(await stateAt(leadId, voidedMs)).toBe('LEAD');
    const then = (await side.reader.lead(leadId, { asOfMs: markedMs }))!.lead;
    expect([then.openHandoff, [...then.clocks.values()].map(({ status }) => status)]).toEqual([null, ['cancelled']]);
    const timeline = await side.reader.timeline(leadId);
    expect(timeline.find(({ eventId }) => eventId === voided)?.voided).toBe(true);
  });

  it('was never one lead with another when the merge was taken back, as we know today', async () => {
    const [survivor, duplicate] = [await capture(), await capture()];
    const apartMs = hour();
    await side.send('MergeLeads', survivor, { duplicateLeadId: duplicate });
    const mergedMs = hour();
    expect(await stateAt(duplicate, mergedMs)).toBe('MERGED');
    expect(await stateAt(duplicate, apartMs)).toBe('LEAD');
    await side.send('UnmergeLeads', survivor);
    expect(await stateAt(duplicate, mergedMs)).toBe('LEAD');
    expect(await stateAt(duplicate, mergedMs, mergedMs)).toBe('MERGED');
    expect((await side.reader.lead(survivor, { asOfMs: mergedMs }))!.lead.absorbed).toEqual([]);
    expect((await side.reader.lead(survivor, { asOfMs: mergedMs, knownAtMs: mergedMs }))!.lead.absorbed).toHaveLength(
      1,
    );
    const timeline = await side.reader.timeline(duplicate);
    expect(timeline.find(({ type }) => type === 'MergedInto')?.voided).toBe(true);
  });

  it('entered a state when a correction says so, as we know today', async () => {
    const leadId = await capture();
    const capturedMs = hour();
    const marked = await side.send('MarkMQL', leadId, { reason: 'r' });
    const markedMs = hour();
    const event = marked.events.find(({ type }) => type === 'MarkedMQL')!.eventId;
    const halfAnHourBefore = markedMs - HOUR_MS / 2;
    await side.send('CorrectOccurredAt', leadId, {
      eventId: event,
      new: new Date(halfAnHourBefore).toISOString(),
      reason: 'typed late',
      approvedBy: 'gina',
    });
    expect(await stateAt(leadId, halfAnHourBefore)).toBe('MQL');
    expect(await stateAt(leadId, halfAnHourBefore - 1)).toBe('LEAD');
    expect(await stateAt(leadId, halfAnHourBefore, markedMs)).toBe('LEAD');
    expect(await stateAt(leadId, capturedMs)).toBe('LEAD');
  });

  it('has a timeline that says who, when, why, from where to where and under which policies', async () => {
    const leadId = await capture();
    hour();
    await side.send('MarkMQL', leadId, { reason: 'agreed criteria' }, { by: actor('marketing', 'mia') });
    hour();
    await side.send(
      'RejectLead',
      leadId,
      { reasonCode: 'other', note: 'called twice' },
      { by: actor('sales', 'sam', ['sales']) },
    );
    const timeline = await side.reader.timeline(leadId);
    expect(timeline.map(({ type }) => type).filter((type) => !type.startsWith('Sla'))).toEqual([
      'LeadCaptured',
      'MarkedMQL',
      'HandedOffToSales',
      'RejectedBySales',
    ]);
    expect(timeline.find(({ type }) => type === 'MarkedMQL')).toMatchObject({
      actor: { id: 'mia', role: 'marketing' },
      fromState: 'LEAD',
      toState: 'MQL',
      reason: 'agreed criteria',
      policyRefs: { pipelineVersion: 1 },
      occurredAt: expect.any(String),
      recordedAt: expect.any(String),
    });
    expect(timeline.find(({ type }) => type === 'RejectedBySales')).toMatchObject({
      actor: { id: 'sam' },
      reasonCode: 'other',
      note: 'called twice',
    });
    const known = await side.reader.timeline(leadId, { knownAtMs: world.clock.nowMs() - HOUR_MS });
    expect(known.map(({ type }) => type)).not.toContain('RejectedBySales');
  });

  it('keeps states and figures and loses names when its key is destroyed', async () => {
    const leadId = await capture();
    await side.send('MarkMQL', leadId, { reason: 'r' });
    await world.log.deleteStream(`leadkey-${leadId}`, 'any');
    const other = world.process();
    const read = (await other.reader.lead(leadId))!;
    expect([read.erased, read.lead.state, read.lead.details]).toEqual([true, 'MQL', {}]);
    expect(JSON.stringify(await other.reader.timeline(leadId))).not.toContain('Ada');
  });
});
