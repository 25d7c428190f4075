import { describe, expect, it } from '@jest/globals';
import { defaultConfigEvents } from './defaults.js';
import { agreementDocument, calendarDocument, configEventSchemas, icpDocument, pipelineDocument } from './documents.js';
import { PolicyBook } from './policy-book.js';

const at = (iso: string) => Date.parse(iso);
const NOW = at('2026-11-22T18:00:00.000Z');

function seeded(): PolicyBook {
  const book = new PolicyBook();
  for (const event of defaultConfigEvents(NOW)) book.apply(event);
  return book;
}

describe('The configuration a new ledger starts with', () => {
  it('is complete: nothing is missing, today or in 1990', () => {
    expect(seeded().missing()).toEqual([]);
    expect(seeded().missing(at('1990-01-01T00:00:00.000Z'))).toEqual([]);
  });

  it('consists of documents that a person could have posted', () => {
    const strict = {
      CalendarDefined: calendarDocument,
      AgreementDrafted: agreementDocument,
      PipelineDefined: pipelineDocument,
      IcpDrafted: icpDocument,
    };
    for (const { type, data } of defaultConfigEvents(NOW)) {
      expect(() => configEventSchemas[type].parse(data)).not.toThrow();
      if (type in strict) {
        const { occurredAt: _, version: __, ...document } = data as Record<string, unknown>;
        expect(strict[type as keyof typeof strict].parse(document)).toEqual(document);
      }
    }
  });

  it('holds the reason codes, with a note asked for only where the spec stars them', () => {
    const { reasonCodes } = seeded().pipeline('new_business', NOW);
    expect(reasonCodes.reject.filter((reason) => reason.needsNote)).toEqual([{ code: 'other', needsNote: true }]);
    expect(reasonCodes.junk.some((reason) => reason.needsNote)).toBe(false);
    expect(reasonCodes.loss.map((reason) => reason.code)).toContain('competitor');
  });

  it('says what is missing when nothing was ever configured', () => {
    expect(new PolicyBook().missing()).toEqual(['icp-default', 'pipeline-default']);
    expect(() => new PolicyBook().pipeline('new_business', NOW)).toThrow('NOT_READY');
  });
});

describe('Versions of a document', () => {
  const define = (version: number, from: string, to: string) => ({
    stream: 'calendar-office',
    type: 'CalendarDefined',
    data: {
      occurredAt: '2026-01-01T00:00:00.000Z',
      version,
      timeZone: 'UTC',
      weekly: [{ weekday: 1, from, to }],
      holidays: [],
      exceptions: [],
    },
  });
  const activate = (version: number, effectiveFrom: string) => ({
    stream: 'calendar-office',
    type: 'CalendarActivated',
    data: { occurredAt: '2026-01-01T00:00:00.000Z', version, effectiveFrom },
  });

  it('come into force at their effectiveFrom, not before, whatever the order of activation', () => {
    const book = new PolicyBook();
    book.apply(define(1, '09:00', '17:00'));
    book.apply(define(2, '08:00', '16:00'));
    book.apply(activate(2, '2026-06-01T00:00:00.000Z'));
    book.apply(activate(1, '2026-01-01T00:00:00.000Z'));
    expect(book.calendarInForce('office', at('2025-12-31T23:59:59.999Z'))).toBeNull();
    expect(book.calendarInForce('office', at('2026-05-31T23:59:59.999Z'))?.version).toBe(1);
    expect(book.calendarInForce('office', at('2026-06-01T00:00:00.000Z'))?.version).toBe(2);
    expect(book.calendar('office', 1)?.document.weekly[0]?.from).toBe('09:00');
  });

  it('are immutable once activated: a second definition of the number changes nothing', () => {
    const book = new PolicyBook();
    book.apply(define(1, '09:00', '17:00'));
    book.apply(define(1, '10:00', '17:00'));
    expect(book.calendar('office', 1)?.document.weekly[0]?.from).toBe('10:00');
    book.apply(activate(1, '2026-01-01T00:00:00.000Z'));
    book.apply(define(1, '11:00', '17:00'));
    expect(book.calendar('office', 1)?.document.weekly[0]?.from).toBe('10:00');
  });

  it('of a retired agreement are kept for the clocks that run under them, but none is in force', () => {
    const book = seeded();
    book.apply({
      stream: 'agreement-standard',
      type: 'AgreementRetired',
      data: { occurredAt: '2026-12-01T00:00:00.000Z' },
    });
    expect(book.agreementForTeam('sales', at('2026-11-30T00:00:00.000Z'))?.version).toBe(1);
    expect(book.agreementForTeam('sales', at('2026-12-01T00:00:00.000Z'))).toBeNull();
    expect(book.agreement('standard', 1)?.acceptanceTarget).toBe(0.9);
    expect(book.missing(at('2026-12-01T00:00:00.000Z'))).toEqual(['agreement-standard']);
  });
});

describe('Teams, people and lead types', () => {
  it('let a team keep other hours than its agreement names', () => {
    const book = seeded();
    book.apply({
      stream: 'team-lagos',
      type: 'TeamDefined',
      data: {
        occurredAt: '2026-01-01T00:00:00.000Z',
        name: 'Lagos',
        function: 'sales',
        agreementId: 'standard',
        calendarId: 'office',
        timeZone: 'Africa/Lagos',
        clockCalendars: { handoff_response: 'weekdays' },
      },
    });
    expect(book.clockPolicy('lagos', 'handoff_response', NOW)?.calendar.id).toBe('weekdays');
    expect(book.clockPolicy('sales', 'handoff_response', NOW)?.calendar.id).toBe('office');
    expect(book.clockPolicy('nobody', 'handoff_response', NOW)).toBeNull();
  });

  it('keep a person who left, as inactive, with the successor', () => {
    const book = seeded();
    const occurredAt = '2026-01-01T00:00:00.000Z';
    book.apply({
      stream: 'rep-ann',
      type: 'RepJoined',
      data: { occurredAt, repId: 'ann', teamId: 'sales', skills: [] },
    });
    expect(book.rep('ann')).toMatchObject({ teamId: 'sales', active: true });
    book.apply({ stream: 'rep-ann', type: 'RepLeft', data: { occurredAt, repId: 'ann', successorId: 'bob' } });
    expect(book.rep('ann')).toMatchObject({ active: false, successorId: 'bob' });
    expect(book.rep('bob')).toBeNull();
  });

  it('give a lead type its own pipeline and every other the default one', () => {
    const book = seeded();
    const { pipelineId: _, version: __, ...document } = book.pipeline('any', NOW);
    const occurredAt = '2026-01-01T00:00:00.000Z';
    book.apply({
      stream: 'pipeline-upsell',
      type: 'PipelineDefined',
      data: { ...document, occurredAt, version: 1, leadTypes: ['existing_customer'], requireSAL: false },
    });
    book.apply({
      stream: 'pipeline-upsell',
      type: 'PipelineActivated',
      data: { occurredAt, version: 1, effectiveFrom: '2026-01-01T00:00:00.000Z' },
    });
    expect(book.pipeline('existing_customer', NOW).pipelineId).toBe('upsell');
    expect(book.pipeline('existing_customer', at('2025-01-01T00:00:00.000Z')).pipelineId).toBe('default');
    expect(book.pipeline('new_business', NOW).pipelineId).toBe('default');
  });
});
