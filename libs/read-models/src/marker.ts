import { invalidParameter } from './report-error.js';
import { atInstant, type Query, type ReportParams } from './report-params.js';

/**
 * Spec 7.32: the same question of the time before and of the time since a change of process, `marker` its date in `tz` or its
 * instant. Throws `VALIDATION_FAILED` when it does not lie inside the period.
 */
export function markedPeriods(
  params: ReportParams,
  marker: NonNullable<Query[string]>,
): { readonly atMs: number; readonly before: ReportParams; readonly after: ReportParams } {
  if (typeof marker !== 'string') throw invalidParameter('marker', 'given more than once');
  const atMs = atInstant('marker', marker, params.tz);
  if ((params.fromMs !== null && atMs <= params.fromMs) || (params.toMs !== null && atMs >= params.toMs)) {
    throw invalidParameter('marker', 'must lie inside the period');
  }
  return { atMs, before: { ...params, toMs: atMs }, after: { ...params, fromMs: atMs } };
}
