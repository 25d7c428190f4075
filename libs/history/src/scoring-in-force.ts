import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import { followsFrom, type Consequence } from '#libs/lead/src/decide-scoring.js';
import { pipelineOf } from '#libs/lead/src/decision.js';
import type { LeadEvent, LeadEventData } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { factsOf, SCORED_FACTS } from '#libs/lead/src/scored-facts.js';
import {
  isSuppressed,
  mayBeProfiled,
  mayBeScored,
  scoreRecord,
  standingOf,
  type Standing,
} from '#libs/lead/src/scoring.js';
import { failedHardCriteria } from '#libs/lead/src/icp.js';
import { initialLead, type LeadState } from '#libs/lead/src/state.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { Behaviours, wholeSeconds } from '#libs/scoring/src/behaviours.js';
import type { CompiledModel } from '#libs/scoring/src/compile.js';
import type { FactValue, Facts } from '#libs/scoring/src/facts.js';
import { FitMemo } from '#libs/scoring/src/fit-memo.js';
import { ModelBook } from '#libs/scoring/src/model-book.js';
import type { Scored } from '#libs/scoring/src/score.js';
import { MARKABLE } from './build-scoring-history.js';
import { storedLeadEvent } from './encode-scoring.js';
import { FIT_FIELD_NAMES } from './profile-interner.js';
import {
  ALL_GATES,
  EVALUATED,
  GATES,
  IMPORTED,
  RESCORED,
  STARTS,
  STEP,
  STEP_MASK,
  type ScoringHistory,
} from './scoring-history.js';

/** What a replay of the models that were in force says otherwise than the log. */
export interface ScoringDifference {
  readonly leadId: string;
  /** Of the first event of the command. */
  readonly revision: number;
  readonly at: string;
  readonly what: string;
  readonly recorded: unknown;
  readonly replayed: unknown;
}
type Where = Pick<ScoringDifference, 'leadId' | 'revision' | 'at'>;
export interface ScoringInForce {
  readonly leads: number;
  readonly evaluations: number;
  /** LeadScored events. */
  readonly scores: number;
  /** Marks, skips to SQL and withdrawals that scoring made by itself. */
  readonly consequences: number;
  readonly differenceCount: number;
  /** The first of them. */
  readonly differences: readonly ScoringDifference[];
}

const MOST_SHOWN = 100;

export interface ScoringEvidence {
  readonly history: ScoringHistory;
  /** All events of `scoringmodel-` and `pipeline-` streams, in the order of the log. */
  readonly configuration: readonly RecordedEvent[];
  /** Index and whole stream of each lead to be looked at. */
  readonly streams: AsyncIterable<readonly RecordedEvent[]> | Iterable<readonly RecordedEvent[]>;
}

/**
 * Replays the models that were in force over the history and compares with the log: every LeadScored (instant, model, parts, grade,
 * band) and every mark, skip and withdrawal of scoring's own must come out, and nothing that the log does not have (spec §5.3, §5.4).
 *
 * Scores are made of the history's columns alone. Whether something stood against a mark – state, consent, ICP, cool-down – is asked of
 * the lead as libs/lead folds it, by the rules that decided then.
 */
export async function scoringInForce({ configuration, history, streams }: ScoringEvidence): Promise<ScoringInForce> {
  const books = new Books(configuration);
  const report = new Report();
  const leadOf = new Map(history.leads.leadIds.map((leadId, lead) => [leadId, lead]));
  for await (const events of streams) {
    const leadId = events[0]?.stream.slice('lead-'.length) ?? '';
    const lead = leadOf.get(leadId);
    if (lead === undefined) report.differs({ leadId, revision: 0, at: '' }, 'lead', 'in the log', 'not in the history');
    else new LeadReplay(history, lead, leadId, books, report).over(events);
  }
  return report.answer();
}

class Report {
  leads = 0;
  evaluations = 0;
  scores = 0;
  consequences = 0;
  #count = 0;
  readonly #shown: ScoringDifference[] = [];

  differs(where: Where, what: string, recorded: unknown, replayed: unknown): void {
    if (this.#count++ < MOST_SHOWN) this.#shown.push({ ...where, what, recorded, replayed });
  }

  answer(): ScoringInForce {
    const { consequences, evaluations, leads, scores } = this;
    return { leads, evaluations, scores, consequences, differenceCount: this.#count, differences: this.#shown };
  }
}

/** The configuration as it was known when an event was written: what was put into force for a time past changed no decision made. */
class Books {
  readonly #events: readonly RecordedEvent[];
  readonly #known = new Map<number, { readonly models: ModelBook; readonly policies: PolicyBook }>();

  constructor(configuration: readonly RecordedEvent[]) {
    this.#events = configuration.filter(({ stream }) => /^(scoringmodel|pipeline)-/.test(stream));
  }

  knownAt(position: string) {
    let known = 0;
    let end = this.#events.length;
    while (known < end) {
      const middle = (known + end) >> 1;
      if (this.#events[middle]!.position < position) known = middle + 1;
      else end = middle;
    }
    let books = this.#known.get(known);
    if (books === undefined) {
      books = { models: new ModelBook(), policies: new PolicyBook() };
      for (const event of this.#events.slice(0, known)) {
        try {
          books.policies.apply(event);
          books.models.apply(event);
        } catch {
          // As the command side: one that cannot be read leaves the others in force.
        }
      }
      this.#known.set(known, books);
    }
    return books;
  }
}

/** One stored event of a lead as libs/lead reads it. */
interface Told {
  readonly recorded: RecordedEvent;
  readonly event: LeadEvent;
}

class LeadReplay {
  #behaviours = new Behaviours();
  #facts: Facts = {};
  #memo = new FitMemo();
  #gates = ALL_GATES;
  /** Next step that is not in `#behaviours` and `#facts`. */
  #step: number;
  readonly #end: number;
  #lead: LeadState;
  #nth = 0;

  constructor(
    private readonly history: ScoringHistory,
    lead: number,
    private readonly leadId: string,
    private readonly books: Books,
    private readonly report: Report,
  ) {
    this.#step = history.leads.firstStep[lead]!;
    this.#end = history.leads.firstStep[lead + 1]!;
    this.#lead = initialLead(leadId);
  }

  over(events: readonly RecordedEvent[]): void {
    this.report.leads += 1;
    let command: Told[] = [];
    for (const recorded of events) {
      if (command[0] !== undefined && command[0].recorded.metadata.commandId !== recorded.metadata.commandId) {
        this.#command(command);
        command = [];
      }
      command.push({ recorded, event: storedLeadEvent(recorded) });
    }
    if (command.length > 0) this.#command(command);
    this.#advance(this.#end);
    this.#compareFacts(events.at(-1)!);
  }

  #command(command: readonly Told[]): void {
    const [{ recorded: first }] = command as [Told];
    const where = {
      leadId: this.leadId,
      revision: first.revision,
      at: new Date(effectiveRecordedAtMs(first)).toISOString(),
    };
    const imported = (first.metadata as Partial<EventMetadata>).source?.importJobId !== undefined;
    const before = this.#lead;
    const scoredAt = command.findIndex(({ event }) => event.type === 'LeadScored');
    for (const told of scoredAt < 0 ? command : command.slice(0, scoredAt)) this.#fold(told, imported);
    const fact = command.find(({ event }) => SCORED_FACTS.has(event.type));

    if (fact !== undefined) {
      const evaluated = this.#next(imported ? EVALUATED | IMPORTED : EVALUATED);
      if (evaluated === null) this.report.differs(where, 'evaluation', fact.event.type, 'no such step');
      else {
        let start = evaluated;
        while (start > this.#step && (this.history.steps.kind[start]! & STARTS) === 0) start -= 1;
        this.#advance(start);
        const was = this.#scored();
        this.#advance(evaluated + 1);
        const gates = gatesOf(this.#lead);
        if (this.#gates !== gates) this.report.differs(where, 'gates', gates, this.#gates);
        if (imported) this.#compareNothing(where, command);
        else {
          this.#compareInstant(where, evaluated, fact);
          this.#evaluate(where, command, { before, was, fact });
        }
      }
    } else if (scoredAt >= 0) {
      const rescored = this.#next(RESCORED);
      if (rescored === null) this.report.differs(where, 'evaluation', 'under a new model', 'no such step');
      else {
        this.#advance(rescored + 1);
        this.#evaluate(where, command, null);
      }
    } else this.#compareNothing(where, command);

    if (scoredAt >= 0) for (const told of command.slice(scoredAt)) this.#fold(told, imported);
  }

  /** The lead is folded up to where the command was evaluated. `caused` null: under a new model. */
  #evaluate(
    where: Where,
    command: readonly Told[],
    caused: { readonly before: LeadState; readonly was: ScoredNow; readonly fact: Told } | null,
  ): void {
    this.report.evaluations += 1;
    const { models, policies } = this.books.knownAt(command[0]!.recorded.position);
    const scored = command.find(({ event }) => event.type === 'LeadScored')?.event.data as Recorded | undefined;
    const nowMs = scored === undefined ? decidedAtMs(caused!.fact) : Date.parse(scored.occurredAt);
    const lead = this.#lead;
    const model = models.inForce(nowMs);
    const done = doneBy(command);
    if (scored !== undefined) this.report.scores += 1;
    if (done !== null) this.report.consequences += 1;
    if (model === null || !mayBeScored(lead)) {
      if (scored !== undefined || done !== null)
        this.report.differs(where, 'evaluation', scored ?? done, model === null ? 'no model' : 'may not be scored');
      return;
    }
    const pipeline = pipelineOf(policies, lead.leadType, nowMs);
    const standing = (of: LeadState, under: CompiledModel, seen: ScoredNow): Standing =>
      standingOf(of, under, nowMs, pipeline, seen(under));
    const former = caused === null ? models.predecessor(nowMs) : null;
    const now = this.#scored();
    const was =
      caused === null
        ? former && standing(lead, former, now)
        : caused.before.state !== null && mayBeProfiled(caused.before)
          ? standing(caused.before, model, caused.was)
          : null;
    const is = standing(lead, model, now);
    const merged = command.some(({ event: { type } }) => type === 'DuplicateAbsorbed' || type === 'MergeReverted');
    const cause = caused === null ? 'model_activated' : merged ? 'merge' : 'event';
    const { consequence, isRecorded } = followsFrom(lead, pipeline, was, is, { cause });

    const replayed = isRecorded
      ? { modelId: model.modelId, modelVersion: model.version, ...is.score, cause }
      : undefined;
    const recorded = scored && pick(scored, ['modelId', 'modelVersion', 'total', 'fit', 'engagement', 'penalties', 'grade', 'band', 'cause']); // prettier-ignore
    if (!same(recorded, replayed)) this.report.differs(where, 'score', recorded, replayed);
    if (consequence !== (done?.consequence ?? null))
      this.report.differs(where, 'consequence', done?.consequence ?? null, consequence);
    else if (done?.mark !== undefined) {
      const mark = pick(done.mark, ['modelVersion', 'total', 'grade', 'topContributions']);
      const atMs = Math.max(nowMs, lead.lastTransitionAtMs);
      const should = { ...scoreRecord(is), occurredAt: new Date(atMs).toISOString() };
      if (!same({ ...mark, occurredAt: done.mark.occurredAt }, should))
        this.report.differs(where, 'mark', mark, should);
    }
  }

  #fold({ event, recorded }: Told, imported: boolean): void {
    const { id: eventId, revision } = recorded;
    const recordedAtMs = effectiveRecordedAtMs(recorded);
    this.#lead = evolve(this.#lead, event, { eventId, revision, recordedAtMs, imported });
  }

  /** The next step at which the ledger evaluated, was rescored or was not asked; null: there is none, or one of another kind. */
  #next(marks: number): number | null {
    const { kind } = this.history.steps;
    const all = EVALUATED | IMPORTED | RESCORED;
    for (let step = this.#step; step < this.#end; step++)
      if ((kind[step]! & all) !== 0) return (kind[step]! & all) === marks ? step : null;
    return null;
  }

  /** What the steps before `end` tell. */
  #advance(end: number): void {
    const { profiles, steps, variants } = this.history;
    for (; this.#step < end; this.#step++) {
      const step = this.#step;
      const value = steps.value[step]!;
      const eventId = `step ${this.#nth++}`;
      switch (steps.kind[step]! & STEP_MASK) {
        case STEP.behaviour: {
          const at = { occurredAtS: steps.occurredAtS[step]!, availableAtS: steps.atS[step]! };
          this.#behaviours = this.#behaviours.with({ eventId, ...variants[value]!, ...at });
          break;
        }
        case STEP.returned:
          this.#behaviours = this.#behaviours.with({ eventId, kind: 'returned' });
          break;
        case STEP.restated:
          this.#behaviours = new Behaviours();
          break;
        case STEP.facts: {
          const facts: Record<string, FactValue> = {};
          for (const field of FIT_FIELD_NAMES) {
            const known = profiles.values[field][profiles.fields[field][value]!];
            if (known !== undefined) facts[field] = known;
          }
          this.#facts = facts;
          this.#memo = new FitMemo();
          break;
        }
        case STEP.gates:
          this.#gates = value;
          break;
        default:
      }
    }
  }

  #scored(): ScoredNow {
    const behaviours = this.#behaviours;
    const facts = this.#facts;
    const memo = this.#memo;
    return (model) => ({ behaviours, ...memo.of(model, () => facts) });
  }

  /** Of a command that nothing was evaluated for. */
  #compareNothing(where: Where, command: readonly Told[]): void {
    const scored = command.find(({ event }) => event.type === 'LeadScored');
    const done = doneBy(command);
    if (scored !== undefined) this.report.differs(where, 'score', scored.event.data, undefined);
    if (done !== null) this.report.differs(where, 'consequence', done.consequence, null);
  }

  #compareInstant(where: Where, step: number, fact: Told): void {
    const atS = this.history.steps.atS[step]!;
    const nowS = wholeSeconds(decidedAtMs(fact));
    // A behaviour counts no earlier than the one before it, even where a clock went back.
    if (atS !== nowS && (atS < nowS || this.#behaviours.latest?.atS !== atS))
      this.report.differs(where, 'instant', nowS, atS);
  }

  #compareFacts({ metadata: _, ...last }: RecordedEvent): void {
    const folded = factsOf(this.#lead);
    if (same(sorted(folded), sorted(this.#facts))) return;
    const where = { leadId: this.leadId, revision: last.revision, at: new Date(last.recordedAtMs).toISOString() };
    this.report.differs(where, 'facts', folded, this.#facts);
  }
}

/** What the history says of what stands against a mark, as the lead itself has it. */
const gatesOf = (lead: LeadState): number =>
  (mayBeScored(lead) ? GATES.mayBeScored : 0) |
  (failedHardCriteria(lead).length === 0 ? GATES.icp : 0) |
  (isSuppressed(lead) ? 0 : GATES.notSuppressed) |
  (MARKABLE.has(lead.state!) ? GATES.mayBeMarked : 0);

type Recorded = LeadEventData<'LeadScored'>;
type ScoredNow = (model: CompiledModel) => Scored;

/** When it was decided, as far as the event says: to the second exactly. */
function decidedAtMs({ event: { data }, recorded }: Told): number {
  const { availableAt, occurredAt } = data as { readonly occurredAt: string; readonly availableAt?: string };
  if (availableAt !== undefined) return Date.parse(availableAt);
  const second = wholeSeconds(Date.parse(occurredAt)) * 1000;
  return Math.min(Math.max(effectiveRecordedAtMs(recorded), second), second + 999);
}

/** What scoring did in the command by itself. */
function doneBy(
  command: readonly Told[],
): { readonly consequence: Consequence; readonly mark?: LeadEventData<'MarkedMQL' | 'MarkedPQL'> } | null {
  for (const { event, recorded } of command) {
    if ((recorded.metadata as Partial<EventMetadata>).actor?.id !== 'system:scoring') continue;
    switch (event.type) {
      case 'MarkedMQL':
        return { consequence: 'mql', mark: event.data };
      case 'MarkedPQL':
        return { consequence: 'pql', mark: event.data };
      case 'MarkedSQL':
        return { consequence: 'sql' };
      case 'QualificationWithdrawn':
        return { consequence: 'withdrawn' };
      default:
    }
  }
  return null;
}

function pick<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Partial<Pick<T, K>> {
  const picked: Partial<Pick<T, K>> = {};
  for (const key of keys) if (from[key] !== undefined) picked[key] = from[key];
  return picked;
}

const sorted = (facts: Facts): unknown => Object.entries(facts).toSorted(([a], [b]) => (a < b ? -1 : 1));

/** Equal as JSON has them, whatever the order of fields. */
const same = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);
const canonical = (value: unknown): string | undefined =>
  JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
