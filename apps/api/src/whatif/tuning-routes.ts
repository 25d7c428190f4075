import type { Route } from '../openapi/route.js';
import { tuningRequest } from './tuning-requests.js';
import { whatIfRoutes } from './what-if-routes.js';

export const tuningRoutes: readonly Route[] = whatIfRoutes(
  {
    path: '/v1/tunings',
    operation: 'Tuning',
    request: 'TuningRequest',
    summary: 'Fit a scoring model to what became of leads, and test it on those that came later.',
  },
  tuningRequest,
  ['analyst', 'ops'],
);
