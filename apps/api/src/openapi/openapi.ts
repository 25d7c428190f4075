import { z } from 'zod';
import type { Route, RouteAnswer } from './route.js';

type Json = Record<string, unknown>;

const problem = z
  .object({
    type: z.string(),
    code: z.string().describe('Stable name of what went wrong, e.g. INVALID_TRANSITION'),
    title: z.string(),
    detail: z.string(),
    status: z.int(),
    fields: z.array(z.object({ field: z.string(), rule: z.string() })),
    leadId: z.string().optional(),
    currentState: z.string().optional(),
    currentRevision: z.int().optional(),
    retryable: z.boolean(),
  })
  .loose();

/** OpenAPI 3.1 (its schema dialect is JSON Schema 2020-12, which is what zod writes). Pure. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const components: Record<string, Json> = { Problem: jsonSchema(problem, 'output') };
  const place = (schema: z.ZodType, io: 'input' | 'output', name?: string): Json => {
    if (name === undefined) return jsonSchema(schema, io);
    components[name] ??= withSharedDefinitions(name, jsonSchema(schema, io), components);
    return { $ref: `#/components/schemas/${name}` };
  };
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const operation: Json = {
      operationId: route.operationId,
      tags: [route.tag],
      summary: route.summary,
      ...(route.roles === undefined || route.roles === null
        ? {}
        : {
            description: `For ${[...route.roles, 'admin'].filter((role, at, all) => all.indexOf(role) === at).join(', ')}.`,
          }),
      security: route.roles === null ? [] : [{ key: [] }],
      parameters: parametersOf(route),
      responses: {
        ...Object.fromEntries(
          Object.entries(route.answers).map(([status, answer]) => [status, answerOf(answer, place)]),
        ),
        default: {
          description: 'A refusal (RFC 9457)',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    };
    if (route.body !== undefined) {
      const { schema, name, contentTypes = ['application/json'] } = route.body;
      const content = { schema: place(schema, 'input', name) };
      operation.requestBody = {
        required: true,
        content: Object.fromEntries(contentTypes.map((type) => [type, content])),
      };
    }
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation };
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'Lead Ledger',
      version,
      description: 'Event-sourced lead funnel: every stage change kept, every figure explained.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key, or a JWT of the configured OpenID provider' },
      },
    },
  };
}

function answerOf(answer: RouteAnswer, place: (schema: z.ZodType, io: 'output', name?: string) => Json): Json {
  const { description, schema, name, contentTypes = ['application/json'], headers } = answer;
  return {
    description,
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([header, description]) => [
              header,
              { description, schema: { type: 'string' } },
            ]),
          ),
        }),
    ...(schema === undefined
      ? {}
      : {
          content: Object.fromEntries(contentTypes.map((type) => [type, { schema: place(schema, 'output', name) }])),
        }),
  };
}

function parametersOf(route: Route): Json[] {
  const inPath = Object.entries(route.params ?? {}).map(([name, schema]) => ({
    name,
    in: 'path',
    required: true,
    schema: jsonSchema(schema, 'input'),
  }));
  const inQuery = Object.entries(route.query?.shape ?? {}).map(([name, field]) => {
    const { description, ...schema } = jsonSchema(field as z.ZodType, 'input');
    return {
      name,
      in: 'query',
      required: !(field as z.ZodType).safeParse(undefined).success,
      ...(description === undefined ? {} : { description }),
      schema,
    };
  });
  const inHeader = Object.entries(route.headers ?? {}).map(([name, { schema, description }]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: jsonSchema(schema, 'input'),
  }));
  return [...inPath, ...inQuery, ...inHeader];
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  return json;
}

/** Recursive parts come as `$defs` of their own document: here they have to be components to be found. */
function withSharedDefinitions(name: string, { $defs, ...json }: Json, components: Record<string, Json>): Json {
  if ($defs === undefined) return json;
  const rename = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(rename);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) =>
        key === '$ref' && typeof item === 'string'
          ? [key, item.replace(/^#\/\$defs\/_*/, `#/components/schemas/${name}_`)]
          : [key, rename(item)],
      ),
    );
  };
  for (const [key, definition] of Object.entries($defs as Json))
    components[`${name}_${key.replace(/^_*/, '')}`] = rename(definition) as Json;
  return rename(json) as Json;
}
