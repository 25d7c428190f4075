import { describe, expect, it } from '@jest/globals';
import { commandActions } from '#libs/lead/src/commands.js';
import { openApiDocument } from './openapi.js';
import { methodsOf, routes } from './routes.js';

type Json = Record<string, unknown>;
const document = openApiDocument(routes, '1.2.3') as {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json> };
};
interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security: Json[];
  parameters: { name: string; in: string; required: boolean; schema: Json }[];
  requestBody?: { content: Record<string, { schema: Json }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Json }> }>;
}
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

function* refsOf(value: unknown): Generator<string> {
  if (value === null || typeof value !== 'object') return;
  for (const [key, item] of Object.entries(value)) {
    if (key === '$ref' && typeof item === 'string') yield item;
    else yield* refsOf(item);
  }
}

describe('the OpenAPI document', () => {
  it('is of version 3.1 and is JSON', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });

  it('names each operation once', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z]+$/);
  });

  it('refers only to schemas that it has', () => {
    for (const ref of refsOf(document)) {
      const [, name] = /^#\/components\/schemas\/(\w+)$/.exec(ref) ?? [];
      expect(document.components.schemas).toHaveProperty(name ?? ref);
    }
  });

  it('declares exactly the parameters that a path has', () => {
    for (const { path, operation } of operations) {
      const inPath = operation.parameters.filter((one) => one.in === 'path');
      expect(new Set(inPath.map(({ name }) => name))).toEqual(
        new Set([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)),
      );
      for (const { required } of inPath) expect(required).toBe(true);
    }
  });

  it('says of each operation what it answers, and that a refusal is a problem', () => {
    for (const { operation } of operations) {
      expect(operation.summary).toMatch(/\.$/);
      const statuses = Object.keys(operation.responses);
      expect(statuses).toContain('default');
      expect(statuses.some((status) => /^(2\d\d|302)$/.test(status))).toBe(true);
      expect(Object.keys(operation.responses.default?.content ?? {})).toEqual(['application/problem+json']);
    }
  });

  it('asks for a key everywhere but where nobody is asked who he is', () => {
    const open = operations.filter(({ operation }) => operation.security.length === 0).map(({ path }) => path);
    expect(open.every((path) => !path.startsWith('/v1/'))).toBe(true);
    expect(open.length).toBeGreaterThan(3);
  });

  it('has every action of a lead with the schema of its command', () => {
    for (const [name, { action }] of Object.entries(commandActions)) {
      if (action === null) continue;
      const operation = document.paths[`/v1/leads/{leadId}/${action}`]?.post;
      expect(operation?.requestBody?.content['application/json']?.schema).toEqual({
        $ref: `#/components/schemas/${name}`,
      });
    }
    expect(document.components.schemas.CaptureLead).toMatchObject({ type: 'object', additionalProperties: false });
  });
});

describe('the methods of a path', () => {
  it('are known with its parameters filled in', () => {
    expect(methodsOf('/v1/leads')).toEqual(expect.arrayContaining(['GET', 'POST']));
    expect(methodsOf('/v1/leads/some-lead/accept')).toEqual(['POST']);
    expect(methodsOf('/v1/reports/stock')).toEqual(['GET']);
    expect(methodsOf('/v1/reports/stock/more')).toEqual([]);
  });
});
