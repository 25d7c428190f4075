import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { leadEventSchemas, type LeadEventType } from './events.js';
import { leadEventVersions, leadUpcasters } from './upcasters.js';

/**
 * Golden files hold each version of each event as it may lie in somebody's log, every optional field filled. They are written
 * once, by hand, and never changed to suit a schema: a field that gets lost or refused here gets lost in real logs.
 */
const GOLDEN = new URL('../golden/', import.meta.url);
const read = (file: string): unknown => JSON.parse(readFileSync(new URL(file, GOLDEN), 'utf8'));
const types = Object.keys(leadEventSchemas) as LeadEventType[];
const versionOf = (type: string): number => leadEventVersions[type] ?? 1;
const events = readdirSync(GOLDEN)
  .filter((file) => /\.v\d+\.json$/.test(file))
  .map((file) => ({
    file,
    type: file.split('.')[0] as LeadEventType,
    version: Number(/\.v(\d+)\.json$/.exec(file)![1]),
  }));

/** As the codec lifts an event of an old version. */
function lifted(type: string, version: number, data: Record<string, unknown>): Record<string, unknown> {
  for (let from = version; from < versionOf(type); from++) {
    const step = leadUpcasters.find((upcaster) => upcaster.type === type && upcaster.from === from);
    if (step === undefined) throw new Error(`no step for ${type} from version ${from}`);
    data = step.up(data);
  }
  return data;
}

/** Path → values that today's schema takes there. */
function enumerations(schema: z.core.JSONSchema.BaseSchema, path: string): [string, unknown[]][] {
  const own: [string, unknown[]][] = schema.enum === undefined ? [] : [[path, schema.enum]];
  const below = Object.entries(schema.properties ?? {}).flatMap(([field, child]) =>
    enumerations(child as z.core.JSONSchema.BaseSchema, `${path}.${field}`),
  );
  const nested = [schema.items, ...(schema.anyOf ?? [])].flatMap((child) =>
    child === undefined || typeof child === 'boolean'
      ? []
      : enumerations(child as z.core.JSONSchema.BaseSchema, `${path}[]`),
  );
  return [...own, ...below, ...nested];
}

describe('events of every version ever written', () => {
  it('have a golden file, from version 1 to the newest', () => {
    const expected = types.flatMap((type) =>
      Array.from({ length: versionOf(type) }, (_, version) => `${type}.v${version + 1}.json`),
    );
    expect(events.map(({ file }) => file).sort()).toEqual(expected.sort());
  });

  it.each(events)('$file reads today without losing a field', ({ file, type, version }) => {
    const stored = read(file) as Record<string, unknown>;
    const today = lifted(type, version, stored);
    const parsed = leadEventSchemas[type].parse(today);
    expect(JSON.parse(JSON.stringify(parsed))).toEqual(today);
    if (version === versionOf(type)) expect(today).toEqual(stored);
  });

  it('still know every value of a closed enumeration', () => {
    const known = new Map(
      types.flatMap((type) => enumerations(z.toJSONSchema(leadEventSchemas[type], { io: 'input' }), type)),
    );
    for (const [path, values] of Object.entries(read('enumerations.json') as Record<string, unknown[]>)) {
      expect([path, known.get(path)]).toEqual([path, expect.arrayContaining(values)]);
    }
  });

  it('come with an example of every field of today', () => {
    for (const { file, type, version } of events) {
      if (version !== versionOf(type)) continue;
      const stored = read(file) as Record<string, unknown>;
      expect([file, Object.keys(leadEventSchemas[type].shape).filter((field) => !(field in stored))]).toEqual([
        file,
        [],
      ]);
    }
  });
});
