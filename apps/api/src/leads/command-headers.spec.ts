import { describe, expect, it } from '@jest/globals';
import { revisionOf } from './command-headers.js';

describe('If-Match', () => {
  it.each(['"12"', '12'])('takes %s as the revision the sender saw', (header) => {
    expect(revisionOf(header)).toBe(12);
  });

  it.each(['', '"12', '12"', 'W/"12"', '*', '"1", "2"', '-1', 'abc'])('refuses %j', (header) => {
    expect(() => revisionOf(header)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }));
  });
});
