import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { hashOfCommand } from './canonical-json.js';

/** A value of objects by `arrange`: another order of the members is no other value. */
function arranged(value: unknown, arrange: (keys: string[]) => string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => arranged(item, arrange));
  if (typeof value !== 'object' || value === null) return value;
  const object = value as Record<string, unknown>;
  return Object.fromEntries(arrange(Object.keys(object)).map((key) => [key, arranged(object[key], arrange)]));
}

describe('the hash of a command', () => {
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
  const { body } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value'), { maxLength: 4 }), tie('body')),
    body: fc.dictionary(
      fc.string({ unit: 'binary', minLength: 1 }).filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 24 },
    ),
  }));

  it('is that of its JSON with the members of each object sorted, in whatever order they came', () => {
    fc.assert(
      fc.property(body, (sent) => {
        const sorted = JSON.stringify(['AcceptLead', 'lead', arranged(sent, (keys) => keys.sort())]);
        const expected = createHash('sha256').update(sorted).digest('hex');
        expect(hashOfCommand('AcceptLead', 'lead', sent)).toBe(expected);
        expect(
          hashOfCommand(
            'AcceptLead',
            'lead',
            arranged(sent, (keys) => keys.reverse()),
          ),
        ).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('tells names, leads and values apart, and takes a member without a value for none', () => {
    const hash = hashOfCommand('AcceptLead', 'a', { note: 'x' });
    expect(hashOfCommand('AcceptLead', 'a', { note: 'x', at: undefined })).toBe(hash);
    const others = [
      hashOfCommand('RejectLead', 'a', { note: 'x' }),
      hashOfCommand('AcceptLead', 'b', { note: 'x' }),
      hashOfCommand('AcceptLead', null, { note: 'x' }),
      hashOfCommand('AcceptLead', 'a', { note: 'y' }),
    ];
    expect(new Set([hash, ...others]).size).toBe(5);
  });
});
