import { type Dims, withTrack } from './dimensions.js';
import { dimensionFilter } from './grouping.js';
import { offFunnel, type Path } from './path.js';
import type { ReportParams } from './report-params.js';

/**
 * Nurture as what comes of it counts it: the track that a lead was enrolled in last by the moment that decided it, not one it was
 * put on later because of how it went. Only questions that name the dimension look at each moment.
 */
export class Exposure {
  /** What to scan paths for: their tracks are looked at moment by moment. */
  readonly scanned: ReportParams;
  readonly #asked: boolean;
  readonly #passes: (dims: Dims) => boolean;

  constructor(params: ReportParams) {
    const { by, filter } = params;
    this.#asked = by.includes('nurtureTrack') || filter.nurtureTrack !== undefined;
    this.#passes = dimensionFilter(params);
    this.scanned = this.#asked ? { ...params, filter: { ...filter, nurtureTrack: undefined } } : params;
  }

  /** The path's dimensions with the track of that moment; null: not among those asked for. */
  dims(path: Path, momentMs: () => number): Dims | null {
    if (!this.#asked) return path.dims;
    const atMs = momentMs();
    const track = path.marks.tracks.findLast((one) => one.atMs <= atMs);
    const dims = withTrack(path.dims, track?.trackId ?? null);
    return this.#passes(dims) ? dims : null;
  }
}

/** When it was decided whether a lead goes on from where it was at `atMs`: as it did, or as it left the funnel; Infinity: not yet. */
export function decidedMs({ visits }: Path, atMs: number, wentOnMs: number): number {
  const out = visits.find((visit) => visit.enteredMs >= atMs && offFunnel(visit) !== null);
  return Math.min(wentOnMs, out?.enteredMs ?? Infinity);
}
