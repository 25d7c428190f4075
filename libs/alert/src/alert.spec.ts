import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  acknowledgeAlert,
  type Alert,
  type AlertEvent,
  type AlertFinding,
  evolveAlert,
  initialAlert,
  isStanding,
  judgeAlert,
} from './alert.js';
import { AlertBook } from './alert-book.js';

const NOW = Date.parse('2026-03-02T10:00:00.000Z');
const finding = (failing: boolean, value = 0.8): AlertFinding => ({
  key: 'acceptance',
  condition: 'acceptance',
  failing,
  value,
  threshold: 0.9,
  n: 10,
  windowDays: 30,
  text: 'below target',
  drill: '/v1/leads?drill=acceptance',
});
const after = (...events: AlertEvent[]): Alert => events.reduce(evolveAlert, initialAlert('acceptance'));
const raised = judgeAlert(after(), finding(true), NOW)[0] as AlertEvent;

describe('an alert', () => {
  it('is raised by a failing condition with what was found', () => {
    expect(raised).toEqual({
      type: 'AlertRaised',
      data: {
        occurredAt: '2026-03-02T10:00:00.000Z',
        condition: 'acceptance',
        value: 0.8,
        threshold: 0.9,
        n: 10,
        window: 'P30D',
        text: 'below target',
        drill: '/v1/leads?drill=acceptance',
      },
    });
  });

  it('is not raised again while it stands, whatever its value', () => {
    expect(judgeAlert(after(raised), finding(true, 0.1), NOW + 1)).toEqual([]);
    const acknowledged = acknowledgeAlert(after(raised), 'rita', undefined, NOW + 1);
    expect(judgeAlert(after(raised, ...acknowledged), finding(true, 0.1), NOW + 2)).toEqual([]);
  });

  it('clears with the value that it came back to, and with none when nobody finds it any more', () => {
    const [cleared] = judgeAlert(after(raised), finding(false, 0.95), NOW + 1);
    expect(cleared).toMatchObject({ type: 'AlertCleared', data: { value: 0.95 } });
    expect(judgeAlert(after(raised), null, NOW + 1)).toMatchObject([{ type: 'AlertCleared', data: { value: null } }]);
    expect(judgeAlert(after(raised, cleared as AlertEvent), finding(false), NOW + 2)).toEqual([]);
  });

  it('does not clear what was never raised', () => {
    expect(judgeAlert(after(), finding(false), NOW)).toEqual([]);
    expect(judgeAlert(after(), null, NOW)).toEqual([]);
  });

  it('is acknowledged once, and not after it cleared', () => {
    const acknowledged = acknowledgeAlert(after(raised), 'rita', 'seen', NOW + 1);
    expect(acknowledged).toMatchObject([{ type: 'AlertAcknowledged', data: { by: 'rita', note: 'seen' } }]);
    expect(acknowledgeAlert(after(raised, ...acknowledged), 'sam', undefined, NOW + 2)).toEqual([]);
    const cleared = judgeAlert(after(raised), finding(false), NOW + 1);
    expect(() => acknowledgeAlert(after(raised, ...cleared), 'rita', undefined, NOW + 2)).toThrow(
      expect.objectContaining({ code: 'ALERT_CLEARED' }),
    );
    expect(() => acknowledgeAlert(after(), 'rita', undefined, NOW)).toThrow(
      expect.objectContaining({ code: 'ALERT_NOT_FOUND' }),
    );
  });

  it('raises and clears in turn, however its condition comes and goes', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (course) => {
        let alert = after();
        const types: string[] = [];
        course.forEach((failing, index) => {
          for (const event of judgeAlert(alert, finding(failing), NOW + index)) {
            alert = evolveAlert(alert, event);
            types.push(event.type);
          }
          expect(isStanding(alert)).toBe(failing);
        });
        types.forEach((type, index) => expect(type).toBe(index % 2 === 0 ? 'AlertRaised' : 'AlertCleared'));
        expect(types).toHaveLength(course.filter((failing, index) => failing !== (course[index - 1] ?? false)).length);
        expect(alert.times).toBe(types.filter((type) => type === 'AlertRaised').length);
      }),
    );
  });
});

describe('the book of alerts', () => {
  it('holds the fold of every alert stream, with its revision', () => {
    const book = new AlertBook();
    const event = (stream: string, revision: number, of: AlertEvent) => ({ stream, revision, ...of });
    book.apply(event('alert-acceptance', 0, raised));
    book.apply(event('alert-coverage', 0, raised));
    book.apply(event('lead-1', 0, raised));
    book.apply({ ...event('alert-coverage', 1, raised), type: 'SomethingElse' });
    expect(book.all().map(({ key }) => key)).toEqual(['acceptance', 'coverage']);
    expect([book.revision('coverage'), book.revision('none')]).toEqual([0, -1]);
    expect(() => book.apply({ ...event('alert-coverage', 1, raised), data: {} })).toThrow();
    expect(book.get('coverage').times).toBe(1);
  });
});
