import { describe, expect, it } from '@jest/globals';
import { comparedInstants, difference } from './compared-instants.js';

describe('Two instants in one question', () => {
  it('are the one that is asked, and the same with what differs for the other', () => {
    const query = { from: '2026-01-01', asOf: '2026-06-01', compareAsOf: '2026-05-01', compareKnownAt: '2026-05-02' };
    expect(comparedInstants(query)).toEqual({
      query: { from: '2026-01-01', asOf: '2026-06-01' },
      other: { from: '2026-01-01', asOf: '2026-05-01', knownAt: '2026-05-02' },
    });
    expect(comparedInstants({ asOf: '2026-06-01' })).toBeNull();
    expect(() => comparedInstants({ compareAsOf: ['2026-05-01', '2026-05-02'] })).toThrow('given more than once');
  });

  it('differ by what was added and taken away, row by row, whatever their order', () => {
    const row = (source: string, count: number, rate: number | null) => ({
      dimensions: { source },
      leads: { count, drill: `/v1/leads?drill=stock&source=${source}` },
      rate,
    });
    const asked = { asOf: 'b', rows: [row('search', 7, 0.3), row('event', 2, null)], total: { count: 9 } };
    const compared = { asOf: 'a', rows: [row('event', 2, 0.1), row('search', 4, 0.1), row('email', 3, null)], total: { count: 9 } }; // prettier-ignore
    expect(difference(asked, compared)).toEqual({
      rows: [
        { dimensions: { source: 'search' }, leads: { count: 3 }, rate: 0.2 },
        { dimensions: { source: 'event' }, rate: { asked: null, compared: 0.1 } },
        { dimensions: { source: 'email' }, leads: { count: { asked: null, compared: 3 } } },
      ],
    });
    expect(difference(asked, asked)).toBeNull();
  });
});
