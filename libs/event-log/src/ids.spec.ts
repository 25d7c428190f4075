import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { v5 } from 'uuid';
import { derivedId, eventId } from './ids.js';
import { effectiveRecordedAtMs } from './metadata.js';

describe('ids', () => {
  it('derives the uuid that RFC 9562 gives for its own example', () => {
    expect(derivedId('www.example.com', '6ba7b810-9dad-11d1-80b4-00c04fd430c8')).toBe(
      '2ed6657d-e927-568b-95e1-2665a8aea6a2',
    );
  });

  it('takes a command id of no particular uuid version', () => {
    expect(derivedId('0', '11111111-1111-1111-1111-111111111111')).toMatch(/^[0-9a-f-]{14}5/);
  });

  it('gives each event of a command its own id, and the same one again', () => {
    const command = '8f14e45f-ceea-467f-9575-6f1a2a3b4c5d';
    expect(eventId(command, 0)).toBe(eventId(command, 0));
    expect(eventId(command, 0)).not.toBe(eventId(command, 1));
  });

  it('derives what the uuid package derives, for any name and any namespace', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 700 }), fc.uuid(), (name, namespace) => {
        expect(derivedId(name, namespace)).toBe(v5(name, namespace));
      }),
    );
  });

  it('refuses a namespace that is no uuid', () => {
    expect(() => derivedId('x', 'order-7')).toThrow(TypeError);
  });
});

describe('effectiveRecordedAtMs', () => {
  it("is the store's time, unless a test clock wrote its own", () => {
    expect(effectiveRecordedAtMs({ metadata: {}, recordedAtMs: 5 })).toBe(5);
    expect(effectiveRecordedAtMs({ metadata: { recordedAt: '1970-01-01T00:00:01.000Z' }, recordedAtMs: 5 })).toBe(1000);
  });
});
