import { z } from 'zod';
import { commandActions, leadCommandSchemas, type CommandName } from '#libs/lead/src/commands.js';
import { LEAD_STATES } from '#libs/lead/src/states.js';
import { bulkRoutes } from '../bulk/bulk-routes.js';
import { eventsAnswer, eventsQuery } from '../events/events.controller.js';
import { exportRoutes } from '../export/export-routes.js';
import { importRoutes } from '../imports/import-routes.js';
import { issuedKey, keyCard, keyId, keyList, keyRequest } from '../keys/keys.controller.js';
import { leadId, position } from '../query-fields.js';
import { slaReplayRoutes } from '../whatif/sla-replay-routes.js';
import { tuningRoutes } from '../whatif/tuning-routes.js';
import { replayRoutes } from '../whatif/what-if-routes.js';
import { accountRoutes } from './account-routes.js';
import { alertRoutes } from './alert-routes.js';
import { configRoutes } from './config-routes.js';
import { historyRoutes } from './history-routes.js';
import { projectionRoutes } from './projection-routes.js';
import { reportRoutes } from './report-routes.js';
import { reviewRoutes } from './review-routes.js';
import type { Route } from './route.js';
import { testingRoutes } from './testing-routes.js';

const NDJSON = ['application/x-ndjson'];
const HTML = ['text/html'];

const commandAnswer = z.object({
  leadId: z.string(),
  revision: z.int().describe("Of the lead's last event after the command"),
  position: position.nullable().describe('Pass it as `after` to a query to see the effect'),
  state: z.enum(LEAD_STATES).nullable(),
  events: z.array(z.object({ type: z.string(), eventId: z.string() })),
  replayed: z.boolean().describe('The command had been carried out before; this is its first outcome'),
});
const idempotencyKey = {
  'Idempotency-Key': {
    schema: z.string().min(1).max(200),
    description: 'Command id: the same again is the same command. A uuid, or up to 200 visible ASCII characters',
  },
};
const ifMatch = {
  'If-Match': {
    schema: z.string(),
    description: 'The revision the sender saw, as `ETag` gave it; another one is 409 CONFLICT',
  },
};
const answered = {
  description: 'Carried out',
  schema: commandAnswer,
  name: 'CommandAnswer',
  headers: { ETag: 'The revision, in quotes' },
};

const commandRoutes: Route[] = Object.entries(commandActions).flatMap(([key, { action, roles }]) => {
  const name = key as CommandName;
  if (action === null) return [];
  return [
    {
      method: 'POST' as const,
      path: `/v1/leads/{leadId}/${action}`,
      tag: 'Commands',
      summary: `${name}.`,
      operationId: name.charAt(0).toLowerCase() + name.slice(1),
      roles,
      params: { leadId },
      headers: { ...idempotencyKey, ...ifMatch },
      body: { schema: leadCommandSchemas[name], name },
      answers: { 200: answered },
    },
  ];
});

/** Every route there is, in the order of the documentation. `routes.spec.ts` compares it with what Nest serves. */
export const routes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/leads',
    tag: 'Commands',
    summary: 'CaptureLead: a new lead, or another touch of a known person.',
    operationId: 'captureLead',
    roles: commandActions.CaptureLead.roles,
    headers: idempotencyKey,
    body: { schema: leadCommandSchemas.CaptureLead, name: 'CaptureLead' },
    answers: { 201: { ...answered, description: 'A new lead' }, 200: { ...answered, description: 'A known lead' } },
  },
  ...commandRoutes,
  {
    method: 'POST',
    path: '/v1/commands',
    tag: 'Batches',
    summary: 'Commands as NDJSON: one result line per input line, in order.',
    operationId: 'commandBatch',
    headers: idempotencyKey,
    body: {
      schema: z
        .object({
          command: z.enum(Object.keys(leadCommandSchemas) as [string, ...string[]]),
          commandId: z.uuid().optional(),
          leadId: leadId.optional(),
        })
        .loose(),
      contentTypes: NDJSON,
      name: 'CommandLine',
    },
    answers: {
      200: {
        description: 'One line each: a command answer or a problem, with `line`',
        contentTypes: NDJSON,
        schema: z.looseObject({ line: z.int() }),
        name: 'ResultLine',
      },
    },
  },
  {
    method: 'POST',
    path: '/v1/behaviours',
    tag: 'Batches',
    summary: 'Behaviours as NDJSON: one result line per input line, in order.',
    operationId: 'behaviourBatch',
    headers: idempotencyKey,
    body: {
      schema: z.object({ leadId, commandId: z.uuid().optional() }).extend(leadCommandSchemas.RecordBehaviour.shape),
      contentTypes: NDJSON,
      name: 'BehaviourLine',
    },
    answers: {
      200: {
        description: 'One line each: a command answer or a problem, with `line`',
        contentTypes: NDJSON,
        schema: z.looseObject({ line: z.int() }),
        name: 'ResultLine',
      },
    },
  },
  ...bulkRoutes,
  ...exportRoutes,
  ...reportRoutes,
  {
    method: 'GET',
    path: '/v1/events',
    tag: 'Events',
    summary: "The leads' events in the order of the log, without personal fields.",
    operationId: 'listEvents',
    query: eventsQuery,
    answers: { 200: { description: 'A page; go on with `after=<position>`', schema: eventsAnswer, name: 'EventPage' } },
  },
  ...accountRoutes,
  ...alertRoutes,
  ...reviewRoutes,
  ...importRoutes,
  ...replayRoutes,
  ...slaReplayRoutes,
  ...tuningRoutes,
  {
    method: 'POST',
    path: '/v1/keys',
    tag: 'Keys',
    summary: 'Issue an API key; it is told once.',
    operationId: 'issueKey',
    roles: ['admin'],
    body: { schema: keyRequest, name: 'KeyRequest' },
    answers: { 201: { description: 'The key', schema: issuedKey, name: 'IssuedKey' } },
  },
  {
    method: 'GET',
    path: '/v1/keys',
    tag: 'Keys',
    summary: 'Every key ever issued.',
    operationId: 'listKeys',
    roles: ['admin'],
    answers: { 200: { description: 'The keys, oldest first', schema: keyList, name: 'KeyList' } },
  },
  {
    method: 'DELETE',
    path: '/v1/keys/{keyId}',
    tag: 'Keys',
    summary: 'Revoke a key.',
    operationId: 'revokeKey',
    roles: ['admin'],
    params: { keyId },
    answers: { 200: { description: 'The revoked key', schema: keyCard, name: 'KeyCard' } },
  },
  ...configRoutes,
  ...historyRoutes,
  ...projectionRoutes,
  ...testingRoutes,
  {
    method: 'GET',
    path: '/healthz',
    tag: 'Operations',
    summary: 'The process runs.',
    operationId: 'health',
    roles: null,
    answers: { 200: { description: 'It does' } },
  },
  {
    method: 'GET',
    path: '/readyz',
    tag: 'Operations',
    summary: 'The log answers, the configuration is loaded, the views have caught up once.',
    operationId: 'ready',
    roles: null,
    answers: { 200: { description: 'Ready' }, 503: { description: 'Not ready; the body says what is missing' } },
  },
  {
    method: 'GET',
    path: '/metrics',
    tag: 'Operations',
    summary: 'Prometheus metrics.',
    operationId: 'metrics',
    roles: null,
    answers: { 200: { description: 'Text exposition format', contentTypes: ['text/plain'], schema: z.string() } },
  },
  {
    method: 'GET',
    path: '/openapi.json',
    tag: 'Documentation',
    summary: 'This document.',
    operationId: 'openapi',
    roles: null,
    answers: { 200: { description: 'OpenAPI 3.1' } },
  },
  {
    method: 'GET',
    path: '/',
    tag: 'Documentation',
    summary: 'How the funnel does, for people: asks `/v1/reports/health`.',
    operationId: 'home',
    roles: null,
    answers: { 200: { description: 'A page', contentTypes: HTML, schema: z.string() } },
  },
  {
    method: 'GET',
    path: '/console.js',
    tag: 'Documentation',
    summary: 'Script of that page.',
    operationId: 'consoleScript',
    roles: null,
    answers: { 200: { description: 'A script', contentTypes: ['text/javascript'], schema: z.string() } },
  },
  {
    method: 'GET',
    path: '/docs',
    tag: 'Documentation',
    summary: 'This document for people.',
    operationId: 'docs',
    roles: null,
    answers: { 200: { description: 'A page', contentTypes: HTML, schema: z.string() } },
  },
  {
    method: 'GET',
    path: '/docs/rapidoc.js',
    tag: 'Documentation',
    summary: 'Script of that page.',
    operationId: 'docsScript',
    roles: null,
    answers: { 200: { description: 'A script', contentTypes: ['text/javascript'], schema: z.string() } },
  },
  {
    method: 'GET',
    path: '/sign-in',
    tag: 'Documentation',
    summary: 'Where the link printed at start leads; good for one visit.',
    operationId: 'signIn',
    roles: null,
    query: z.object({ token: z.string() }),
    answers: { 200: { description: 'A page', contentTypes: HTML, schema: z.string() } },
  },
];

const patterns = routes.map(({ method, path }) => ({
  method,
  pattern: new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}/?$`),
}));

/** Methods under which a path is known; empty: nothing answers there. */
export const methodsOf = (path: string): string[] => [
  ...new Set(patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)),
];
