import { z } from 'zod';
import { code, id, money, role, text, ts } from '#libs/lead/src/events.js';

/** The events of an account's stream (spec §4.3). No field is personal: people are leads and are named by their lead's id. */

const base = { occurredAt: ts };
/** ISO 3166 alpha-2. */
export const country = z.string().regex(/^[A-Z]{2}$/);

export const accountEventSchemas = {
  AccountRegistered: z.object({
    ...base, name: z.string().min(1).max(256), domains: z.array(z.string().min(1).max(253)), industry: code.optional(), country: country.optional(),
  }),
  FirmographicsUpdated: z.object({
    ...base, industry: code.optional(), annualRevenue: money.optional(), employees: z.int().min(0).optional(), provider: code,
    /** Beside the spec: a company may move. */
    country: country.optional(),
  }),
  AccountIcpAssessed: z.object({
    ...base, icpId: id, icpVersion: z.int().min(1), result: z.enum(['pass', 'fail', 'unknown']),
    failures: z.array(z.object({ criterion: code, required: text, actual: text, hard: z.boolean() })),
  }),
  BuyingRoleRecorded: z.object({ ...base, leadId: id, role }),
  /** Without `leadId` the one who left was no lead of ours. */
  DecisionMakerLeft: z.object({ ...base, leadId: id.optional(), at: ts }),
  AccountEnrolledInNurture: z.object({ ...base, trackId: id }),
  AccountResearchAdded: z.object({ ...base, topic: code, text }),
  AccountMerged: z.object({ ...base, survivorId: id }),
} as const; // prettier-ignore

export type AccountEventType = keyof typeof accountEventSchemas;
export type AccountEventData<T extends AccountEventType> = z.infer<(typeof accountEventSchemas)[T]>;
export type AccountEvent = {
  [T in AccountEventType]: { readonly type: T; readonly data: AccountEventData<T> };
}[AccountEventType];
