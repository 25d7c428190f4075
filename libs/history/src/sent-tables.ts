import type { Position } from '#libs/event-log/src/event-log.js';
import { GrowingDictionary, type DictionaryValue } from './dictionaries.js';
import { LeadIndex } from './lead-index.js';
import type { SentLeads } from './sent-leads.js';
import type { Columns, HistoryTables, Table } from './table.js';

/** The history as it crosses from one thread to another: columns and lead ids are shared, dictionaries copied. */
export interface SentTables {
  readonly position: Position | null;
  readonly tables: readonly (readonly [name: string, Columns])[];
  readonly dictionaries: readonly (readonly [name: string, readonly DictionaryValue[]])[];
  readonly leads: SentLeads;
}

/** Those dictionaries that the tables' columns are coded by. */
export const dictionariesOf = (tables: readonly Table[]): readonly string[] => [
  ...new Set(tables.flatMap(({ columns }) => columns.flatMap(({ dictionary }) => dictionary ?? []))),
];

/** On the other side. */
export function receivedTables(sent: SentTables): HistoryTables {
  const tables = new Map(sent.tables);
  const dictionaries = new Map<string, GrowingDictionary>();
  for (const [name, values] of sent.dictionaries) {
    const dictionary = new GrowingDictionary();
    for (const value of values) dictionary.codeOf(value);
    dictionaries.set(name, dictionary);
  }
  let leadIds: readonly string[] | null = null;
  return {
    position: sent.position,
    get leadIds() {
      leadIds ??= LeadIndex.idsOf(sent.leads);
      return leadIds;
    },
    dictionary(name) {
      const dictionary = dictionaries.get(name);
      if (dictionary === undefined) throw new RangeError(`dictionary ${name} was not asked for`);
      return dictionary;
    },
    table({ name }) {
      const columns = tables.get(name);
      if (columns === undefined) throw new RangeError(`table ${name} was not asked for`);
      return columns;
    },
  };
}
