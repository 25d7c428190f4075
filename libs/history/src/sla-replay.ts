import { CLOCK_TYPES } from '#libs/policy/src/documents.js';
import { DEFAULT_PIPELINE_ID, type PolicyBook } from '#libs/policy/src/policy-book.js';
import type { ClockHistory } from './clock-history.js';
import type { ClockRun } from './clock-run.js';
import { LeadClocks, type RecordedClock, type ReplayedClock } from './clocks-of-lead.js';
import { candidateTerms, type ClockTypeName, type SlaCandidate, termsInForce } from './sla-terms.js';

/**
 * What-if SLA: other agreements or calendars over the past. Every promise of the window is judged twice, by what was recorded and by
 * the other policies; and a third time by the policies it was made under, which must give what was recorded.
 */
export interface SlaReplayRequest {
  /** Promises made from here, inclusive, to there, exclusive; epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** What was recorded later is not known, and every clock is judged as of then. */
  readonly asOfMs: number;
  readonly candidate: SlaCandidate;
  /** How many breaches are listed at most, of each list. */
  readonly limit: number;
}

export interface SlaFigures {
  readonly met: number;
  /** Breaches that stand. */
  readonly breached: number;
  /** Promises that are neither kept nor broken yet. */
  readonly pending: number;
  /** Ended before they fell due: they count nowhere. */
  readonly cancelled: number;
  /** met / (met + breached), rounded half up to six places; null: nothing was decided. */
  readonly attainment: { readonly numerator: number; readonly denominator: number; readonly rate: number | null };
}

export interface SlaComparison {
  readonly recorded: SlaFigures;
  readonly whatIf: SlaFigures;
  /** Broken under the other policies only. */
  readonly gained: number;
  /** Broken under the policies of then only. */
  readonly avoided: number;
}

export interface SlaReplayBreach {
  readonly leadId: string;
  readonly clockType: ClockTypeName;
  readonly startedAt: string;
  /** When it fell due under the policies of then; null: nobody had promised it. */
  readonly recordedDueAt: string | null;
  /** Under the other policies; null: nobody promises it. */
  readonly whatIfDueAt: string | null;
  /** When the promise was kept after all; null: it was not, or has been cancelled. */
  readonly stoppedAt: string | null;
  readonly ownerId: string | null;
  readonly teamId: string | null;
}

export interface SlaReplayResult {
  /** The policies in force must reproduce what was recorded: `differences` is 0, or the figures are not to be trusted. */
  readonly check: {
    readonly clocks: number;
    readonly breaches: number;
    readonly differences: number;
    readonly examples: readonly SlaDifference[];
  };
  readonly leads: number;
  readonly total: SlaComparison;
  readonly byClockType: readonly ({ readonly clockType: ClockTypeName } & SlaComparison)[];
  readonly byTeam: readonly ({ readonly teamId: string | null } & SlaComparison)[];
  readonly byOwner: readonly ({ readonly ownerId: string | null } & SlaComparison)[];
  /** Everything broken under the other policies, by lead as they came; `more`: how many are not listed. */
  readonly breaches: SlaBreachList;
  readonly gained: SlaBreachList;
  readonly avoided: SlaBreachList;
  readonly caveats: readonly string[];
}
export interface SlaBreachList {
  readonly items: readonly SlaReplayBreach[];
  readonly more: number;
}
export interface SlaDifference {
  readonly leadId: string;
  readonly clockType: ClockTypeName;
  readonly startedAt: string;
  readonly recorded: string;
  readonly replayed: string;
}

const EXAMPLES = 20;
/** So many leads, a few ms, between two turns of everybody else. */
const SLICE = 250;

/** Gives the event loop its turn now and then. `pause` throws to end the run. */
export async function replaySla(
  history: ClockHistory,
  policies: PolicyBook,
  request: SlaReplayRequest,
  pause: (share: number) => Promise<void> = () => Promise.resolve(),
): Promise<SlaReplayResult> {
  const { asOfMs, candidate, fromMs, limit, toMs } = request;
  const anyAttempt = (atMs: number) =>
    policies.pipelineById(DEFAULT_PIPELINE_ID, atMs)?.firstContactStop !== 'connected';
  const clocks = new LeadClocks(
    history,
    termsInForce(policies),
    candidateTerms(policies, candidate),
    asOfMs,
    anyAttempt,
  );
  const tally = new SlaTally(history, asOfMs, limit);
  const leads = history.leadIds.length;
  for (let lead = 0; lead < leads; lead += 1) {
    if (lead % SLICE === 0) await pause(lead / leads);
    for (const clock of clocks.of(lead)) {
      const startedAtMs = startOf(clock);
      if (startedAtMs >= fromMs && startedAtMs < toMs) tally.add(clock);
    }
  }
  return { ...tally.result(), caveats: caveatsOf(request, policies, tally.recordedTypes) };
}

const startOf = ({ candidate, inForce }: ReplayedClock): number => (inForce ?? candidate)!.startedAtMs;

type Standing = 'met' | 'breached' | 'pending' | 'cancelled' | 'none';

/** As of `asOfMs`; a running clock past its due instant is a broken promise whether or not anybody has seen it (spec 7.6). */
function recordedStanding(clock: RecordedClock | null, asOfMs: number): Standing {
  if (clock === null || clock.status === 'voided') return 'none';
  if (clock.breachStands || (clock.status === 'running' && clock.dueMs <= asOfMs)) return 'breached';
  if (clock.status === 'stopped') return 'met';
  return clock.status === 'cancelled' ? 'cancelled' : 'pending';
}

function replayedStanding(run: ClockRun | null): Standing {
  if (run === null || run.status === 'voided') return 'none';
  if (run.breachStands) return 'breached';
  if (run.status === 'stopped') return 'met';
  return run.status === 'cancelled' ? 'cancelled' : 'pending';
}

class Counts {
  readonly recorded = { met: 0, breached: 0, pending: 0, cancelled: 0, none: 0 };
  readonly whatIf = { met: 0, breached: 0, pending: 0, cancelled: 0, none: 0 };
  gained = 0;
  avoided = 0;

  comparison(): SlaComparison {
    const { avoided, gained } = this;
    return { recorded: figures(this.recorded), whatIf: figures(this.whatIf), gained, avoided };
  }
}

function figures({ breached, cancelled, met, pending }: Counts['recorded']): SlaFigures {
  const denominator = met + breached;
  const rate = denominator === 0 ? null : Math.floor((2e6 * met + denominator) / (2 * denominator)) / 1e6;
  return { met, breached, pending, cancelled, attainment: { numerator: met, denominator, rate } };
}

class Breaches {
  readonly items: SlaReplayBreach[] = [];
  count = 0;

  constructor(private readonly limit: number) {}

  /** True when it is to be listed. */
  counts(): boolean {
    this.count += 1;
    return this.count <= this.limit;
  }

  list(): SlaBreachList {
    return { items: this.items, more: this.count - this.items.length };
  }
}

class SlaTally {
  readonly #total = new Counts();
  readonly #byType = new Map<ClockTypeName, Counts>();
  readonly #byTeam = new Map<number, Counts>();
  readonly #byOwner = new Map<number, Counts>();
  readonly #leads = new Set<number>();
  readonly #examples: SlaDifference[] = [];
  readonly #breaches: Breaches;
  readonly #gained: Breaches;
  readonly #avoided: Breaches;
  #clocks = 0;
  #recordedBreaches = 0;
  #differences = 0;

  constructor(
    private readonly history: ClockHistory,
    private readonly asOfMs: number,
    limit: number,
  ) {
    this.#breaches = new Breaches(limit);
    this.#gained = new Breaches(limit);
    this.#avoided = new Breaches(limit);
  }

  /** Types of clocks that somebody had promised. */
  get recordedTypes(): ReadonlySet<ClockTypeName> {
    return new Set([...this.#byType].flatMap(([type, { recorded }]) => (isEmpty(recorded) ? [] : type)));
  }

  add(clock: ReplayedClock): void {
    const { candidate, inForce, recorded } = clock;
    if (recorded !== null) this.#check(clock, recorded);
    const was = recordedStanding(recorded, this.asOfMs);
    const wouldBe = replayedStanding(candidate);
    if (was === 'none' && wouldBe === 'none') return;
    this.#leads.add(clock.lead);
    const isGained = wouldBe === 'breached' && was !== 'breached';
    const isAvoided = was === 'breached' && wouldBe !== 'breached';
    const run = wouldBe === 'breached' ? candidate! : (inForce ?? candidate!);
    const owner = (run.breachStands ? run.ownerAtBreach : run.owner) || clock.leadOwner;
    const team = (run.breachStands ? run.teamAtBreach : run.team) || clock.leadTeam;
    const counted = [this.#total, of(this.#byType, clock.clockType), of(this.#byTeam, team), of(this.#byOwner, owner)];
    for (const counts of counted) {
      counts.recorded[was] += 1;
      counts.whatIf[wouldBe] += 1;
      if (isGained) counts.gained += 1;
      if (isAvoided) counts.avoided += 1;
    }
    if (wouldBe === 'breached') this.#list(this.#breaches, clock, owner, team);
    if (isGained) this.#list(this.#gained, clock, owner, team);
    if (isAvoided) this.#list(this.#avoided, clock, owner, team);
  }

  result(): Omit<SlaReplayResult, 'caveats'> {
    const { owner, team } = this.history.names;
    return {
      check: {
        clocks: this.#clocks,
        breaches: this.#recordedBreaches,
        differences: this.#differences,
        examples: this.#examples,
      },
      leads: this.#leads.size,
      total: this.#total.comparison(),
      byClockType: CLOCK_TYPES.flatMap((clockType) => {
        const counts = this.#byType.get(clockType);
        return counts === undefined ? [] : [{ clockType, ...counts.comparison() }];
      }),
      byTeam: inOrder(this.#byTeam, team).map(([teamId, counts]) => ({ teamId, ...counts.comparison() })),
      byOwner: inOrder(this.#byOwner, owner).map(([ownerId, counts]) => ({ ownerId, ...counts.comparison() })),
      breaches: this.#breaches.list(),
      gained: this.#gained.list(),
      avoided: this.#avoided.list(),
    };
  }

  #check(clock: ReplayedClock, recorded: RecordedClock): void {
    this.#clocks += 1;
    if (!Number.isNaN(recorded.breachedAtMs)) this.#recordedBreaches += 1;
    if (!clock.differs) return;
    this.#differences += 1;
    if (this.#examples.length === EXAMPLES) return;
    this.#examples.push({
      leadId: this.history.leadIds[clock.lead]!,
      clockType: clock.clockType,
      startedAt: iso(startOf(clock)),
      recorded: told(recorded),
      replayed: clock.inForce === null ? 'not promised' : told(clock.inForce),
    });
  }

  #list(list: Breaches, { candidate, clockType, inForce, lead, recorded }: ReplayedClock, owner: number, team: number) {
    if (!list.counts()) return;
    const { leadIds, names } = this.history;
    const stoppedAtMs = (candidate ?? inForce)!.stoppedAtMs;
    list.items.push({
      leadId: leadIds[lead]!,
      clockType,
      startedAt: iso((candidate ?? inForce)!.startedAtMs),
      recordedDueAt: recorded === null ? null : iso(recorded.dueMs),
      whatIfDueAt: candidate === null ? null : iso(candidate.dueMs),
      stoppedAt: Number.isNaN(stoppedAtMs) ? null : iso(stoppedAtMs),
      ownerId: names.owner[owner] ?? null,
      teamId: names.team[team] ?? null,
    });
  }
}

function told(clock: Pick<RecordedClock, 'status' | 'outcome' | 'dueMs' | 'breachedAtMs' | 'retracted'>): string {
  const { breachedAtMs, dueMs, outcome, retracted, status } = clock;
  const breach = Number.isNaN(breachedAtMs) ? '' : `, breached${retracted ? ' and taken back' : ''}`;
  return `${status}${outcome === null ? '' : ` ${outcome}`}, due ${iso(dueMs)}${breach}`;
}

const isEmpty = ({ breached, cancelled, met, pending }: Counts['recorded']): boolean =>
  breached + cancelled + met + pending === 0;

function of<K>(all: Map<K, Counts>, key: K): Counts {
  let counts = all.get(key);
  if (counts === undefined) all.set(key, (counts = new Counts()));
  return counts;
}

/** By name, nobody last. */
const inOrder = (all: ReadonlyMap<number, Counts>, names: readonly (string | null)[]): [string | null, Counts][] =>
  [...all]
    .map(([code, counts]): [string | null, Counts] => [names[code] ?? null, counts])
    .sort(([a], [b]) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : a < b ? -1 : 1));

const iso = (ms: number): string => new Date(ms).toISOString();

/** What nobody can know of a past under other promises. */
function caveatsOf(
  { candidate }: SlaReplayRequest,
  policies: PolicyBook,
  recordedTypes: ReadonlySet<ClockTypeName>,
): string[] {
  const caveats = [
    'People acted under the promises of then: with other deadlines they might have acted at other times.',
    'Imported history started no clocks and starts none here.',
  ];
  if (recordedTypes.size === 0)
    caveats.push('No promise began in the window: there is nothing to judge, and no difference says nothing.');
  const agreement = candidate.agreement?.document;
  if (agreement === undefined) return caveats;
  const promised = new Set(agreement.clocks.map(({ clockType }) => clockType));
  const gone = CLOCK_TYPES.filter((type) => recordedTypes.has(type) && !promised.has(type));
  if (gone.length > 0) caveats.push(`The other agreement does not promise ${gone.join(', ')}: those breaches vanish.`);
  if (promised.has('contact_cadence') && !recordedTypes.has('contact_cadence'))
    caveats.push('contact_cadence follows from sequences that nobody had started: it is not worked out.');
  const isSameContact = policies
    .teams()
    .flatMap(({ teamId }) => policies.agreementForTeam(teamId, Number.POSITIVE_INFINITY) ?? [])
    .every((known) => isEqual(known.contactAttemptDefinition, agreement.contactAttemptDefinition));
  if (!isSameContact)
    caveats.push('Which contact attempts qualify is what was recorded: the other definition of them is not applied.');
  return caveats;
}

const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
