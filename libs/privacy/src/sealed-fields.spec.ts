import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { leadEventSchemas, type LeadEventType, personalFields } from '#libs/lead/src/events.js';
import { PrivacyError } from './privacy-error.js';
import { type DataKey, open, seal, SealedFields, withoutSealed } from './sealed-fields.js';

const sealedFields = new SealedFields(leadEventSchemas, (schema) => personalFields.has(schema));
const keyOf = (byte: number): DataKey => ({ keyId: `key-${byte}`, key: Buffer.alloc(32, byte) });
const codeOf = (act: () => unknown): string | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return error instanceof PrivacyError ? error.code : String(error);
  }
};

/** Personal texts are marked, so that one look at the stored bytes tells whether any got through. */
const SECRET = 'SeCrEt';
const secret = fc.string({ maxLength: 30 }).map((text) => `${SECRET}${text}`);

/** Any value that `schema` takes, made from the schema alone: independent of how the sealing walks it. */
function valueOf(schema: z.core.$ZodType, personal: boolean): fc.Arbitrary<unknown> {
  const inside = personal || personalFields.has(schema);
  const definition = schema._zod.def as never as {
    type: string;
    innerType: z.core.$ZodType;
    element: z.core.$ZodType;
    valueType: z.core.$ZodType;
    shape: Record<string, z.core.$ZodType>;
    entries: Record<string, string>;
    values: unknown[];
    format?: string;
    checks?: { _zod: { def: { check: string; format?: string; pattern?: RegExp } } }[];
  };
  switch (definition.type) {
    case 'object':
      return fc.record(
        Object.fromEntries(Object.entries(definition.shape).map(([field, inner]) => [field, valueOf(inner, inside)])),
      );
    case 'array':
      return fc.array(valueOf(definition.element, inside), { maxLength: 4 });
    case 'optional':
    case 'nullable':
      return fc.option(valueOf(definition.innerType, inside), {
        nil: definition.type === 'optional' ? undefined : null,
      });
    case 'record':
      return fc.dictionary(fc.string({ maxLength: 8 }), valueOf(definition.valueType, inside), { maxKeys: 3 });
    case 'enum':
      return fc.constantFrom(...Object.values(definition.entries));
    case 'literal':
      return fc.constantFrom(...definition.values);
    case 'boolean':
      return fc.boolean();
    case 'number':
      return fc.integer({ min: 0, max: 1 });
    case 'unknown':
      return inside ? fc.oneof(secret, fc.constant(null), fc.record({ deep: secret })) : fc.constant(1);
    case 'string':
      return inside ? secret : fc.constantFrom('plain', 'EUR', '2018-01-01');
    default:
      throw new Error(`the generator does not know ${definition.type}`);
  }
}

const json = (value: unknown): Record<string, unknown> => JSON.parse(JSON.stringify(value)) as Record<string, unknown>;

describe('sealed fields', () => {
  const types = Object.keys(leadEventSchemas) as LeadEventType[];

  it.each(types)('come back as they were and never show in the stored bytes: %s', (type) => {
    fc.assert(
      fc.property(valueOf(leadEventSchemas[type], false), fc.integer({ min: 0, max: 255 }), (value, byte) => {
        const data = json(value);
        const { plain, personal } = sealedFields.split(type, data);
        const key = keyOf(byte);
        const stored = personal === null ? plain : seal(plain, personal, key, 'lead/event');
        expect(JSON.stringify(stored)).not.toContain(SECRET);
        expect(open(json(stored), key, 'lead/event')).toEqual(data);
        expect(JSON.stringify(withoutSealed(stored))).not.toContain('sealed');
      }),
      { numRuns: 60 },
    );
  });

  it('needs no key for an event without personal values', () => {
    expect(sealedFields.split('BehaviourRecorded', { kind: 'page_view', count: 1 }).personal).toBeNull();
    expect(sealedFields.split('DealWon', { dealId: 'd' }).personal).toBeNull();
    expect(sealedFields.split('BehaviourRecorded', { kind: 'page_view', url: 'https://x' }).personal).toEqual({
      url: 'https://x',
    });
  });

  it('keeps fields that the schema does not know in the open rest', () => {
    const { plain, personal } = sealedFields.split('RoleIdentified', { jobTitle: 'CEO', later: 1 });
    expect([plain, personal]).toEqual([{ later: 1 }, { jobTitle: 'CEO' }]);
  });

  it('finds personal places through lists, records and unions', () => {
    const marked = z.registry<{ personal: true }>();
    const hidden = <T extends z.ZodType>(schema: T): T => {
      marked.add(schema, { personal: true });
      return schema;
    };
    const schema = z.object({
      list: z.array(hidden(z.string())),
      map: z.record(z.string(), hidden(z.string())),
      either: z.union([z.object({ name: hidden(z.string()) }), z.number()]),
      rows: z.array(z.object({ open: z.number(), name: hidden(z.string().optional()) })).optional(),
    });
    const fields = new SealedFields({ T: schema }, (inner) => marked.has(inner));
    const data = {
      list: ['a'],
      map: { k: 'b' },
      either: { name: 'c' },
      rows: [{ open: 1 }, { open: 2, name: 'd' }],
    };
    const { plain, personal } = fields.split('T', data);
    expect(plain).toEqual({ rows: [{ open: 1 }, { open: 2 }] });
    expect(open(seal(plain, personal!, keyOf(1), 'x'), keyOf(1), 'x')).toEqual(data);
  });

  describe('do not open', () => {
    const stored = seal({ a: 1 }, { name: 'Ada' }, keyOf(1), 'lead/event');
    it('with another key', () => {
      expect(codeOf(() => open(stored, keyOf(2), 'lead/event'))).toBe('SEAL_BROKEN');
    });
    it('in another event', () => {
      expect(codeOf(() => open(stored, keyOf(1), 'lead/other'))).toBe('SEAL_BROKEN');
    });
    it('after any single bit was changed', () => {
      const bytes = Buffer.from(stored.sealed as string, 'base64');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const changed = Buffer.from(bytes);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        expect(codeOf(() => open({ sealed: changed.toString('base64') }, keyOf(1), 'lead/event'))).toBe('SEAL_BROKEN');
      }
    });
    it('when cut short or not text', () => {
      expect(codeOf(() => open({ sealed: 'AAAA' }, keyOf(1), 'lead/event'))).toBe('SEAL_BROKEN');
      expect(codeOf(() => open({ sealed: 5 }, keyOf(1), 'lead/event'))).toBe('SEAL_BROKEN');
    });
  });
});
