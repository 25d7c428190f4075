import { z } from 'zod';
import { ROLES, type Role } from '#libs/lead/src/commands.js';
import { code, date, id, money, role, text, ts } from '#libs/lead/src/events.js';
import { country } from './account-events.js';

/** The commands of accounts and campaigns: bodies, URL actions and who may give them. Schemas are strict. */

/** RFC 3339 with any offset; comes out as UTC with milliseconds. */
const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value).toISOString())
  .pipe(ts);
/** What a client may choose as a name of its own: it ends up in a URL and in a stream's name. */
export const chosenId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'letters, digits, dot, dash, underline');
const body = <S extends z.ZodRawShape>(shape: S) =>
  z.strictObject({
    /** When it happened in the business; default: now. */
    occurredAt: instant.optional(),
    /** The person an ops user acts for. */
    onBehalfOf: id.optional(),
    ...shape,
  });
const leadId = z.uuid().transform((value) => value.toLowerCase());
const amount = z.strictObject(money.shape);
const domain = z
  .string()
  .max(253)
  .transform((value) => value.trim().toLowerCase())
  .refine((value) => /^([\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+[\p{L}\p{N}-]{2,}$/u.test(value), 'not a domain');

export const accountCommandSchemas = {
  RegisterAccount: body({
    accountId: chosenId.optional(),
    name: z.string().trim().min(1).max(256),
    domains: z.array(domain).max(100).default([]),
    industry: code.optional(),
    country: country.optional(),
  }),
  UpdateFirmographics: body({
    industry: code.optional(),
    annualRevenue: amount.extend({ amountMinor: z.int().min(0) }).optional(),
    employees: z.int().min(0).optional(),
    country: country.optional(),
    /** Where it is known from. */
    provider: code.default('manual'),
  }),
  AssessAccountIcp: body({
    /** Default: the ICP in force. */
    icpId: id.optional(),
  }),
  RecordBuyingRole: body({ leadId, role }),
  RecordDecisionMakerLeft: body({
    /** Who left, when a lead of ours did. */
    leadId: leadId.optional(),
    /** Default: when the command happened. */
    at: instant.optional(),
  }),
  EnrolAccountInNurture: body({ trackId: id }),
  AddAccountResearch: body({ topic: code, text: text.min(1) }),
  MergeAccount: body({ survivorId: chosenId }),
} as const;
export type AccountCommandName = keyof typeof accountCommandSchemas;

export const campaignCommandSchemas = {
  PlanCampaign: body({
    campaignId: chosenId.optional(),
    name: z.string().trim().min(1).max(256),
    purpose: z.enum(['attract', 'convert', 'reengage']),
    channel: code,
    audienceSegment: code.optional(),
    personaId: id.optional(),
    budget: amount.extend({ amountMinor: z.int().min(0) }),
  }),
  LaunchCampaign: body({}),
  RecordCampaignCost: body({
    amount,
    /** The day it counts for; default: the day the command happened, UTC. */
    date: date.optional(),
  }),
  EndCampaign: body({}),
} as const;
export type CampaignCommandName = keyof typeof campaignCommandSchemas;

type Named<Schemas extends Record<string, z.ZodType>> = {
  [N in keyof Schemas & string]: { readonly name: N; readonly body: z.output<Schemas[N]> };
}[keyof Schemas & string];
export type AccountCommand = Named<typeof accountCommandSchemas>;
export type CampaignCommand = Named<typeof campaignCommandSchemas>;

interface Action {
  /** Last part of the URL; null for what creates the stream. */
  readonly action: string | null;
  /** Besides admin and system. */
  readonly roles: readonly Role[];
}

const workers = ROLES.filter((name) => name !== 'analyst' && name !== 'dpo' && name !== 'admin');
const marketers: readonly Role[] = ['marketing', 'ops', 'integration'];

export const accountActions: Readonly<Record<AccountCommandName, Action>> = {
  RegisterAccount: { action: null, roles: workers },
  UpdateFirmographics: { action: 'firmographics', roles: workers },
  AssessAccountIcp: { action: 'assess-icp', roles: workers },
  RecordBuyingRole: { action: 'buying-roles', roles: workers },
  RecordDecisionMakerLeft: { action: 'decision-maker-left', roles: workers },
  EnrolAccountInNurture: { action: 'nurture', roles: marketers },
  AddAccountResearch: { action: 'research', roles: workers },
  MergeAccount: { action: 'merge', roles: ['ops'] },
};
export const campaignActions: Readonly<Record<CampaignCommandName, Action>> = {
  PlanCampaign: { action: null, roles: marketers },
  LaunchCampaign: { action: 'launch', roles: marketers },
  RecordCampaignCost: { action: 'costs', roles: marketers },
  EndCampaign: { action: 'end', roles: marketers },
};
