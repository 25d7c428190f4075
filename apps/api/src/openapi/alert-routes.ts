import { z } from 'zod';
import { ALERT_CONDITIONS } from '#libs/alert/src/alert-conditions.js';
import { ALERT_ROLES, acknowledgeBody, alertsQuery } from '../alerts/alerts.controller.js';
import type { Route } from './route.js';

const headers = {
  'Idempotency-Key': {
    schema: z.string().min(1).max(200),
    description: 'Command id: the same again is the same command. A uuid, or up to 200 visible ASCII characters',
  },
};
const alertKey = z.string().describe('The condition, with what it is about where there are several');
const alertCard = z.object({
  key: z.string(),
  condition: z.enum(Object.keys(ALERT_CONDITIONS) as [string, ...string[]]),
  status: z.enum(['open', 'acknowledged', 'cleared']),
  since: z.string().describe('When it was raised the last time'),
  text: z.string(),
  value: z.number().nullable().describe('As it was raised'),
  threshold: z.number(),
  n: z.int().describe('Of the sample'),
  window: z.string().describe('P30D: the last 30 days; now: as it stood'),
  drill: z.string().nullable().describe('The leads or the report behind it'),
  acknowledged: z.object({ at: z.string(), by: z.string(), note: z.string().nullable() }).nullable(),
  cleared: z.object({ at: z.string(), value: z.number().nullable() }).nullable(),
  times: z.int().describe('How often it was raised, ever'),
});

/** Alerts (spec §8.5). */
export const alertRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/alerts',
    tag: 'Alerts',
    summary: 'What needs somebody’s attention, the last raised first.',
    operationId: 'listAlerts',
    query: alertsQuery,
    answers: {
      200: {
        description: 'The alerts',
        schema: z.object({ position: z.string().nullable(), items: z.array(alertCard) }),
        name: 'Alerts',
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/alerts/{key}',
    tag: 'Alerts',
    summary: 'One condition, standing or cleared.',
    operationId: 'readAlert',
    params: { key: alertKey },
    answers: { 200: { description: 'The alert', schema: alertCard, name: 'Alert' } },
  },
  {
    method: 'POST',
    path: '/v1/alerts/{key}/acknowledge',
    tag: 'Alerts',
    summary: 'Somebody sees to it.',
    operationId: 'acknowledgeAlert',
    roles: ALERT_ROLES,
    params: { key: alertKey },
    headers,
    body: { schema: acknowledgeBody, name: 'AcknowledgeAlert' },
    answers: { 200: { description: 'The alert', schema: alertCard, name: 'Alert' } },
  },
];
