import { describe, expect, it } from '@jest/globals';
import { standardAgreement } from './defaults.js';
import { documentDiff } from './document-diff.js';

describe('The difference between two versions', () => {
  it('names what changed by the entry it belongs to, wherever the entry stands', () => {
    const [first, second, ...rest] = standardAgreement.clocks;
    const after = {
      ...standardAgreement,
      acceptanceTarget: 0.95,
      clocks: [{ ...second!, targetOpenS: 86_400 }, first!, ...rest.slice(1)],
    };
    expect(documentDiff(standardAgreement, after)).toEqual([
      { path: 'clocks[first_contact].targetOpenS', old: 172_800, new: 86_400 },
      { path: 'clocks[contact_cadence]', old: rest[0] },
      { path: 'acceptanceTarget', old: 0.9, new: 0.95 },
    ]);
    expect(documentDiff(standardAgreement, structuredClone(standardAgreement))).toEqual([]);
  });

  it('tells a list of plain values as a whole, and entries without a name of their own by number', () => {
    expect(documentDiff({ regions: ['DE'] }, { regions: ['DE', 'AT'], notes: 'x' })).toEqual([
      { path: 'regions', old: ['DE'], new: ['DE', 'AT'] },
      { path: 'notes', new: 'x' },
    ]);
    const monday = { weekday: 1, from: '09:00', to: '17:00' };
    expect(documentDiff({ weekly: [monday] }, { weekly: [{ ...monday, to: '18:00' }] })).toEqual([
      { path: 'weekly[0].to', old: '17:00', new: '18:00' },
    ]);
  });
});
