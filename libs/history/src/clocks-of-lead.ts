import { CLOCK_TYPES } from '#libs/policy/src/documents.js';
import type { ClockHistory } from './clock-history.js';
import { ClockRun } from './clock-run.js';
import type { ClockTypeName, TermsBook } from './sla-terms.js';
import type { ClockFact } from './tables-clocks.js';
import { FLAGS } from './tables-clocks.js';

/** How a clock stands by what was recorded of it, nothing recomputed. */
export class RecordedClock {
  status: 'running' | 'paused' | 'breached' | 'stopped' | 'cancelled' | 'voided' = 'running';
  breachedAtMs = Number.NaN;
  retracted = false;
  outcome: string | null = null;
  stoppedAtMs = Number.NaN;
  stoppedBy = 0;
  paused = false;
  ownerAtBreach = 0;
  teamAtBreach = 0;

  constructor(public dueMs: number) {}

  get breachStands(): boolean {
    return !Number.isNaN(this.breachedAtMs) && !this.retracted;
  }

  beforeItsEnd(): void {
    this.status = !Number.isNaN(this.breachedAtMs) ? 'breached' : this.paused ? 'paused' : 'running';
  }
}

/** One promise: as it was recorded, under the terms it was made under, and under the other ones. */
export interface ReplayedClock {
  readonly lead: number;
  readonly clockType: ClockTypeName;
  /** Null: under the policies in force nobody promised it. */
  readonly recorded: RecordedClock | null;
  readonly inForce: ClockRun | null;
  /** Null: under the other policies nobody promises it. */
  readonly candidate: ClockRun | null;
  /** The terms it was made under do not make of its facts what was recorded. */
  differs: boolean;
  /** Codes: the lead's own where the clock names nobody, as reports have it. */
  leadOwner: number;
  leadTeam: number;
}

/** A clock of a lead while its facts are told. */
interface Running extends ReplayedClock {
  readonly clock: number;
  /** The move of the lead it was started after; 0: none. */
  readonly sinceMove: number;
  isMetAtStart: boolean;
  endedByMove: number;
}

interface Move {
  readonly id: number;
  readonly heldBefore: boolean;
  readonly contactFromMsBefore: number;
  readonly cycleSinceMsBefore: number;
  readonly isOutBefore: boolean;
}

interface Expected {
  readonly clockType: ClockTypeName;
  readonly recordedAtMs: number;
  readonly startMs: number;
  readonly owner: number;
  readonly team: number;
  /** A contact that lies before the promise. */
  readonly contactAtMs: number;
}

/** An instant, or none. */
const isSame = (a: number, b: number): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));

function isReproduced(recorded: RecordedClock, run: ClockRun | null): boolean {
  return (
    run !== null &&
    run.status === recorded.status &&
    run.outcome === recorded.outcome &&
    run.retracted === recorded.retracted &&
    isSame(run.dueMs, recorded.dueMs) &&
    isSame(run.breachedAtMs, recorded.breachedAtMs) &&
    isSame(run.stoppedAtMs, recorded.stoppedAtMs) &&
    run.ownerAtBreach === recorded.ownerAtBreach &&
    run.teamAtBreach === recorded.teamAtBreach
  );
}

const HOLDABLE: ReadonlySet<string | null> = new Set(['SAL', 'SQL', 'OPPORTUNITY']);
const MARKETING_TEAM = 'marketing';
/** Stored so soon after a deadline that nobody noticed: decided before it. The log tells when a fact was stored, some ms later. */
const STORING_MS = 10_000;

/**
 * Replays leads one after the other. What starts, pauses and ends a promise happened when it happened; what the promise was, when it
 * fell due and whether it was kept is worked out anew.
 */
export class LeadClocks {
  readonly #promise;
  readonly #fact;
  readonly #marketingTeam: number;

  // Of the lead being replayed.
  #clocks: Running[] = [];
  #moves: Move[] = [];
  #moved = 0;
  #held = false;
  #deferredUntilMs = 0;
  #owner = 0;
  #team = 0;
  #handedOffAtMs = Number.NaN;
  /** Contacts that count for a first contact, and those that count for a sequence. */
  #contacts: number[] = [];
  #qualifying: number[] = [];
  /** From when on a contact is one of the promise that runs; NaN: none does. */
  #contactFromMs = Number.NaN;
  #cycleSinceMs = -Infinity;
  #isOut = false;
  #expected: Expected[] = [];

  constructor(
    private readonly history: ClockHistory,
    private readonly inForce: TermsBook,
    private readonly candidate: TermsBook,
    /** Facts recorded later are not known, and clocks are judged as of then. */
    private readonly asOfMs: number,
    /** By the pipeline of then; else a first contact is a conversation. */
    private readonly anyAttemptIsContact: (atMs: number) => boolean,
  ) {
    const { facts, names, promises } = history;
    this.#promise = {
      revision: promises.column('revision'),
      fact: promises.column('fact'),
      recordedAt: promises.column('recorded_at'),
      startedAt: promises.column('started_at'),
      clock: promises.column('clock'),
      clockType: promises.column('clock_type'),
      agreement: promises.column('agreement'),
      agreementVersion: promises.column('agreement_version'),
      calendar: promises.column('calendar'),
      calendarVersion: promises.column('calendar_version'),
      dueAt: promises.column('due_at'),
      owner: promises.column('owner'),
      team: promises.column('team'),
    };
    this.#fact = {
      revision: facts.column('revision'),
      fact: facts.column('fact'),
      recordedAt: facts.column('recorded_at'),
      occurredAt: facts.column('occurred_at'),
      clock: facts.column('clock'),
      limitAt: facts.column('limit_at'),
      owner: facts.column('owner'),
      team: facts.column('team'),
      detail: facts.column('detail'),
      evidence: facts.column('evidence'),
      flags: facts.column('flags'),
    };
    this.#marketingTeam = names.team.indexOf(MARKETING_TEAM);
  }

  /** Every clock of the lead, settled as of `asOfMs`. */
  of(lead: number): readonly ReplayedClock[] {
    const { facts, promises } = this.history;
    this.#reset();
    let promise = promises.first[lead]!;
    let fact = facts.first[lead]!;
    const promisesEnd = promises.first[lead + 1]!;
    const factsEnd = facts.first[lead + 1]!;
    while (promise < promisesEnd || fact < factsEnd) {
      const promiseRow = promise < promisesEnd ? promises.row[promise]! : -1;
      const factRow = fact < factsEnd ? facts.row[fact]! : -1;
      const promiseRevision = promiseRow < 0 ? Infinity : this.#promise.revision[promiseRow]!;
      const factRevision = factRow < 0 ? Infinity : this.#fact.revision[factRow]!;
      if (promiseRevision < factRevision) {
        promise += 1;
        if (this.#promise.recordedAt[promiseRow]! > this.asOfMs) continue;
        this.#promised(lead, promiseRow, factRow);
      } else {
        fact += 1;
        if (this.#fact.recordedAt[factRow]! > this.asOfMs) continue;
        const next = fact < factsEnd ? facts.row[fact]! : -1;
        this.#happened(lead, factRow, next);
      }
    }
    this.#startUnpromised(lead);
    for (const clock of this.#clocks) {
      // Before the last settlement: what nobody had noticed by then is not recorded.
      clock.differs = clock.recorded !== null && !isReproduced(clock.recorded, clock.inForce);
      clock.candidate?.settle(this.asOfMs);
    }
    return this.#clocks;
  }

  #reset(): void {
    this.#clocks = [];
    this.#moves = [];
    this.#moved = 0;
    this.#held = false;
    this.#deferredUntilMs = 0;
    this.#owner = 0;
    this.#team = 0;
    this.#handedOffAtMs = Number.NaN;
    this.#contacts = [];
    this.#qualifying = [];
    this.#contactFromMs = Number.NaN;
    this.#cycleSinceMs = -Infinity;
    this.#isOut = false;
    this.#expected = [];
  }

  #promised(lead: number, row: number, next: number): void {
    const columns = this.#promise;
    const { agreement, calendar, clockType } = this.history.names;
    const nowMs = columns.recordedAt[row]!;
    const terms = {
      agreementId: agreement[columns.agreement[row]!]!,
      agreementVersion: columns.agreementVersion[row]!,
      calendarId: calendar[columns.calendar[row]!]!,
      calendarVersion: columns.calendarVersion[row]!,
    };
    const clock = columns.clock[row]!;
    if (this.history.factOf[columns.fact[row]!] === 'rebased') {
      const known = this.#clockOf(clock);
      if (known === undefined) return;
      const recordedTerms = { ...terms, clockType: known.clockType };
      const corrected = columns.startedAt[row]!;
      known.recorded!.dueMs = columns.dueAt[row]!;
      for (const [run, book] of [
        [known.inForce, this.inForce],
        [known.candidate, this.candidate],
      ] as const) {
        // prettier-ignore
        if (run === null) continue;
        const startMs = Number.isNaN(corrected) ? run.startedAtMs : corrected;
        const anew = book.promised(recordedTerms, this.#teamName(run.team), startMs);
        if (anew !== null) run.rebase(anew, startMs, nowMs);
      }
      return;
    }
    const type = clockType[columns.clockType[row]!] as ClockTypeName;
    const startMs = columns.startedAt[row]!;
    const owner = columns.owner[row]!;
    const team = columns.team[row]!;
    this.#expected = this.#expected.filter((one) => one.clockType !== type);
    const recordedTerms = { ...terms, clockType: type };
    const inForce = this.inForce.promised(recordedTerms, this.#teamName(team), startMs);
    const other = this.candidate.promised(recordedTerms, this.#teamName(team), startMs);
    const started: Running = {
      lead,
      clock,
      clockType: type,
      recorded: new RecordedClock(columns.dueAt[row]!),
      inForce: inForce === null ? null : new ClockRun(inForce, startMs, owner, team),
      candidate: other === null ? null : new ClockRun(other, startMs, owner, team),
      differs: false,
      leadOwner: this.#owner,
      leadTeam: this.#team,
      sinceMove: this.#moves.at(-1)?.id ?? 0,
      isMetAtStart: false,
      endedByMove: 0,
    };
    this.#clocks.push(started);
    // Stopped by what lay before it: the same step made the promise and kept it, and paused nothing.
    const { fact, occurredAt, revision } = this.#fact;
    const isMet =
      next >= 0 &&
      revision[next] === columns.revision[row]! + 1 &&
      occurredAt[next] === startMs &&
      this.history.factOf[fact[next]!] === 'stopped';
    if (isMet) started.isMetAtStart = true;
    else this.#pauseAtStart(started, startMs, nowMs);
  }

  /** A promise made while the lead is on hold or has asked for quiet begins with a pause. */
  #pauseAtStart({ candidate, clockType, inForce }: Running, startMs: number, nowMs: number): void {
    const isHeld = this.#held && clockType === 'contact_cadence';
    if (!isHeld && this.#deferredUntilMs <= Math.max(startMs, nowMs)) return;
    const untilMs = isHeld ? Number.NaN : this.#deferredUntilMs;
    inForce?.pause(startMs, nowMs, untilMs);
    candidate?.pause(startMs, nowMs, untilMs);
  }

  #happened(lead: number, row: number, next: number): void {
    const columns = this.#fact;
    const fact = this.history.factOf[columns.fact[row]!]!;
    const clock = columns.clock[row]!;
    if (clock !== 0) {
      const known = this.#clockOf(clock);
      if (known !== undefined) this.#happenedToClock(known, fact, row, next);
      return;
    }
    this.#startUnpromised(lead);
    const atMs = columns.occurredAt[row]!;
    const nowMs = columns.recordedAt[row]!;
    switch (fact) {
      case 'held':
        this.#held = true;
        for (const one of this.#clocks) {
          one.inForce?.pause(atMs, this.#decidedAt(one, nowMs), Number.NaN);
          one.candidate?.pause(atMs, nowMs, Number.NaN);
        }
        return;
      case 'released': {
        this.#held = false;
        // The lead still asked for quiet: the hold's end does not wake the promise.
        const waits = this.#deferredUntilMs > nowMs;
        for (const one of this.#clocks) {
          for (const run of [one.inForce, one.candidate]) {
            if (run === null) continue;
            run.settle(run === one.inForce ? this.#decidedAt(one, nowMs) : nowMs);
            if (run.status !== 'paused') continue;
            if (waits) run.pause(atMs, nowMs, this.#deferredUntilMs);
            else run.resume(atMs, nowMs);
          }
        }
        return;
      }
      case 'deferred': {
        const untilMs = columns.limitAt[row]!;
        this.#deferredUntilMs = untilMs;
        if (this.#held || untilMs <= nowMs) return;
        for (const one of this.#clocks) {
          one.inForce?.pause(atMs, this.#decidedAt(one, nowMs), untilMs);
          one.candidate?.pause(atMs, nowMs, untilMs);
        }
        return;
      }
      case 'assigned':
        this.#owner = columns.owner[row]!;
        this.#team = columns.team[row]!;
        for (const one of this.#clocks) {
          one.inForce?.assign(this.#owner, this.#team, this.#decidedAt(one, nowMs));
          one.candidate?.assign(this.#owner, this.#team, nowMs);
        }
        return;
      case 'handed_off':
        this.#handedOffAtMs = atMs;
        this.#expect('handoff_response', row, nowMs);
        return;
      case 'moved':
        this.#move(row, atMs, nowMs);
        return;
      case 'voided':
      case 'unmerged':
        this.#takeBack(fact, row);
        return;
      case 'contacted':
        this.#qualifying.push(atMs);
        if (this.#isContact(row, nowMs)) this.#contacts.push(atMs);
        if (this.#isContact(row, nowMs) && atMs >= this.#contactFromMs) {
          this.#endUnpromised('first_contact', atMs, nowMs);
          this.#toldLate(this.#latest('first_contact'), row);
        }
        this.#toldLate(this.#cadenceAt(atMs), row);
        return;
      case 'answered':
        this.#toldLate(this.#cadenceAt(atMs), row);
        return;
      case 'nurtured':
        this.#endUnpromised('recycle_reengagement', atMs, nowMs, true);
        this.#toldLate(this.#latest('recycle_reengagement'), row);
        return;
      case 'followed_up':
        this.#endUnpromised('post_sale_followup', atMs, nowMs);
        this.#toldLate(this.#latest('post_sale_followup'), row);
        return;
      default:
        return;
    }
  }

  #happenedToClock(known: Running, fact: ClockFact, row: number, next: number): void {
    const columns = this.#fact;
    const { candidate, inForce } = known;
    const recorded = known.recorded!;
    const detail = this.history.names.detail[columns.detail[row]!] ?? null;
    const atMs = columns.occurredAt[row]!;
    const nowMs = columns.recordedAt[row]!;
    const evidence = columns.evidence[row]!;
    switch (fact) {
      case 'breached':
        recorded.status = 'breached';
        recorded.breachedAtMs = columns.limitAt[row]!;
        recorded.ownerAtBreach = columns.owner[row]!;
        recorded.teamAtBreach = columns.team[row]!;
        inForce?.settle(nowMs);
        return;
      case 'paused':
        recorded.status = 'paused';
        recorded.paused = true;
        return;
      case 'resumed':
        recorded.status = 'running';
        recorded.paused = false;
        recorded.dueMs = columns.limitAt[row]!;
        inForce?.resumeByItself(nowMs);
        return;
      case 'stopped': {
        // By the same fact again: its time was corrected.
        if (recorded.stoppedBy === evidence) {
          inForce?.restop(atMs, evidence);
          candidate?.restop(atMs, evidence);
        } else if (known.isMetAtStart) {
          known.isMetAtStart = false;
          inForce?.meet(evidence);
          candidate?.meet(evidence);
        } else {
          const noticed = !Number.isNaN(recorded.breachedAtMs);
          inForce?.stop(atMs, this.#decidedAt(known, nowMs), evidence, noticed);
          // A sweeper passes every deadline at once, in a world without outages.
          candidate?.stop(atMs, nowMs, evidence, true);
        }
        recorded.status = 'stopped';
        recorded.outcome = detail;
        recorded.stoppedAtMs = atMs;
        recorded.stoppedBy = evidence;
        this.#nameWhomItWasMetBy(known);
        return;
      }
      case 'cancelled':
        if (detail === 'voided') {
          recorded.status = 'voided';
          inForce?.void();
          candidate?.void();
          return;
        }
        inForce?.cancel(this.#decidedAt(known, nowMs));
        candidate?.cancel(nowMs);
        recorded.status = 'cancelled';
        return;
      case 'retracted': {
        recorded.retracted = true;
        // By a person; what late evidence or a correction takes back follows from those.
        const isApproved = (columns.flags[row]! & FLAGS.approved) !== 0 && detail !== 'voided_transition';
        if (!isApproved || this.#isRestop(recorded, row, next)) return;
        inForce?.retract();
        candidate?.retract();
        return;
      }
      case 'reopened':
        recorded.retracted = false;
        recorded.outcome = null;
        recorded.stoppedAtMs = Number.NaN;
        recorded.stoppedBy = 0;
        recorded.beforeItsEnd();
        inForce?.reopen();
        candidate?.reopen();
        return;
      case 'uncancelled':
        recorded.beforeItsEnd();
        inForce?.uncancel();
        candidate?.uncancel();
        return;
      default:
        return;
    }
  }

  /** Whether the next row tells the same fact's corrected time. */
  #isRestop(recorded: RecordedClock, row: number, next: number): boolean {
    const columns = this.#fact;
    return (
      next >= 0 &&
      columns.revision[next] === columns.revision[row]! + 1 &&
      columns.clock[next] === columns.clock[row] &&
      this.history.factOf[columns.fact[next]!] === 'stopped' &&
      recorded.status === 'stopped' &&
      recorded.stoppedBy === columns.evidence[next]
    );
  }

  /** A promise that the team had made is whose the lead was when it was kept. */
  #nameWhomItWasMetBy(known: Running): void {
    if (known.leadOwner === 0) known.leadOwner = this.#owner;
    if (known.leadTeam === 0) known.leadTeam = this.#team;
  }

  #decidedAt({ recorded }: Running, nowMs: number): number {
    const noticed = recorded === null || !Number.isNaN(recorded.breachedAtMs);
    if (noticed || nowMs < recorded.dueMs || nowMs - recorded.dueMs > STORING_MS) return nowMs;
    return recorded.status === 'running' ? recorded.dueMs - 1 : nowMs;
  }

  #clockOf(clock: number): Running | undefined {
    return this.#clocks.findLast((one) => one.clock === clock && one.recorded !== null);
  }

  #teamName(team: number): string | null {
    return this.history.names.team[team] ?? null;
  }

  #move(row: number, atMs: number, nowMs: number): void {
    const columns = this.#fact;
    const type = this.history.names.detail[columns.detail[row]!];
    this.#moves.push({
      id: ++this.#moved,
      heldBefore: this.#held,
      contactFromMsBefore: this.#contactFromMs,
      cycleSinceMsBefore: this.#cycleSinceMs,
      isOutBefore: this.#isOut,
    });
    this.#held = false;
    const end = (clockType: ClockTypeName, endMs: number) =>
      this.#endUnpromised(clockType, endMs, nowMs, false, this.#moved);
    const leaves = (columns.flags[row]! & FLAGS.leaves) !== 0;
    if (leaves && !this.#isOut) this.#cycleSinceMs = atMs;
    this.#isOut = leaves;
    this.#owner = columns.owner[row]! || this.#owner;
    this.#team = columns.team[row]! || this.#team;
    switch (type) {
      case 'MarkedMQL':
      case 'MarkedPQL':
      case 'MarkedServiceQualified':
        return end('recycle_reengagement', atMs);
      case 'AcceptedBySales':
        end('handoff_response', atMs);
        this.#contactFromMs = this.#handedOffAtMs;
        return this.#expect('first_contact', row, atMs, this.#firstContactSince(this.#handedOffAtMs));
      case 'RejectedBySales':
        end('handoff_response', atMs);
        return this.#expect('recycle_reengagement', row, atMs);
      case 'QualificationWithdrawn':
        return end('handoff_response', Number.NaN);
      case 'MarkedSQL': {
        const accepts = (columns.flags[row]! & FLAGS.implicitAcceptance) !== 0;
        end('handoff_response', accepts ? atMs : Number.NaN);
        end('recycle_reengagement', atMs);
        // Who skips acceptance promises the first contact from there on, unless the cycle has one (T10).
        if ((columns.flags[row]! & FLAGS.skipped) === 0) return;
        this.#contactFromMs = this.#cycleSinceMs;
        if (!this.#qualifying.some((contactMs) => contactMs >= this.#cycleSinceMs))
          this.#expect('first_contact', row, atMs);
        return;
      }
      case 'RecycledNotReady':
        end('handoff_response', Number.NaN);
        end('first_contact', Number.NaN);
        return this.#expect('recycle_reengagement', row, atMs);
      case 'DealWon':
        return this.#expect('post_sale_followup', row, atMs);
      case 'Disqualified':
      case 'MarkedJunk':
      case 'DealLost':
      case 'MergedInto':
        for (const clockType of CLOCK_TYPES) end(clockType, Number.NaN);
        return;
      default:
        return;
    }
  }

  #takeBack(fact: 'voided' | 'unmerged', row: number): void {
    const columns = this.#fact;
    const undone = this.#moves.pop();
    this.#owner = columns.owner[row]! || this.#owner;
    this.#team = columns.team[row]! || this.#team;
    const held = this.#held || undone?.heldBefore === true;
    if (fact === 'unmerged') this.#held = undone?.heldBefore === true;
    else this.#held = held && HOLDABLE.has(this.history.names.detail[columns.detail[row]!] ?? null);
    if (undone !== undefined) {
      this.#contactFromMs = undone.contactFromMsBefore;
      this.#cycleSinceMs = undone.cycleSinceMsBefore;
      this.#isOut = undone.isOutBefore;
    }
    for (const one of this.#clocks) {
      if (one.recorded !== null || undone === undefined) continue;
      if (one.sinceMove === undone.id) one.candidate?.void();
      else if (one.endedByMove === undone.id) one.candidate?.reopen();
    }
  }

  /**
   * Evidence of a clock that was over by then: nothing is recorded of that where the promise had been kept anyway, and may still clear
   * a breach of another promise.
   */
  #toldLate(known: Running | undefined, row: number): void {
    if (known?.candidate?.status !== 'stopped' || known.recorded?.status !== 'stopped') return;
    const { evidence, occurredAt, recordedAt } = this.#fact;
    known.candidate.stop(occurredAt[row]!, recordedAt[row]!, evidence[row]!, true);
  }

  #isContact(row: number, nowMs: number): boolean {
    const { detail } = this.#fact;
    return this.history.names.detail[detail[row]!] === 'connected' || this.anyAttemptIsContact(nowMs);
  }

  #latest(clockType: ClockTypeName): Running | undefined {
    return this.#clocks.findLast((one) => one.clockType === clockType && one.recorded !== null);
  }

  /** The promise of a next attempt that a contact at `atMs` belongs to: the last one that had begun by then. */
  #cadenceAt(atMs: number): Running | undefined {
    let last: Running | undefined;
    for (const one of this.#clocks) {
      if (one.clockType !== 'contact_cadence' || one.recorded === null || one.recorded.status === 'cancelled') continue;
      const startedAtMs = one.inForce?.startedAtMs ?? Infinity;
      if (startedAtMs <= atMs && !(startedAtMs < (last?.inForce?.startedAtMs ?? -Infinity))) last = one;
    }
    return last;
  }

  // ---- promises that nobody made then and the other policies make

  #expect(clockType: ClockTypeName, row: number, startMs: number, contactAtMs = Number.NaN): void {
    const columns = this.#fact;
    if ((columns.flags[row]! & FLAGS.imported) !== 0) return;
    const isMarketings = clockType === 'recycle_reengagement' && this.#marketingTeam > 0;
    this.#expected.push({
      clockType,
      recordedAtMs: columns.recordedAt[row]!,
      startMs,
      owner: isMarketings ? 0 : columns.owner[row]!,
      team: isMarketings ? this.#marketingTeam : columns.team[row]! || this.#team,
      contactAtMs,
    });
  }

  #firstContactSince(sinceMs: number): number {
    let first = Number.NaN;
    for (const atMs of this.#contacts) if (atMs >= sinceMs && !(atMs >= first)) first = atMs;
    return first;
  }

  /** What the last command brought about without a promise: the clocks that the other policies would have started. */
  #startUnpromised(lead: number): void {
    if (this.#expected.length === 0) return;
    const expected = this.#expected;
    this.#expected = [];
    for (const { clockType, contactAtMs, owner, recordedAtMs, startMs, team } of expected) {
      const teamId = this.#teamName(team);
      const terms = teamId === null ? null : this.candidate.unpromised(clockType, teamId, startMs);
      if (terms === null) continue;
      const candidate = new ClockRun(terms, startMs, owner, team);
      const sinceMove = this.#moves.at(-1)?.id ?? 0;
      const nobody = { recorded: null, inForce: null, differs: false, clock: 0, isMetAtStart: false, endedByMove: 0 };
      const started: Running = {
        ...nobody,
        lead,
        clockType,
        candidate,
        leadOwner: this.#owner,
        leadTeam: this.#team,
        sinceMove,
      };
      this.#clocks.push(started);
      if (contactAtMs <= startMs) candidate.meet(1);
      else this.#pauseAtStart(started, startMs, recordedAtMs);
      if (contactAtMs > startMs) candidate.stop(contactAtMs, recordedAtMs, 1, true);
    }
  }

  /**
   * @param atMs of the fact that keeps the promise; NaN: it is cancelled
   * @param isSince whether it has to have happened since the promise
   * @param moveId of the move that does it; 0: a fact does
   */
  #endUnpromised(clockType: ClockTypeName, atMs: number, nowMs: number, isSince = false, moveId = 0): void {
    const unpromised = this.#clocks.filter((one) => one.recorded === null && one.clockType === clockType);
    // A fact keeps the latest promise of its kind; what cancels ends all of them.
    for (const one of Number.isNaN(atMs) ? unpromised : unpromised.slice(-1)) {
      const { candidate } = one;
      if (candidate === null) continue;
      const wasOpen = candidate.isOpen;
      if (Number.isNaN(atMs)) candidate.cancel(nowMs);
      else if (!isSince || atMs >= candidate.startedAtMs)
        candidate.stop(Math.max(atMs, candidate.startedAtMs), nowMs, 1, true);
      if (!wasOpen || candidate.isOpen) continue;
      one.endedByMove = moveId;
      this.#nameWhomItWasMetBy(one);
    }
  }
}
