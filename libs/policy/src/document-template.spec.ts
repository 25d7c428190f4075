import { describe, expect, it } from '@jest/globals';
import { defaultPipeline, standardAgreement } from './defaults.js';
import { documentKinds } from './document-kinds.js';
import type { AgreementDocument, PipelineDocument } from './documents.js';
import { PolicyBook } from './policy-book.js';

const surroundings = { policies: new PolicyBook(), checkModel: () => ({}) };
const pipeline = (document: object) => documentKinds.pipelines.read(document, surroundings) as PipelineDocument;
const agreement = (document: object) => documentKinds.agreements.read(document, surroundings) as AgreementDocument;

describe('A drafted document', () => {
  it('of a pipeline names only what differs from the first', () => {
    expect(pipeline({ autoHandoff: false })).toEqual({ ...defaultPipeline, autoHandoff: false });
    const own = pipeline({
      dealStages: [{ code: 'demo', order: 1, winProbability: 0.75, staleDays: 21 }],
      reasonCodes: { loss: ['price', 'other*'] },
      staleDays: { MQL: 2 },
    });
    expect(own.dealStages.map(({ code, journeyStage }) => [code, journeyStage])).toEqual([['demo', 'decision']]);
    expect(own.reasonCodes.loss).toEqual([
      { code: 'price', needsNote: false },
      { code: 'other', needsNote: true },
    ]);
    expect(own.reasonCodes.hold).toEqual(defaultPipeline.reasonCodes.hold);
    expect(own.staleDays).toEqual({ ...defaultPipeline.staleDays, MQL: 2 });
  });

  it('of a pipeline is still refused for what it says wrongly', () => {
    expect(() => pipeline({ autoHandof: false })).toThrow(/autoHandof/);
    expect(() => pipeline({ dealStages: 'demo' })).toThrow(/dealStages/);
    expect(() => pipeline({ reasonCodes: { loss: [] } })).toThrow(/loss/);
  });

  it('of a calendar names its weekdays or numbers them', () => {
    const hours = { from: '09:00', to: '17:00' };
    const weekdays = [1, 'tue', 'Wednesday', 'SU'].map((weekday) => ({ weekday, ...hours }));
    const { weekly } = documentKinds.calendars.read({ timeZone: 'UTC', weekly: weekdays }, surroundings);
    expect((weekly as { weekday: number }[]).map(({ weekday }) => weekday)).toEqual([1, 2, 3, 7]);
    const unknown = { timeZone: 'UTC', weekly: [{ weekday: 'someday', ...hours }] };
    expect(() => documentKinds.calendars.read(unknown, surroundings)).toThrow(/weekday/);
  });

  it('of an agreement says which clocks there are; what pauses and what counts as contact is as in the standard', () => {
    const { definitions, goals } = standardAgreement;
    const clocks = [
      { clockType: 'handoff_response', targetOpenS: 3600, calendarId: 'office' },
      { clockType: 'first_contact', targetOpenS: 7200, calendarId: 'office', escalations: [] },
    ];
    const escalation = [{ level: 3, afterDueOpenS: 60, toRole: 'ops' }];
    const own = agreement({
      definitions,
      goals,
      clocks,
      escalation,
      contactAttemptDefinition: { channels: ['phone'] },
    });
    expect(own.clocks.map(({ clockType, pausable, escalations }) => [clockType, pausable, escalations])).toEqual([
      ['handoff_response', false, escalation],
      ['first_contact', true, []],
    ]);
    expect(own.contactAttemptDefinition).toEqual({
      ...standardAgreement.contactAttemptDefinition,
      channels: ['phone'],
    });
    expect(own.lateEvidenceGraceS).toBe(86_400);
    expect(() => agreement({ definitions, goals, clocks, escalation: 'none' })).toThrow(/escalation/);
  });
});
