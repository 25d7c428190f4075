import type { Fact, Projection } from '#libs/projections/src/projection.js';

/** A lead that only moves between states on days; small enough to see through, with every kind of fact. */
export interface MiniLead {
  id: string;
  state: string;
  day: number;
  visits: [state: string, day: number][];
  dueAt: number | null;
}

/**
 * `Moved {to, day}`, `Due {at}` (null: no longer), `Undone` (the last move), `Bad` (cannot be folded), `Odd` (folded, but its facts
 * cannot be told). What a row holds: visits by day, stock by state, a counter per state, the due instant.
 */
export function miniLeads(options: { badIsFine?: boolean } = {}): Projection<MiniLead> {
  return {
    name: 'mini',
    version: 1,
    filter: { streamPrefixes: ['lead-'] },
    entityOf: ({ stream }) => (stream === 'lead-ignored' ? null : stream.slice('lead-'.length)),
    load: (packed, id) =>
      packed === null ? { id, state: 'NEW', day: 0, visits: [], dueAt: null } : (JSON.parse(packed) as MiniLead),
    pack: (row) => JSON.stringify(row),
    evolve(row, { type, data }) {
      if (type === 'Moved') {
        row.state = String(data['to']);
        row.day = Number(data['day']);
        row.visits.push([row.state, row.day]);
      } else if (type === 'Due') {
        row.dueAt = data['at'] as number | null;
      } else if (type === 'Undone') {
        row.visits.pop();
        [row.state, row.day] = row.visits[row.visits.length - 1] ?? ['NEW', 0];
      } else if (type === 'Bad' && !options.badIsFine) {
        // Half changed when it fails, as real code would leave it.
        row.visits.push(['HALF', 99]);
        row.dueAt = 99;
        throw new Error('cannot fold this');
      } else if (type === 'Odd' && !options.badIsFine) {
        row.state = 'ODD';
      }
      return row;
    },
    facts({ id, state, day, visits, dueAt }) {
      if (state === 'ODD') throw new Error('cannot tell its facts');
      if (visits.length === 0 && dueAt === null) return [];
      const facts: Fact[] = [{ kind: 'row', table: 'stock', part: state, key: id, value: String(day) }];
      for (const [number, [entered, on]] of visits.entries()) {
        facts.push({ kind: 'row', table: 'visit', part: `day ${on}`, key: `${id}/${number}`, value: `["${entered}"]` });
        facts.push({ kind: 'count', counters: 'entered', key: entered, by: 1 });
      }
      if (dueAt !== null) facts.push({ kind: 'score', set: 'due', member: id, score: dueAt });
      return facts;
    },
  };
}
