import type { BusinessCalendar } from '#libs/policy/src/business-calendar.js';

/** What one promise is kept or broken by. */
export interface ClockTerms {
  readonly targetMs: number;
  readonly pausable: boolean;
  /** Elapsed time after the due instant in which evidence of a timely act still clears a breach (spec §6.7). */
  readonly graceMs: number;
  readonly calendar: BusinessCalendar;
}

export type RunStatus = 'running' | 'paused' | 'breached' | 'stopped' | 'cancelled' | 'voided';

/**
 * One SLA clock under given terms, told the facts of its lead one by one: the arithmetic of libs/lead's sla-clocks in numbers, for
 * replays of years. Times are epoch ms; `nowMs` is when a fact was recorded. A test holds it to sla-clocks on random histories.
 */
export class ClockRun {
  status: RunStatus = 'running';
  dueMs: number;
  /** The deadline that was missed; NaN: none so far. */
  breachedAtMs = Number.NaN;
  retracted = false;
  outcome: 'met' | 'late' | 'evidence_too_late' | null = null;
  /** NaN: not stopped. */
  stoppedAtMs = Number.NaN;
  ownerAtBreach = 0;
  teamAtBreach = 0;
  #stoppedBy = 0;
  #pausedAtMs = Number.NaN;
  #pausedUntilMs = Number.NaN;
  /** From, to, from, to… */
  #pauses: number[] | null = null;

  constructor(
    private terms: ClockTerms,
    public startedAtMs: number,
    /** Codes of who is to keep it. */
    public owner: number,
    public team: number,
  ) {
    this.dueMs = terms.calendar.dueAfterMs(startedAtMs, terms.targetMs);
  }

  get isOpen(): boolean {
    return this.status === 'running' || this.status === 'paused' || this.status === 'breached';
  }

  get breachStands(): boolean {
    return !Number.isNaN(this.breachedAtMs) && !this.retracted;
  }

  /** What is due by now: the end of a dated pause, the breach. */
  settle(nowMs: number): void {
    this.resumeByItself(nowMs);
    if (this.status === 'running' && nowMs >= this.dueMs) {
      this.#breach();
      this.status = 'breached';
    }
  }

  /** The end of a dated pause alone. */
  resumeByItself(nowMs: number): void {
    if (this.status === 'paused' && this.#pausedUntilMs <= nowMs) this.#resume(this.#pausedUntilMs);
  }

  /** @param noticed whether somebody had looked between the due instant and the evidence that came after it */
  stop(atMs: number, nowMs: number, evidence: number, noticed: boolean): void {
    this.resumeByItself(nowMs);
    if (this.status === 'voided' || this.status === 'cancelled') return;
    const timely = this.status === 'paused' || atMs <= this.dueMs;
    const clears = this.status === 'paused' || (timely && nowMs <= this.dueMs + this.terms.graceMs);
    if (!clears) this.settle(nowMs);
    else if (noticed && this.status === 'running' && nowMs >= this.dueMs) this.#breach();
    const { breachStands } = this;
    if (this.status === 'stopped' && !(breachStands && clears)) return;
    if (breachStands && clears) this.retracted = true;
    this.#stopped(atMs, evidence, !timely ? 'late' : breachStands && !clears ? 'evidence_too_late' : 'met');
  }

  /** Its fact lay before its start: the promise was kept when it was made (spec §6.1), however late that is told. */
  meet(evidence: number): void {
    this.#stopped(this.startedAtMs, evidence, 'met');
  }

  /** The time of the fact that stopped it was corrected. */
  restop(atMs: number, evidence: number): void {
    if (this.status !== 'stopped' || this.#stoppedBy !== evidence) return;
    const timely = atMs <= this.dueMs;
    const toldTooLate = timely && this.breachStands && this.outcome === 'evidence_too_late';
    if (timely && this.breachStands && !toldTooLate) this.retracted = true;
    if (!timely && Number.isNaN(this.breachedAtMs)) this.#breach();
    this.#stopped(atMs, evidence, !timely ? 'late' : toldTooLate ? 'evidence_too_late' : 'met');
  }

  /** @param untilMs when it resumes by itself; NaN: only when told */
  pause(atMs: number, nowMs: number, untilMs: number): void {
    this.settle(nowMs);
    if (!this.terms.pausable || (this.status !== 'running' && this.status !== 'paused')) return;
    if (this.status === 'running') {
      const runningSinceMs = Math.max(this.startedAtMs, this.#pauses?.at(-1) ?? this.startedAtMs);
      this.#pausedAtMs = Math.min(Math.max(atMs, runningSinceMs), nowMs);
      this.status = 'paused';
    }
    this.#pausedUntilMs = untilMs;
  }

  resume(atMs: number, nowMs: number): void {
    this.settle(nowMs);
    if (this.status === 'paused') this.#resume(Math.min(atMs, nowMs));
  }

  cancel(nowMs: number): void {
    if (!this.isOpen) return;
    this.settle(nowMs);
    this.status = 'cancelled';
  }

  /** Started by a transition that was voided: the promise never was. */
  void(): void {
    if (this.status === 'cancelled') return;
    if (this.breachStands) this.retracted = true;
    this.status = 'voided';
  }

  /** What had ended it was voided. */
  reopen(): void {
    this.retracted = false;
    this.outcome = null;
    this.stoppedAtMs = Number.NaN;
    this.#stoppedBy = 0;
    this.uncancel();
  }

  /** The merge that had cancelled it was taken back. */
  uncancel(): void {
    if (!Number.isNaN(this.breachedAtMs)) this.status = 'breached';
    else this.status = Number.isNaN(this.#pausedAtMs) ? 'running' : 'paused';
  }

  /** By a person. */
  retract(): void {
    if (!Number.isNaN(this.breachedAtMs)) this.retracted = true;
  }

  /** What the terms make of its start and pauses (spec §6.2). */
  rebase(terms: ClockTerms, startedAtMs: number, nowMs: number): void {
    if (this.status !== 'running' && this.status !== 'paused') return;
    this.terms = terms;
    const { calendar } = terms;
    let leftMs = terms.targetMs;
    let fromMs = startedAtMs;
    for (let n = 0; n < (this.#pauses?.length ?? 0); n += 2) {
      const openMs = calendar.openMsBetween(fromMs, this.#pauses![n]!);
      if (openMs >= leftMs) break;
      leftMs -= openMs;
      fromMs = Math.max(fromMs, this.#pauses![n + 1]!);
    }
    this.startedAtMs = startedAtMs;
    this.dueMs = calendar.dueAfterMs(fromMs, leftMs);
    this.settle(nowMs);
  }

  /** A promise that is not settled yet is the new owner's to keep. */
  assign(owner: number, team: number, nowMs: number): void {
    this.settle(nowMs);
    if (!this.isOpen) return;
    this.owner = owner;
    this.team = team;
  }

  #breach(): void {
    this.breachedAtMs = this.dueMs;
    this.ownerAtBreach = this.owner;
    this.teamAtBreach = this.team;
  }

  #stopped(atMs: number, evidence: number, outcome: 'met' | 'late' | 'evidence_too_late'): void {
    this.status = 'stopped';
    this.stoppedAtMs = Math.max(atMs, this.startedAtMs);
    this.#stoppedBy = evidence;
    this.outcome = outcome;
  }

  #resume(resumeMs: number): void {
    const { calendar } = this.terms;
    const atMs = Math.max(resumeMs, this.#pausedAtMs);
    this.dueMs = calendar.dueAfterMs(atMs, calendar.openMsBetween(this.#pausedAtMs, this.dueMs));
    (this.#pauses ??= []).push(this.#pausedAtMs, atMs);
    this.#pausedAtMs = Number.NaN;
    this.#pausedUntilMs = Number.NaN;
    this.status = 'running';
  }
}
