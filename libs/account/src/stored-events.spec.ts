import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { accountEventSchemas } from './account-events.js';
import { campaignEventSchemas } from './campaign.js';

/**
 * Each event as it may lie in somebody's log, every optional field filled; written once, by hand, and never changed to suit a
 * schema: a field that gets lost or refused here gets lost in real logs.
 */
const golden = JSON.parse(readFileSync(new URL('../golden/events.v1.json', import.meta.url), 'utf8')) as Record<
  string,
  Record<string, unknown>
>;
const schemas: Readonly<Record<string, z.ZodObject>> = { ...accountEventSchemas, ...campaignEventSchemas };

describe('events of accounts and campaigns', () => {
  it('have an example each', () => {
    expect(Object.keys(golden).sort()).toEqual(Object.keys(schemas).sort());
  });

  it.each(Object.keys(golden))('%s reads today without losing a field, and has one for each of today', (type) => {
    const schema = schemas[type]!;
    expect(schema.parse(golden[type])).toEqual(golden[type]);
    expect(Object.keys(golden[type]!).sort()).toEqual(Object.keys(schema.shape).sort());
  });
});
