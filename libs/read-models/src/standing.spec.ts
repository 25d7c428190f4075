import { beforeEach, describe, expect, it } from '@jest/globals';
import type { LeadEvent, LeadEventData } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { initialLead, leadStatus } from '#libs/lead/src/state.js';
import { funnelProjection } from './funnel-projection.js';
import { at, Past, type PastLead, policyBook, viewOf } from './given-when-then.js';
import type { Query } from './report-params.js';
import { drillLeads, listLeads, listQueue, type ReportName, runReport } from './reports.js';

/** How leads scored, what they wanted and how they were nurtured, as dimensions of figures and filters of the list. */

const context = { nowMs: at('2019-01-01'), defaultTz: 'UTC', policies: policyBook(), position: null };
let past: Past;
beforeEach(() => {
  past = new Past();
});

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are asserted on, not used
type Body = any;
const report = async (name: ReportName, query: Query = {}): Promise<Body> =>
  runReport(await viewOf(past, [3, 1, 7]), name, query, context);
const drill = async (link: string): Promise<string[]> => {
  const query: Record<string, string[]> = {};
  for (const [key, value] of new URL(link, 'http://ledger').searchParams) (query[key] ??= []).push(value);
  const flat = Object.entries(query).map(([key, values]) => [key, values.length === 1 ? values[0] : values]);
  return drillLeads(await viewOf(past), Object.fromEntries(flat) as Query, context);
};
const listed = async (query: Query): Promise<string[]> => {
  const { items } = await listLeads(await viewOf(past, [2, 5]), query, context);
  return items.map(({ leadId }) => leadId).sort();
};
const byDimension = (rows: Body[], dimension: string, figure: (row: Body) => unknown): Record<string, unknown> =>
  Object.fromEntries(rows.map((row) => [String(row.dimensions[dimension]), figure(row)]));

const enrolled = (lead: PastLead, atMs: number, trackId: string, segmentId?: string): PastLead => {
  lead.fact('EnrolledInNurture', atMs, {
    trackId,
    trackKind: 'education',
    goal: 'learn',
    ...(segmentId && { segmentId }),
  });
  return lead;
};
const scored = (
  lead: PastLead,
  atMs: number,
  band: LeadEventData<'LeadScored'>['band'],
  grade: LeadEventData<'LeadScored'>['grade'],
  modelVersion = 1,
): PastLead => {
  lead.fact('LeadScored', atMs, { modelId: 'default', modelVersion, total: 40_000, band, grade, cause: 'event' });
  return lead;
};
const offered = (lead: PastLead, atMs: number): PastLead => lead.mql(atMs).handedOff(atMs);

describe('figures by nurture track', () => {
  it('split acceptance by the track that a lead was on before it was offered', async () => {
    offered(enrolled(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'basics'), at('2018-03-05')).accepted(
      at('2018-03-06'),
    );
    offered(enrolled(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'basics'), at('2018-03-05')).rejected(
      at('2018-03-06'),
    );
    // A track it was put on after the offer has nothing to do with the answer.
    const late = offered(past.lead().captured(at('2018-03-01')), at('2018-03-05')).rejected(at('2018-03-06'));
    enrolled(late, at('2018-03-07'), 'basics');
    const { rows } = await report('acceptance', { by: 'nurtureTrack' });
    expect(
      byDimension(rows, 'nurtureTrack', ({ acceptance }) => [acceptance.numerator, acceptance.denominator]),
    ).toEqual({ basics: [1, 2], null: [0, 1] });
    const basics = rows.find((row: Body) => row.dimensions.nurtureTrack === 'basics');
    expect(await drill(basics.acceptance.drillDenominator)).toEqual(['lead-0001', 'lead-0002']);
    const none = rows.find((row: Body) => row.dimensions.nurtureTrack === null);
    expect(await drill(none.acceptance.drillDenominator)).toEqual(['lead-0003']);
  });

  it('compare the conversion of nurtured leads with that of the others', async () => {
    for (let n = 0; n < 4; n += 1) {
      const lead = enrolled(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'basics');
      if (n < 3) lead.mql(at('2018-03-05'));
    }
    for (let n = 0; n < 4; n += 1) {
      const lead = past.lead().captured(at('2018-03-01'));
      if (n < 1) lead.mql(at('2018-03-05'));
    }
    const { rows } = await report('funnel', { by: 'nurtureTrack' });
    const toMql = (row: Body) => row.conversions.find((one: Body) => one.from === 'LEAD' && one.to === 'MQL').rate;
    expect(byDimension(rows, 'nurtureTrack', toMql)).toEqual({ basics: 0.75, null: 0.25 });
  });

  it('count a track for what came after it only: a re-engagement track neither lost nor won what came before', async () => {
    const of = (rows: Body[], from: string, to: string) =>
      byDimension(rows, 'nurtureTrack', ({ conversions }) => {
        const one = conversions.find((each: Body) => each.from === from && each.to === to);
        return [one.numerator, one.denominator];
      });
    const recycled = () =>
      enrolled(
        offered(past.lead().captured(at('2018-03-01')), at('2018-03-02'))
          .accepted(at('2018-03-03'))
          .recycled(at('2018-03-04')),
        at('2018-03-05'),
        'again',
      );
    recycled().mql(at('2018-04-01'));
    recycled();
    const gone = past.lead().captured(at('2018-03-01'));
    gone.transition('Disqualified', 'DISQUALIFIED', at('2018-03-03'), { reasonCode: 'no_need', failedCriteria: [] });
    enrolled(gone, at('2018-03-04'), 'again');
    const { rows } = await report('funnel', { by: 'nurtureTrack' });
    expect(of(rows, 'LEAD', 'MQL')).toEqual({ null: [2, 3] });
    expect(of(rows, 'SAL', 'SQL')).toEqual({ null: [0, 2] });
    const cycles = (await report('funnel', { by: 'nurtureTrack', basis: 'cycle' })).rows;
    expect(of(cycles, 'LEAD', 'MQL')).toEqual({ again: [1, 1], null: [2, 3] });
    const again = cycles.find((row: Body) => row.dimensions.nurtureTrack === 'again');
    expect(await drill(again.reached.MQL.drill)).toEqual(['lead-0001']);
    expect((await report('leak', { by: 'nurtureTrack' })).rows.map((row: Body) => row.dimensions.nurtureTrack)).toEqual(
      [null],
    );
  });

  it('split answers by the track before them, and drill to exactly these leads', async () => {
    const answered = (lead: PastLead, day: string) =>
      lead.transition('BecameProspect', 'PROSPECT', at(day), { evidenceEventId: 'e', channel: 'email' });
    answered(enrolled(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'basics'), '2018-03-05');
    enrolled(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'basics');
    const late = past.lead().captured(at('2018-03-01'));
    answered(late, '2018-03-05');
    enrolled(late, at('2018-03-06'), 'basics');
    const { rows } = await report('prospects', { by: 'nurtureTrack' });
    expect(byDimension(rows, 'nurtureTrack', ({ prospects }) => [prospects.numerator, prospects.denominator])).toEqual({
      basics: [1, 2],
      null: [1, 1],
    });
    expect(await drill(rows[0].prospects.drillDenominator)).toEqual(['lead-0001', 'lead-0002']);
    expect(await drill(rows[1].prospects.drill)).toEqual(['lead-0003']);
  });

  it('tell which track brings recycled leads back, and drill to exactly them', async () => {
    const recycled = () =>
      offered(past.lead().captured(at('2018-03-01')), at('2018-03-02')).accepted(at('2018-03-03')).recycled(at('2018-03-04')); // prettier-ignore
    enrolled(recycled(), at('2018-03-05'), 'again').mql(at('2018-04-01'));
    enrolled(recycled(), at('2018-03-05'), 'again');
    recycled();
    // Came back by itself, and was nurtured only then.
    enrolled(recycled().mql(at('2018-04-01')), at('2018-04-02'), 'again');
    const { rows } = await report('recycling', { by: 'nurtureTrack' });
    expect(
      byDimension(rows, 'nurtureTrack', ({ resurrection }) => [resurrection.numerator, resurrection.denominator]),
    ).toEqual({ again: [1, 2], null: [1, 2] });
    const again = rows.find((row: Body) => row.dimensions.nurtureTrack === 'again');
    expect(await drill(again.resurrection.drillDenominator)).toEqual(['lead-0001', 'lead-0002']);
    expect(await drill(again.resurrection.drill)).toEqual(['lead-0001']);
    const filtered = await report('recycling', { 'filter[nurtureTrack]': 'again' });
    expect(filtered.total.resurrection).toMatchObject({ numerator: 1, denominator: 2 });
  });

  it('split the length of the cycle by the track before the closing', async () => {
    const won = (track: string | null, closed: string) => {
      const lead = past.lead().captured(at('2018-03-01'));
      if (track !== null) enrolled(lead, at('2018-03-02'), track);
      lead.sql(at('2018-03-03')).opportunity(at('2018-03-04'), 1000).won(at(closed));
      enrolled(lead, at('2018-12-01'), 'upsell');
    };
    won('basics', '2018-03-11');
    won(null, '2018-03-31');
    const { rows } = await report('sales-cycle', { by: 'nurtureTrack' });
    expect(byDimension(rows, 'nurtureTrack', ({ won }) => won.mean)).toEqual({ basics: 10, null: 30 });
  });
});

describe('figures by score, intent and version', () => {
  it('show the band, grade and model that a lead had when it was offered, not those of today', async () => {
    const lead = scored(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'warm', 'B');
    scored(offered(lead, at('2018-03-03')).accepted(at('2018-03-04')), at('2018-03-05'), 'hot', 'A', 2);
    const [row] = (await report('acceptance', { by: 'band,grade,modelVersion' })).rows;
    expect(row.dimensions).toEqual({ band: 'warm', grade: 'B', modelVersion: 'default/1' });
    const [stock] = (await report('stock', { by: 'band,grade,modelVersion' })).rows;
    expect(stock.dimensions).toEqual({ band: 'hot', grade: 'A', modelVersion: 'default/2' });
  });

  it('split by buying intent and by the version of the pipeline', async () => {
    const lead = past.lead().captured(at('2018-03-01'), {}, { pipelineVersion: 1 });
    lead.fact('BuyingIntentAssessed', at('2018-03-02'), { level: 'low', channel: 'phone' });
    lead.transition(
      'MarkedMQL',
      'MQL',
      at('2018-03-03'),
      { basis: 'marketing', mode: 'manual' },
      { pipelineVersion: 2 },
    );
    lead.fact('BuyingIntentAssessed', at('2018-03-04'), { level: 'high', channel: 'phone' });
    past.lead().captured(at('2018-03-01'), {}, { pipelineVersion: 1 });
    const { rows } = await report('stock', { by: 'buyingIntent,pipelineVersion' });
    expect(rows.map((row: Body) => row.dimensions)).toEqual([
      { buyingIntent: 'high', pipelineVersion: '2' },
      { buyingIntent: null, pipelineVersion: '1' },
    ]);
    expect(await drill(rows[0].leads.drill)).toEqual(['lead-0001']);
  });

  it('move with a corrected time', async () => {
    const lead = scored(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'warm', 'B');
    const later = lead.fact('LeadScored', at('2018-03-05'), { modelId: 'default', modelVersion: 1, total: 0, band: 'cold', grade: 'D' }); // prettier-ignore
    offered(lead, at('2018-03-04')).accepted(at('2018-03-06'));
    expect((await report('acceptance', { by: 'band' })).rows[0].dimensions.band).toBe('warm');
    const correction = { correctedEventId: later, old: '2018-03-05T00:00:00.000Z', new: '2018-03-03T00:00:00.000Z' };
    lead.fact('OccurredAtCorrected', at('2018-03-07'), { ...correction, reason: 'typo', approvedBy: 'gil' });
    expect((await report('acceptance', { by: 'band' })).rows[0].dimensions.band).toBe('cold');
  });

  it('refuse a band, grade or intent that there is not', async () => {
    for (const name of ['band', 'grade', 'buyingIntent'])
      await expect(report('stock', { [`filter[${name}]`]: 'lukewarm' })).rejects.toMatchObject({
        code: 'VALIDATION_FAILED',
        fields: [{ field: `filter[${name}]` }],
      });
    await expect(listed({ 'filter[leadStatus]': 'busy' })).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
  });
});

it('the facts of a row that lives on are those of one that is loaded anew, after every event', () => {
  const lead = enrolled(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'basics', 'dach');
  offered(scored(lead, at('2018-03-03'), 'warm', 'B'), at('2018-03-04')).accepted(at('2018-03-05'));
  lead.fact('NurtureExited', at('2018-03-05'), { trackId: 'basics', reason: 'qualified' });
  lead.fact('BuyingIntentAssessed', at('2018-03-06'), { level: 'high', channel: 'phone' });
  const late = lead.fact('LeadScored', at('2018-03-09'), { modelId: 'm', modelVersion: 2, total: 1, band: 'hot', grade: 'A' }); // prettier-ignore
  lead.sql(at('2018-03-07')).opportunity(at('2018-03-08'), 1000);
  const correction = { correctedEventId: late, old: '2018-03-09T00:00:00.000Z', new: '2018-03-02T00:00:00.000Z' };
  lead.fact('OccurredAtCorrected', at('2018-03-10'), { ...correction, reason: 'typo', approvedBy: 'gil' });
  lead.lost(at('2018-03-11'));
  enrolled(lead, at('2018-03-12'), 'again');
  lead.voided(at('2018-03-13'));
  let row = funnelProjection.load(null, lead.leadId);
  for (const event of past.events) {
    row = funnelProjection.evolve(row, event);
    const anew = funnelProjection.load(funnelProjection.pack(row), lead.leadId);
    expect({ after: event.type, facts: funnelProjection.facts(row) }).toEqual({
      after: event.type,
      facts: funnelProjection.facts(anew),
    });
  }
});

describe('the list of leads', () => {
  it('is narrowed to bands, grades, audience segments, and to leads without any', async () => {
    scored(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'hot', 'A');
    scored(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'cold', 'U');
    enrolled(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'basics', 'dach');
    expect(await listed({ 'filter[band]': 'hot' })).toEqual(['lead-0001']);
    // Whom nobody has scored nobody knows: U and cold.
    expect(await listed({ 'filter[grade]': ['A', 'U'] })).toEqual(['lead-0001', 'lead-0002', 'lead-0003']);
    expect(await listed({ 'filter[band]': 'cold' })).toEqual(['lead-0002', 'lead-0003']);
    expect(await listed({ 'filter[grade]': 'U', 'filter[band]': 'hot' })).toEqual([]);
    expect(await listed({ 'filter[segment]': 'dach' })).toEqual(['lead-0003']);
    expect(await listed({ 'filter[segment]': '' })).toEqual(['lead-0001', 'lead-0002']);
    const { items } = await listLeads(await viewOf(past), { 'filter[segment]': 'dach' }, context);
    expect(items).toMatchObject([
      { segmentId: 'dach', nurtureTrackId: 'basics', leadStatus: 'nurturing', scoreMp: null, grade: 'U' },
    ]);
  });

  it('knows the working status of every lead as its own card does', async () => {
    const call = (lead: PastLead, atMs: number) =>
      lead.fact('ContactAttempted', atMs, { attemptId: lead.newId('a'), channel: 'phone', qualifies: true, outcome: 'voicemail' }); // prettier-ignore
    const accepted = () => offered(past.lead().captured(at('2018-03-01')), at('2018-03-02')).accepted(at('2018-03-03'));
    accepted();
    call(accepted(), at('2018-03-04'));
    const met = accepted();
    call(met, at('2018-03-04'));
    met.fact('MeetingHeld', at('2018-03-05'), { meetingId: 'm', outcome: 'successful' });
    accepted().fact('PutOnHold', at('2018-03-04'), { reasonCode: 'legal_review' });
    accepted().recycled(at('2018-03-04'));
    offered(past.lead().captured(at('2018-03-01')), at('2018-03-02')).rejected(at('2018-03-03'));
    const left = enrolled(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'basics');
    left.fact('NurtureExited', at('2018-03-03'), { trackId: 'basics', reason: 'completed' });
    enrolled(past.lead().captured(at('2018-03-01')), at('2018-03-02'), 'basics');
    // What happened in an earlier cycle is of no account.
    const again = accepted();
    call(again, at('2018-03-04'));
    again.fact('LeadResponded', at('2018-03-05'), { channel: 'phone', sentiment: 'neutral' });
    offered(again.recycled(at('2018-03-06')), at('2018-04-01')).accepted(at('2018-04-02'));
    accepted().sql(at('2018-03-05')).opportunity(at('2018-03-06'), 1000).lost(at('2018-03-07'));

    const folded = new Map<string, ReturnType<typeof initialLead>>();
    for (const { data, id, recordedAtMs, revision, stream, type } of past.events) {
      const leadId = stream.slice('lead-'.length);
      const lead = folded.get(leadId) ?? initialLead(leadId);
      folded.set(leadId, evolve(lead, { type, data } as unknown as LeadEvent, { eventId: id, revision, recordedAtMs }));
    }
    const { items } = await listLeads(await viewOf(past, [3, 1, 7]), {}, context);
    const told = Object.fromEntries(items.map((item) => [item.leadId, item.leadStatus]));
    expect(told).toEqual(Object.fromEntries([...folded].map(([leadId, lead]) => [leadId, leadStatus(lead)])));
    expect(new Set(Object.values(told))).toEqual(
      new Set(['new', 'attempting', 'connected', 'on_hold', 'recycled_not_ready', 'returned_rejected', 'open', 'nurturing', 'lost']), // prettier-ignore
    );
    for (const status of new Set(Object.values(told)))
      expect(await listed({ 'filter[leadStatus]': status as string })).toEqual(
        Object.keys(told).filter((leadId) => told[leadId] === status).sort(), // prettier-ignore
      );
  });
});

describe('a queue', () => {
  const asked = async (query: Query): Promise<string[]> => {
    const { items } = await listQueue(await viewOf(past, [2, 5]), query, context, { ownerId: 'sam' });
    return items.map(({ leadId }) => leadId);
  };
  const waiting = (day: string) => {
    const lead = past.lead().captured(at('2018-03-01'), { ownerId: 'sam', teamId: 'sales' });
    return lead.mql(at(day)).handedOff(at(day));
  };

  it('goes by due time, or by score with whom nobody scored last, page after page', async () => {
    waiting('2018-03-02');
    scored(waiting('2018-03-03'), at('2018-03-04'), 'warm', 'B');
    waiting('2018-03-05').fact('LeadScored', at('2018-03-06'), { modelId: 'default', modelVersion: 1, total: 70_000, band: 'hot', grade: 'A' }); // prettier-ignore
    expect(await asked({})).toEqual(['lead-0001', 'lead-0002', 'lead-0003']);
    expect(await asked({ order: 'score' })).toEqual(['lead-0003', 'lead-0002', 'lead-0001']);
    const first = await listQueue(await viewOf(past), { order: 'score', limit: '2' }, context, { ownerId: 'sam' });
    expect(first.items).toMatchObject([{ dueAt: '2018-03-05T00:00:00.000Z', lead: { band: 'hot' } }, {}]);
    expect(await asked({ order: 'score', limit: '2', cursor: first.nextCursor as string })).toEqual(['lead-0001']);
  });

  it('is narrowed to bands and grades', async () => {
    waiting('2018-03-02');
    scored(waiting('2018-03-03'), at('2018-03-04'), 'warm', 'B');
    expect(await asked({ 'filter[band]': ['warm', 'hot'] })).toEqual(['lead-0002']);
    expect(await asked({ 'filter[grade]': 'U' })).toEqual(['lead-0001']);
  });
});
