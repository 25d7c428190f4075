import { z } from 'zod';
import type { KnownCampaigns } from '#libs/lead/src/account-facts.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { code, date, id, money, ts } from '#libs/lead/src/events.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { CampaignCommand } from './account-commands.js';
import { occurredMs } from './decide-account.js';

/** What was planned and spent to bring leads (spec §4.3 campaign): events, fold, decisions, and the book of all campaigns. */

const base = { occurredAt: ts };
export const campaignEventSchemas = {
  CampaignPlanned: z.object({
    ...base, name: z.string().min(1).max(256), purpose: z.enum(['attract', 'convert', 'reengage']), channel: code,
    audienceSegment: code.optional(), personaId: id.optional(), budget: money,
  }),
  CampaignLaunched: z.object(base),
  CampaignCostRecorded: z.object({ ...base, amount: money, date }),
  CampaignEnded: z.object(base),
} as const; // prettier-ignore
export type CampaignEventType = keyof typeof campaignEventSchemas;
export type CampaignEventData<T extends CampaignEventType> = z.infer<(typeof campaignEventSchemas)[T]>;
export type CampaignEvent = {
  [T in CampaignEventType]: { readonly type: T; readonly data: CampaignEventData<T> };
}[CampaignEventType];

export interface Campaign {
  readonly campaignId: string;
  /** null: there is no such campaign. */
  readonly status: 'planned' | 'running' | 'ended' | null;
  readonly planned: CampaignEventData<'CampaignPlanned'> | null;
  readonly launchedAt: string | null;
  readonly endedAt: string | null;
  /** In the budget's currency, in the order recorded. */
  readonly costs: readonly { readonly amountMinor: number; readonly date: string }[];
}

export const initialCampaign = (campaignId: string): Campaign => ({
  campaignId,
  status: null,
  planned: null,
  launchedAt: null,
  endedAt: null,
  costs: [],
});

/** Never throws and ignores types it does not know. */
export function evolveCampaign(campaign: Campaign, event: CampaignEvent): Campaign {
  switch (event.type) {
    case 'CampaignPlanned':
      return { ...campaign, status: 'planned', planned: event.data };
    case 'CampaignLaunched':
      return { ...campaign, status: 'running', launchedAt: event.data.occurredAt };
    case 'CampaignCostRecorded': {
      const { amount, date } = event.data;
      return { ...campaign, costs: [...campaign.costs, { amountMinor: amount.amountMinor, date }] };
    }
    case 'CampaignEnded':
      return { ...campaign, status: 'ended', endedAt: event.data.occurredAt };
    default:
      event satisfies never;
      return campaign;
  }
}

/**
 * Pure. Costs may come after the end: invoices do.
 * @throws LeadError CAMPAIGN_EXISTS, CAMPAIGN_NOT_FOUND, INVALID_TRANSITION, OCCURRED_IN_FUTURE, AMOUNT_INVALID,
 *   CURRENCY_MISMATCH, UNKNOWN_PERSONA
 */
export function decideCampaign(
  campaign: Campaign,
  command: CampaignCommand,
  context: { readonly nowMs: number; readonly policies: PolicyBook },
): CampaignEvent[] {
  const { campaignId, planned, status } = campaign;
  const { nowMs, policies } = context;
  const occurredAt = new Date(occurredMs(command.body.occurredAt, nowMs, 'occurredAt')).toISOString();
  if (command.name === 'PlanCampaign') {
    if (status !== null) throw new LeadError('CAMPAIGN_EXISTS', `there is a campaign ${campaignId}`, { campaignId });
    const { name, purpose, channel, audienceSegment, personaId, budget } = command.body;
    const known =
      personaId === undefined || policies.persona(personaId, nowMs) !== null || policies.personas(nowMs).length === 0;
    if (!known) throw new LeadError('UNKNOWN_PERSONA', `no persona ${personaId} is in force`, { field: 'personaId' });
    const optional = {
      ...(audienceSegment === undefined ? {} : { audienceSegment }),
      ...(personaId === undefined ? {} : { personaId }),
    };
    return [{ type: 'CampaignPlanned', data: { occurredAt, name, purpose, channel, budget, ...optional } }];
  }
  if (planned === null) throw campaignNotFound(campaignId);
  switch (command.name) {
    case 'LaunchCampaign':
      requireStatus(campaign, command.name, ['planned']);
      return [{ type: 'CampaignLaunched', data: { occurredAt } }];
    case 'RecordCampaignCost': {
      const { amount } = command.body;
      if (amount.amountMinor <= 0) throw new LeadError('AMOUNT_INVALID', 'a cost is above zero', { field: 'amount' });
      const { currency } = planned.budget;
      if (amount.currency !== currency)
        throw new LeadError('CURRENCY_MISMATCH', `the budget is in ${currency}`, { field: 'amount.currency' });
      return [
        {
          type: 'CampaignCostRecorded',
          data: { occurredAt, amount, date: command.body.date ?? occurredAt.slice(0, 10) },
        },
      ];
    }
    case 'EndCampaign':
      requireStatus(campaign, command.name, ['planned', 'running']);
      return [{ type: 'CampaignEnded', data: { occurredAt } }];
  }
}

function requireStatus({ campaignId, status }: Campaign, command: string, allowed: readonly string[]): void {
  if (status === null || allowed.includes(status)) return;
  const facts = { campaignId, from: status, command, allowed };
  throw new LeadError('INVALID_TRANSITION', `${command} is not possible while ${status}`, facts);
}

export const campaignNotFound = (campaignId: string): LeadError =>
  new LeadError('CAMPAIGN_NOT_FOUND', `there is no campaign ${campaignId}`, { campaignId });

const PREFIX = 'campaign-';
const isCampaignEventType = (type: string): type is CampaignEventType => Object.hasOwn(campaignEventSchemas, type);

/** Every campaign there is: the fold of the campaign streams in log order. They are few, as configuration is. */
export class CampaignBook implements KnownCampaigns {
  readonly #campaigns = new Map<string, Campaign>();

  get size(): number {
    return this.#campaigns.size;
  }

  has(campaignId: string): boolean {
    return this.#campaigns.has(campaignId);
  }

  get(campaignId: string): Campaign | null {
    return this.#campaigns.get(campaignId) ?? null;
  }

  /** In the order in which they were planned. */
  all(): Campaign[] {
    return [...this.#campaigns.values()];
  }

  /** Other types are ignored. @throws ZodError for a payload that is not of its schema; the book is then unchanged */
  apply(event: { readonly stream: string; readonly type: string; readonly data: unknown }): void {
    if (!event.stream.startsWith(PREFIX) || !isCampaignEventType(event.type)) return;
    const campaignId = event.stream.slice(PREFIX.length);
    const data = campaignEventSchemas[event.type].parse(event.data);
    const before = this.#campaigns.get(campaignId) ?? initialCampaign(campaignId);
    this.#campaigns.set(campaignId, evolveCampaign(before, { type: event.type, data } as CampaignEvent));
  }
}
