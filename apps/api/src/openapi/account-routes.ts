import { z } from 'zod';
import {
  accountActions,
  accountCommandSchemas,
  campaignActions,
  campaignCommandSchemas,
  chosenId,
  type AccountCommandName,
  type CampaignCommandName,
} from '#libs/account/src/account-commands.js';
import { money } from '#libs/lead/src/events.js';
import { accountListQuery, accountQuery } from '../accounts/accounts.controller.js';
import { position } from '../query-fields.js';
import type { Route } from './route.js';

const headers = {
  'Idempotency-Key': {
    schema: z.string().min(1).max(200),
    description: 'Command id: the same again is the same command. A uuid, or up to 200 visible ASCII characters',
  },
};
const answer = {
  revision: z.int(),
  position: position.nullable().describe('Pass it as `after` to a query to see the effect'),
  events: z.array(z.object({ type: z.string(), eventId: z.string() })),
  replayed: z.boolean().describe('The command had been carried out before; this is its first outcome'),
};
const accountAnswer = z.object({ accountId: z.string(), ...answer });
const campaignAnswer = z.object({ campaignId: z.string(), ...answer });
const etag = { ETag: 'The revision, in quotes' };

const accountCard = z.looseObject({
  accountId: z.string(),
  name: z.string(),
  domains: z.array(z.string()),
  industry: z.string().nullable(),
  annualRevenue: money.nullable(),
  employees: z.int().nullable(),
  country: z.string().nullable(),
  icpFit: z
    .looseObject({ icpId: z.string(), icpVersion: z.int(), result: z.enum(['pass', 'fail', 'unknown']) })
    .nullable(),
  mergedInto: z.string().nullable(),
});
const campaignCard = z.looseObject({
  campaignId: z.string(),
  status: z.enum(['planned', 'running', 'ended']),
  name: z.string(),
  budget: money,
  spentMinor: z.int(),
});

const lowerFirst = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);

const accountCommandRoutes: Route[] = Object.entries(accountActions).flatMap(([key, { action, roles }]) => {
  const name = key as AccountCommandName;
  const creates = action === null;
  return {
    method: 'POST' as const,
    path: creates ? '/v1/accounts' : `/v1/accounts/{accountId}/${action}`,
    tag: 'Accounts',
    summary: `${name}.`,
    operationId: lowerFirst(name),
    roles,
    ...(creates ? {} : { params: { accountId: chosenId } }),
    headers,
    body: { schema: accountCommandSchemas[name], name },
    answers: {
      [creates ? 201 : 200]: {
        description: 'Carried out',
        schema: accountAnswer,
        name: 'AccountAnswer',
        headers: etag,
      },
    },
  };
});

const campaignCommandRoutes: Route[] = Object.entries(campaignActions).flatMap(([key, { action, roles }]) => {
  const name = key as CampaignCommandName;
  const creates = action === null;
  return {
    method: 'POST' as const,
    path: creates ? '/v1/campaigns' : `/v1/campaigns/{campaignId}/${action}`,
    tag: 'Campaigns',
    summary: `${name}.`,
    operationId: lowerFirst(name),
    roles,
    ...(creates ? {} : { params: { campaignId: chosenId } }),
    headers,
    body: { schema: campaignCommandSchemas[name], name },
    answers: {
      [creates ? 201 : 200]: {
        description: 'Carried out',
        schema: campaignAnswer,
        name: 'CampaignAnswer',
        headers: etag,
      },
    },
  };
});

/** Accounts and campaigns (spec §4.3). */
export const accountRoutes: readonly Route[] = [
  ...accountCommandRoutes,
  {
    method: 'GET',
    path: '/v1/accounts',
    tag: 'Accounts',
    summary: 'Accounts in the order of their registration.',
    operationId: 'listAccounts',
    query: accountListQuery,
    answers: {
      200: {
        description: 'A page',
        schema: z.object({ items: z.array(accountCard), nextCursor: z.string().nullable() }),
        name: 'AccountPage',
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/accounts/{accountId}',
    tag: 'Accounts',
    summary: 'An account with its buying roles, research and leads.',
    operationId: 'readAccount',
    params: { accountId: chosenId },
    query: accountQuery,
    answers: {
      200: {
        description: 'The account',
        schema: accountCard.extend({
          revision: z.int(),
          buyingRoles: z.array(z.object({ leadId: z.string(), role: z.string() })),
          leadCount: z.int(),
          leads: z.array(z.looseObject({ leadId: z.string(), state: z.string() })),
        }),
        name: 'Account',
      },
    },
  },
  ...campaignCommandRoutes,
  {
    method: 'GET',
    path: '/v1/campaigns',
    tag: 'Campaigns',
    summary: 'Campaigns with what they have cost.',
    operationId: 'listCampaigns',
    answers: {
      200: { description: 'All of them', schema: z.object({ items: z.array(campaignCard) }), name: 'Campaigns' },
    },
  },
  {
    method: 'GET',
    path: '/v1/campaigns/{campaignId}',
    tag: 'Campaigns',
    summary: 'A campaign with every cost.',
    operationId: 'readCampaign',
    params: { campaignId: chosenId },
    answers: { 200: { description: 'The campaign', schema: campaignCard, name: 'Campaign' } },
  },
];
