import type { CalendarDocument } from './documents.js';

/** A business calendar compiled for questions (spec §6.2, §6.3). */
export class BusinessCalendar {
  constructor(
    readonly id: string,
    readonly version: number,
    readonly document: CalendarDocument,
  ) {}

  /** Open seconds in [aMs, bMs). */
  openBetween(aMs: number, bMs: number): number {
    return Math.max(0, (bMs - aMs) / 1000);
  }

  /** Earliest instant d ≥ startMs with openBetween(startMs, d) = openS. */
  dueAt(startMs: number, openS: number): number {
    return startMs + openS * 1000;
  }
}
