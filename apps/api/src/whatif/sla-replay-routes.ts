import type { Route } from '../openapi/route.js';
import { slaReplayRequest } from './sla-replay-requests.js';
import { whatIfRoutes } from './what-if-routes.js';

export const slaReplayRoutes: readonly Route[] = whatIfRoutes(
  {
    path: '/v1/sla-replays',
    operation: 'SlaReplay',
    request: 'SlaReplayRequest',
    summary: 'Try another service agreement or other calendars on the promises of the past, without touching a lead.',
  },
  slaReplayRequest,
  ['analyst', 'ops'],
);
