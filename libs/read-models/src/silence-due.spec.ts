import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '#libs/event-log/src/event-log.js';
import { given, type Scenario, ts } from '#libs/lead/src/given-when-then.js';
import { emptyRow, evolveRow, loadRow, packRow, type LeadRow } from './lead-row.js';
import { silenceFacts } from './silence-due.js';

/** The sweeper is sent by the row, the lead decides by its own fold: the two must agree. */

function rowOf(lead: Scenario, source: JsonObject = { system: 'api' }): LeadRow {
  let row = emptyRow('lead');
  lead.stored.forEach(({ event, eventId, recordedAtMs }, revision) => {
    const recorded = {
      id: eventId,
      stream: 'lead-lead',
      revision,
      position: String(revision).padStart(16, '0'),
      type: event.type,
      data: event.data as unknown as JsonObject,
      metadata: { source },
      recordedAtMs,
    };
    // As after a restart.
    row = loadRow(packRow(evolveRow(row, recorded)), 'lead');
  });
  return row;
}

const lives: Readonly<Record<string, () => Scenario>> = {
  'a captured lead': () => given('LEAD'),
  'a deal that moved': () => given('OPPORTUNITY').at('2026-03-05 10:00').do('ChangeDealStage', { to: 'demo' }),
  'a hold that ended': () =>
    given('SQL')
      .at('2026-03-03 10:00')
      .do('PutOnHold', { reasonCode: 'legal_review' })
      .at('2026-03-10 10:00')
      .do('ResumeFromHold'),
  'a hold and a deferral at once': () =>
    given('SQL')
      .at('2026-03-03 10:00')
      .do('DeferContact', { until: ts('2026-03-20 10:00') })
      .do('PutOnHold', { reasonCode: 'legal_review' })
      .at('2026-03-25 10:00')
      .do('ResumeFromHold'),
  'a silence that was told': () => given('SAL').at('2026-06-01 10:00').sweep(),
  'a transition taken back': () => {
    const lead = given('SAL').at('2026-03-04 10:00');
    return lead.do('VoidTransition', { eventId: lead.lead.latestTransition!.eventId, reason: 'x' });
  },
};

describe.each(Object.entries(lives))('the silence of %s', (_, life) => {
  it('is in the row what it is in the lead', () => {
    const lead = life();
    expect(rowOf(lead).silence).toEqual(lead.lead.silence);
  });
});

it('only what may still go stale is awaited', () => {
  const sets = (lead: Scenario) =>
    silenceFacts(rowOf(lead)).map((fact) => (fact.kind === 'score' ? fact.set : fact.kind));
  expect(sets(given('SAL'))).toEqual(['silent-SAL']);
  expect(sets(given('OPPORTUNITY'))).toEqual(['silent-OPPORTUNITY-meeting_booked']);
  expect(sets(given('SQL').do('PutOnHold', { reasonCode: 'legal_review' }))).toEqual([]);
  expect(sets(given('LOST'))).toEqual([]);
  expect(sets(given('SAL').at('2026-06-01 10:00').sweep())).toEqual([]);
  expect(rowOf(given('SAL'), { system: 'import', importJobId: 'j' }).silence).toBeNull();
});
