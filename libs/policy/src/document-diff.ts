/** One difference between two documents. `old` is missing where something was added, `new` where it was taken away. */
export interface Change {
  /** `clocks[first_contact].targetOpenS`; list entries by what names them, else by number from 0. */
  readonly path: string;
  readonly old?: unknown;
  readonly new?: unknown;
}

/** Fields that name an entry of a list, the first that all entries have. */
const NAMES = ['id', 'code', 'clockType', 'sequenceId', 'term', 'metric', 'level', 'date', 'title', 'trackId'] as const;

type Named = ReadonlyMap<string, unknown>;
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** What has changed, in the order of the documents. Lists of plain values are one value. */
export function documentDiff(before: unknown, after: unknown, path = ''): Change[] {
  if (before === undefined) return after === undefined ? [] : [{ path, new: after }];
  if (after === undefined) return [{ path, old: before }];
  if (isObject(before) && isObject(after))
    return union(Object.keys(before), Object.keys(after)).flatMap((key) =>
      documentDiff(before[key], after[key], path === '' ? key : `${path}.${key}`),
    );
  if (Array.isArray(before) && Array.isArray(after)) {
    const named = entries(before, after);
    if (named !== null) {
      const [old, young] = named;
      return union([...old.keys()], [...young.keys()]).flatMap((name) =>
        documentDiff(old.get(name), young.get(name), `${path}[${name}]`),
      );
    }
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, old: before, new: after }];
}

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];

/** Both lists by the names of their entries; null: lists of plain values. */
function entries(before: readonly unknown[], after: readonly unknown[]): [Named, Named] | null {
  const all = [...before, ...after];
  if (all.length === 0 || !all.every(isObject)) return null;
  const name = NAMES.find(
    (field) =>
      all.every((entry) => entry[field] !== undefined) && [before, after].every((list) => isNamedBy(list, field)),
  );
  const byName = (list: readonly unknown[]): Named =>
    new Map(
      list.map((entry, index) => [
        String(name === undefined ? index : (entry as Record<string, unknown>)[name]),
        entry,
      ]),
    );
  return [byName(before), byName(after)];
}

const isNamedBy = (list: readonly unknown[], field: string): boolean =>
  new Set(list.map((entry) => (entry as Record<string, unknown>)[field])).size === list.length;
