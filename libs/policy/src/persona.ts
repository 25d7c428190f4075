import { z } from 'zod';
import { code, id, text } from './fields.js';

/** A semi-fictional person inside companies of an ICP (spec §1 Buyer persona, §4.3). */
export const personaDocument = z.strictObject({
  icpId: id.default('default'),
  /** What it was made from, when it was made from a template. */
  templateCode: code.optional(),
  name: z.string().min(1).max(256),
  traits: z.array(text).max(100).default([]),
  goals: z.array(text).max(100).default([]),
  /** Roles in the buying decision that it plays; its job title is not proof of one. */
  roles: z.array(z.enum(['decision_maker', 'influencer', 'user', 'gatekeeper', 'unknown'])).default([]),
  /** What it needs to hear at each stage of its journey. */
  journeyNeeds: z.partialRecord(z.enum(['awareness', 'consideration', 'decision']), text).default({}),
});
export type PersonaDocument = z.infer<typeof personaDocument>;
export type Persona = Readonly<PersonaDocument> & { readonly personaId: string; readonly version: number };
