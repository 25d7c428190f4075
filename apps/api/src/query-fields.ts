import { z } from 'zod';

/** Query parameters that several routes share. All arrive as strings; a repeated parameter arrives as an array. */

export const position = z
  .string()
  .regex(/^[0-9a-f]{16}$/, 'must be a position as an answer gave it')
  .describe('A position as an earlier answer gave it; opaque, ordered as a string');

export const after = position
  .optional()
  .describe('Answer only once this position is reflected; waits up to 2 s, else 503 PROJECTION_BEHIND');

export const limit = (most: number, usual: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number')
    .transform(Number)
    .refine((n) => n >= 1 && n <= most, `must be between 1 and ${most}`)
    .default(usual)
    .describe(`At most so many (1 to ${most})`);

export const instant = z.iso
  .datetime({ offset: true, error: 'must be an RFC 3339 instant, e.g. 2026-03-01T00:00:00Z' })
  .transform((value) => Date.parse(value));

/** `a,b,c` or the parameter repeated. */
export const commaList = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (Array.isArray(value) ? value : [value]).flatMap((part) => part.split(',')))
  .pipe(z.array(z.string().min(1).max(128)).max(100));

export const leadId = z.uuid();
