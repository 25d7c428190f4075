import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { spread } from './figures.js';
import { absorb } from './tally.js';
import { Values } from './values.js';

const valuesOf = (numbers: readonly number[]): Values => {
  const values = new Values();
  for (const number of numbers) values.push(number);
  return values;
};

/** Around where a value needs more than four bytes. */
const number = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }),
  fc.integer({ min: 4_294_960_000, max: 4_295_000_000 }),
  fc.integer({ min: 0, max: 400 * 86_400_000 }),
);

describe('values whose spread is told', () => {
  it('are the same put together as counted at once, settled or not', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.array(number, { maxLength: 40 }), fc.boolean()), { maxLength: 8 }), (lots) => {
        const all = new Values();
        for (const [numbers, settled] of lots) {
          const values = valuesOf(numbers);
          if (settled) values.settle();
          all.absorb(values);
        }
        const plain = lots.flatMap(([numbers]) => numbers);
        expect(all.spread(1000)).toEqual(spread(plain, 1000));
        all.settle();
        expect(all.spread(1000)).toEqual(spread(plain, 1000));
      }),
    );
  });

  it('are ranked without being sorted together when there are many', () => {
    fc.assert(
      fc.property(fc.array(number, { minLength: 1, maxLength: 60 }), fc.integer({ min: 2, max: 9 }), (some, lots) => {
        const numbers = Array.from({ length: 2500 }, (_, index) => (some[index % some.length] as number) + (index % 7));
        const all = new Values();
        for (let lot = 0; lot < lots; lot += 1) {
          const part = valuesOf(numbers.filter((_, index) => index % lots === lot));
          part.settle();
          all.absorb(part);
        }
        expect(all.spread(3600)).toEqual(spread(numbers, 3600));
      }),
      { numRuns: 30 },
    );
  });
});

describe('figures that add up', () => {
  it('take others in field by field, and share nothing with them', () => {
    const make = () => ({
      count: 2,
      sum: 3n,
      list: [1, 2],
      typed: Uint32Array.of(1, 0),
      byName: new Map([['a', { won: 1, names: new Set(['x']) }]]),
      places: [{ n: 1 }, { n: 5 }, { n: 7 }],
    });
    const into = { ...make(), byName: new Map(), places: [{ n: 1 }, { n: 5 }] };
    const other = make();
    absorb(into, other);
    absorb(into, other);
    expect(into).toEqual({
      count: 6,
      sum: 9n,
      list: [1, 2, 1, 2, 1, 2],
      typed: Uint32Array.of(3, 0),
      byName: new Map([['a', { won: 2, names: new Set(['x']) }]]),
      places: [{ n: 3 }, { n: 15 }, { n: 14 }],
    });
    expect(other).toEqual(make());
  });

  it('refuses what does not add up', () => {
    expect(() => absorb({ name: 'a' }, { name: 'b' })).toThrow('string does not add up');
  });
});
