import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { LeadIndex } from './lead-index.js';

const ids = [
  ...Array.from({ length: 3_000 }, () => randomUUID() as string),
  // Almost uuids, and none at all.
  'F0000000-0000-4000-8000-000000000000',
  'f0000000-0000-4000-8000-00000000000',
  'f0000000-0000-4000-8000-00000000000g',
  'f0000000-0000-4000-8000-00000000000ı',
  'f0000000x0000-4000-8000-000000000000',
  'f3b1',
  '',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
];

describe('numbers of leads', () => {
  it('are given by first appearance, and lead back to the very id', () => {
    const index = new LeadIndex();
    expect(ids.map((id) => index.indexOf(id))).toEqual(ids.map((_, number) => number));
    expect(ids.toReversed().map((id) => index.indexOf(id))).toEqual(ids.map((_, number) => ids.length - 1 - number));
    expect(index.ids()).toEqual(ids);
    expect(index.find('f3b1')).toBe(ids.indexOf('f3b1'));
    expect([index.find('f3b2'), index.find(randomUUID())]).toEqual([null, null]);
    expect(LeadIndex.idsOf(structuredClone(index.shared(3_005)))).toEqual(ids.slice(0, 3_005));
  });

  it('come back from their bytes, in parts', () => {
    const index = new LeadIndex();
    for (const id of ids) index.indexOf(id);
    const again = new LeadIndex();
    for (const [from, to] of [
      [0, 10],
      [10, 3_001],
      [3_001, ids.length],
    ] as const) {
      const { others, planes } = index.pack(from, to);
      again.unpack(planes, others);
    }
    expect(again.ids()).toEqual(ids);
    expect(ids.map((id) => again.indexOf(id))).toEqual(ids.map((_, number) => number));
  });

  it('are free again when they are taken back', () => {
    const index = new LeadIndex();
    for (const id of ids) index.indexOf(id);
    index.truncate(2_000);
    expect(index.count).toBe(2_000);
    const rest = ids.slice(2_000).toReversed();
    expect(rest.map((id) => index.indexOf(id))).toEqual(rest.map((_, number) => 2_000 + number));
    expect(index.ids()).toEqual([...ids.slice(0, 2_000), ...rest]);
  });
});
