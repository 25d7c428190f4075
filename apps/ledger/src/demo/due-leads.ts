import { isOpenClock, nextDueMs } from '#libs/lead/src/sla-clocks.js';
import { staleAfterMs, staleLimitMs } from '#libs/lead/src/silence.js';
import type { LeadState } from '#libs/lead/src/state.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { Heap } from './heap.js';

/** When something falls due on which lead, in the order of time: what a running worker learns from the read models. */
export class DueLeads {
  readonly #dueMs = new Map<string, number>();
  readonly #heap = new Heap<readonly [atMs: number, leadId: string]>(
    (a, b) => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]),
  );

  constructor(private readonly policies: PolicyBook) {}

  /** After a command on the lead. Nothing falls due before `nowMs`: what was, is settled. */
  note(lead: LeadState, nowMs: number): void {
    const atMs = this.#nextOf(lead, nowMs);
    if (atMs === null || atMs <= nowMs) {
      this.#dueMs.delete(lead.leadId);
      return;
    }
    if (this.#dueMs.get(lead.leadId) === atMs) return;
    this.#dueMs.set(lead.leadId, atMs);
    this.#heap.push([atMs, lead.leadId]);
  }

  /** The first lead with something due up to `atMs`, taken out; null: none. */
  take(atMs: number): { readonly leadId: string; readonly atMs: number } | null {
    for (let first = this.#heap.first; first !== undefined && first[0] <= atMs; first = this.#heap.first) {
      this.#heap.pop();
      const [dueMs, leadId] = first;
      if (this.#dueMs.get(leadId) !== dueMs) continue;
      this.#dueMs.delete(leadId);
      return { leadId, atMs: dueMs };
    }
    return null;
  }

  #nextOf(lead: LeadState, nowMs: number): number | null {
    const { clocks, deal, leadType, onHold, silence, state } = lead;
    let next = Number.POSITIVE_INFINITY;
    for (const clock of clocks.values()) if (isOpenClock(clock)) next = Math.min(next, nextDueMs(clock) ?? next);
    if (state !== null) {
      const stage = deal?.status === 'open' ? deal.stage : null;
      const limitMs = staleLimitMs(this.policies.pipeline(leadType, nowMs), state, stage);
      // A lead is stale only after its limit (spec §7.19).
      next = Math.min(next, (staleAfterMs(silence, onHold !== null, limitMs) ?? Infinity) + 1);
    }
    return Number.isFinite(next) ? next : null;
  }
}
