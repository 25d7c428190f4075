/**
 * Figures that add up: what is counted in two lots of facts, put together, is what is counted in both at once. A whole
 * number is a sum; a list of numbers, a map, a set, typed numbers, an object or a list of objects (place by place) holds such things; whatever
 * keeps private state says itself how it takes another one in.
 */
export interface Tally {
  absorb(other: this): void;
  /** An empty one of its kind; without it the constructor is called without arguments. */
  fresh?(): this;
  /** Takes its smallest form: nothing more is added. */
  settle?(): void;
  /** Bytes that cannot be seen from outside. */
  weight?(): number;
}

type Fields = Record<string, unknown>;

const isTally = (value: object): value is Tally => typeof (value as Partial<Tally>).absorb === 'function';

/** Takes `other` into `into`, in place; `other` stays as it is and shares nothing that changes with it. */
export function absorb<T>(into: T, other: T): void {
  if (Array.isArray(into)) absorbList(into, other as unknown[]);
  else if (into instanceof Map) absorbMap(into, other as Map<unknown, unknown>);
  else if (into instanceof Set) for (const one of other as Set<unknown>) into.add(one);
  else if (into instanceof Uint32Array || into instanceof Float64Array) {
    const from = other as Uint32Array;
    for (let index = 0; index < from.length; index += 1)
      into[index] = (into[index] as number) + (from[index] as number);
  } else if (isTally(into as object)) (into as Tally).absorb(other as Tally);
  else {
    const fields = into as Fields;
    const from = other as Fields;
    for (const name in from) fields[name] = sumOf(fields[name], from[name]);
  }
}

function absorbList(into: unknown[], other: readonly unknown[]): void {
  if (typeof (other[0] ?? 0) === 'number') {
    for (let index = 0; index < other.length; index += 1) into.push(other[index]);
    return;
  }
  other.forEach((one, index) => {
    if (index === into.length) into.push(emptyLike(one as object));
    absorb(into[index], one);
  });
}

function absorbMap(into: Map<unknown, unknown>, other: ReadonlyMap<unknown, unknown>): void {
  for (const [key, value] of other) into.set(key, sumOf(into.get(key), value));
}

function sumOf(left: unknown, right: unknown): unknown {
  if (typeof right === 'number') return ((left ?? 0) as number) + right;
  if (typeof right === 'bigint') return ((left ?? 0n) as bigint) + right;
  if (typeof right !== 'object' || right === null) throw new Error(`${typeof right} does not add up`);
  const sum = left ?? emptyLike(right);
  absorb(sum, right);
  return sum;
}

function emptyLike(value: object): object {
  if (Array.isArray(value))
    return typeof (value[0] ?? 0) === 'number' ? [] : value.map((one: object) => emptyLike(one));
  if (value instanceof Map) return new Map();
  if (value instanceof Set) return new Set();
  if (value instanceof Uint32Array) return new Uint32Array(value.length);
  if (value instanceof Float64Array) return new Float64Array(value.length);
  if (isTally(value)) return value.fresh?.() ?? new (value.constructor as new () => object)();
  return Object.create(Object.getPrototypeOf(value) as object | null) as object;
}

/** About how many bytes it takes, once settled. */
export function weightOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 8;
  if (value instanceof Uint32Array || value instanceof Float64Array) return 200 + value.byteLength;
  if (Array.isArray(value)) {
    if (typeof (value[0] ?? 0) === 'number') return 40 + 8 * value.length;
    return value.reduce((sum: number, one) => sum + weightOf(one), 40);
  }
  if (isTally(value)) {
    value.settle?.();
    const weight = value.weight?.();
    if (weight !== undefined) return weight;
  }
  let weight = 60;
  if (value instanceof Map) for (const [, one] of value) weight += 40 + weightOf(one);
  else if (value instanceof Set) weight += 40 * value.size;
  else for (const name in value) weight += 8 + weightOf((value as Fields)[name]);
  return weight;
}
