import { describe, expect, it } from '@jest/globals';
import { parseJsonBody } from './json-body.js';
import { Problem } from './problem.js';

const parse = (text: string | Uint8Array) => parseJsonBody(typeof text === 'string' ? Buffer.from(text) : text);
const refused = (text: string | Uint8Array) => {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof Problem) return { code: error.code, status: error.status, fields: error.extras.fields };
    throw error;
  }
  return 'accepted';
};

describe('a JSON body', () => {
  it('is parsed when it is sound, brackets and escapes inside strings included', () => {
    const value = { a: `${'['.repeat(100)} " \\ 😀`, b: [1, null, true, { c: 'Zoë' }] };
    expect(parse(JSON.stringify(value))).toEqual(value);
    expect(parse(String.raw`{"pair":"\ud83d\ude00"}`)).toEqual({ pair: '😀' });
  });

  it.each([
    ['cut off', '{"a":'],
    ['empty', ' '],
    ['a 10,000-deep array', '['.repeat(10_000) + ']'.repeat(10_000)],
    ['an 8,000-deep object', '{"a":'.repeat(8_000) + '1' + '}'.repeat(8_000)],
    ['33 levels deep', '['.repeat(33) + ']'.repeat(33)],
    ['a lone surrogate', String.raw`{"person":{"email":"\ud800@x.example"}}`],
    ['a lone surrogate in a field name', String.raw`{"\udc00":1}`],
    ['a prototype in disguise', String.raw`{"a":{"__pr\u006fto__":{"b":1}}}`],
    ['bytes that are not UTF-8', Uint8Array.of(0x22, 0xc3, 0x28, 0x22)],
  ])('is refused when it is %s', (_, text) => {
    expect(refused(text)).toMatchObject({ code: 'VALIDATION_FAILED', status: 400 });
  });

  it('names the field that holds the lone surrogate', () => {
    expect(refused(String.raw`{"person":{"email":"\ud800@x.example"}}`)).toMatchObject({
      fields: [{ field: 'person.email' }],
    });
    expect(refused('['.repeat(32) + ']'.repeat(32))).toBe('accepted');
  });
});
