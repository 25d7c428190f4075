import { z } from 'zod';
import type { Role } from '#libs/lead/src/commands.js';
import { APPROVES, CONFIGURES } from '../config/config.controller.js';
import {
  activateBody,
  approveBody,
  capacityBody,
  configAnswer,
  configHistory,
  configId,
  configKind,
  configList,
  diffAnswer,
  diffQuery,
  documentKind,
  draftBody,
  joinBody,
  leaveBody,
  readinessAnswer,
  readinessQuery,
  repList,
  retireBody,
  routingAnswer,
  routingBody,
  trainedBody,
  validateBody,
  versionNumber,
} from '../config/config-requests.js';
import type { Route, RouteBody } from './route.js';

const tag = 'Configuration';
const headers = {
  'Idempotency-Key': {
    schema: z.string().min(1).max(200),
    description: 'The same again is the same act, answered as the first time',
  },
  'If-Match': { schema: z.string(), description: 'The revision the sender saw, as `ETag` gave it; else 409 CONFLICT' },
};
const answered = {
  description: 'Recorded; whatever is commanded next is decided under it',
  schema: configAnswer,
  name: 'ConfigAnswer',
  headers: { ETag: "Revision of the document's stream, in quotes" },
};
const ofKind = { kind: configKind, id: configId };
const ofVersion = { kind: documentKind, id: configId, version: versionNumber };
const ofTeam = { id: configId };
const ofRep = { id: configId, repId: configId };

interface Act {
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly body: RouteBody;
  readonly params: NonNullable<Route['params']>;
  readonly roles?: readonly Role[];
  readonly status?: 200 | 201;
}
const act = ({ body, operationId, params, path, roles = CONFIGURES, status = 200, summary }: Act): Route => ({
  method: 'POST',
  path,
  tag,
  summary,
  operationId,
  roles,
  params,
  headers,
  body,
  answers: { [status]: answered },
});

export const configRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/config/readiness',
    tag,
    summary: 'Which teams may receive handoffs, and what the others lack.',
    operationId: 'configReadiness',
    query: readinessQuery,
    answers: { 200: { description: 'By team', schema: readinessAnswer, name: 'ConfigReadiness' } },
  },
  {
    method: 'GET',
    path: '/v1/config/{kind}',
    tag,
    summary: 'Documents of one kind and the version in force.',
    operationId: 'listConfig',
    params: { kind: configKind },
    answers: { 200: { description: 'The documents', schema: configList, name: 'ConfigList' } },
  },
  {
    method: 'GET',
    path: '/v1/config/{kind}/{id}',
    tag,
    summary: 'Every version of one document.',
    operationId: 'readConfig',
    params: ofKind,
    answers: { 200: { description: 'Its versions', schema: configHistory, name: 'ConfigDocument' } },
  },
  {
    method: 'GET',
    path: '/v1/config/{kind}/{id}/diff',
    tag,
    summary: 'What changed from one version to another.',
    operationId: 'diffConfig',
    params: ofKind,
    query: diffQuery,
    answers: { 200: { description: 'Changed paths with both values', schema: diffAnswer, name: 'ConfigDiff' } },
  },
  act({
    path: '/v1/config/{kind}',
    operationId: 'draftConfig',
    summary: 'Draft the next version of a document; set a team, a target or a benchmark.',
    params: { kind: configKind },
    body: { schema: draftBody, name: 'ConfigDraft' },
    status: 201,
  }),
  act({
    path: '/v1/config/{kind}/{id}/versions/{version}/approve',
    operationId: 'approveConfig',
    summary: 'Approve a version for marketing or for sales.',
    params: ofVersion,
    body: { schema: approveBody, name: 'ConfigApproval' },
    roles: Object.keys(APPROVES) as Role[],
  }),
  act({
    path: '/v1/config/{kind}/{id}/versions/{version}/activate',
    operationId: 'activateConfig',
    summary: 'Put a version in force, now or from another time on.',
    params: ofVersion,
    body: { schema: activateBody, name: 'ConfigActivation' },
  }),
  act({
    path: '/v1/config/{kind}/{id}/versions/{version}/validate',
    operationId: 'validateConfig',
    summary: 'Put on record which what-if tried this version of a scoring model.',
    roles: ['analyst', ...CONFIGURES],
    params: ofVersion,
    body: { schema: validateBody, name: 'ConfigValidation' },
  }),
  act({
    path: '/v1/config/{kind}/{id}/versions/{version}/retire',
    operationId: 'retireConfig',
    summary: 'End the version in force without a successor, or one that is to come.',
    params: ofVersion,
    body: { schema: retireBody, name: 'ConfigRetirement' },
  }),
  {
    method: 'GET',
    path: '/v1/config/teams/{id}/reps',
    tag,
    summary: 'Who works in a team now.',
    operationId: 'listReps',
    params: ofTeam,
    answers: { 200: { description: 'Its people', schema: repList, name: 'RepList' } },
  },
  act({
    path: '/v1/config/teams/{id}/reps',
    operationId: 'joinRep',
    summary: 'Somebody joins a team, from another one perhaps.',
    params: ofTeam,
    body: { schema: joinBody, name: 'RepJoining' },
    status: 201,
  }),
  act({
    path: '/v1/config/teams/{id}/reps/{repId}/leave',
    operationId: 'leaveRep',
    summary: 'Somebody leaves.',
    params: ofRep,
    body: { schema: leaveBody, name: 'RepLeaving' },
  }),
  act({
    path: '/v1/config/teams/{id}/reps/{repId}/capacity',
    operationId: 'changeRepCapacity',
    summary: 'How many leads a week somebody takes, perhaps for a while only.',
    params: ofRep,
    body: { schema: capacityBody, name: 'RepCapacity' },
  }),
  act({
    path: '/v1/config/teams/{id}/reps/{repId}/trained',
    operationId: 'trainRep',
    summary: 'Somebody has learnt something.',
    params: ofRep,
    body: { schema: trainedBody, name: 'RepTraining' },
  }),
  {
    method: 'GET',
    path: '/v1/config/teams/{id}/routing',
    tag,
    summary: "How a team's leads find their owner.",
    operationId: 'readRouting',
    params: ofTeam,
    answers: { 200: { description: 'The rules, or null', schema: routingAnswer, name: 'Routing' } },
  },
  act({
    path: '/v1/config/teams/{id}/routing',
    operationId: 'setRouting',
    summary: "Set how a team's leads find their owner.",
    params: ofTeam,
    body: { schema: routingBody, name: 'RoutingRules' },
  }),
];
