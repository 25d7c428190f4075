import { z } from 'zod';

/** Types of fields that configuration documents and events share (spec §4.1). */

export const id = z.string().min(1).max(128);
export const code = z.string().min(1).max(64);
export const text = z.string().max(2000);
export const ts = z.iso.datetime({ offset: false, precision: 3 });
export const version = z.int().min(1);
/** Minor units of the currency. */
export const money = z.strictObject({ amountMinor: z.int().min(0), currency: z.string().regex(/^[A-Z]{3}$/) });
