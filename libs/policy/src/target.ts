import { z } from 'zod';
import { code, money } from './fields.js';

/** What is to be won in a period, and the figures that results are compared with (spec §4.3, §7.15–7.18). */

/** Local year, quarter or month: `2026`, `2026-Q4`, `2026-11`. */
export const targetPeriod = z
  .string()
  .regex(/^\d{4}(?:-(?:Q[1-4]|0[1-9]|1[0-2]))?$/, 'a year, quarter or month: 2026, 2026-Q4, 2026-11');
/** `all`, or whose: `team:sales`, `owner:rita`. */
export const targetScope = z.string().regex(/^[\w.@+:]{1,64}$/, 'letters, digits and . _ @ + : only');

export const targetDocument = z.strictObject({
  period: targetPeriod,
  scope: targetScope.default('all'),
  amount: money,
});
export type TargetDocument = z.infer<typeof targetDocument>;

export const benchmarkDocument = z.strictObject({
  metric: code,
  /** Deal stage or state; omitted: of the metric as a whole. */
  stage: code.optional(),
  value: z.number(),
});
export type BenchmarkDocument = z.infer<typeof benchmarkDocument>;

/** The stream's id after `target-` (spec §2.2). */
export const targetId = ({ period, scope }: Pick<TargetDocument, 'period' | 'scope'>): string => `${period}-${scope}`;
/** Benchmarks live beside the targets, one stream a figure; no period is called so. */
export const benchmarkId = ({ metric, stage }: Pick<BenchmarkDocument, 'metric' | 'stage'>): string =>
  `benchmark-${metric}${stage === undefined ? '' : `.${stage}`}`;
