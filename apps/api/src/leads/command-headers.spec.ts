import { describe, expect, it } from '@jest/globals';
import { commandIdAndBody, commandIdOf, revisionOf } from './command-headers.js';

describe('If-Match', () => {
  it.each(['"12"', '12'])('takes %s as the revision the sender saw', (header) => {
    expect(revisionOf(header)).toBe(12);
  });

  it.each(['', '"12', '12"', 'W/"12"', '*', '"1", "2"', '-1', 'abc'])('refuses %j', (header) => {
    expect(() => revisionOf(header)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }));
  });
});

describe('The id of a command', () => {
  const commandId = '018f4E1a-0000-7000-8000-00000000000A';

  it('stands in the header or in the body, which is then without it', () => {
    expect(commandIdAndBody(commandId, { note: 'n' })).toEqual({
      commandId: commandId.toLowerCase(),
      body: { note: 'n' },
    });
    expect(commandIdAndBody(undefined, { commandId, note: 'n' })).toEqual({
      commandId: commandId.toLowerCase(),
      body: { note: 'n' },
    });
    expect(commandIdAndBody(commandId, { commandId }).body).toEqual({});
  });

  it('is refused as two, or as no uuid in the body', () => {
    expect(commandIdAndBody('click-1', undefined).commandId).toBe(commandIdOf('click-1'));
    for (const [key, body] of [
      ['click-1', { commandId }],
      [undefined, { commandId: 'click-1' }],
    ] as const)
      expect(() => commandIdAndBody(key, body)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }));
  });
});
