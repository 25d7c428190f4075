import { EventCodec } from '#libs/event-log/src/codec.js';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import { consentsOf, effectiveCapturedAtMs } from '#libs/lead/src/absorption.js';
import { leadEventSchemas, type LeadEvent, type LeadEventData, type LeadEventType } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { SCORED_FACTS } from '#libs/lead/src/scored-facts.js';
import { initialLead, QUALIFICATION_QUESTIONS, type LeadState } from '#libs/lead/src/state.js';
import { leadEventVersions, leadUpcasters } from '#libs/lead/src/upcasters.js';
import { wholeSeconds, type Behaviour, type ReturnMark } from '#libs/scoring/src/behaviours.js';
import type { FactValue, FitField } from '#libs/scoring/src/facts.js';
import type { Encoder, EncoderContext } from './encoders.js';
import { secondsOf } from './instants.js';
import type { BehaviourVariant } from './scoring-history.js';
import type { Dictionary, RowSink } from './table.js';
import {
  BEHAVIOURS,
  COMMAND,
  FACTS,
  FIELDS,
  HOW,
  MOVES,
  SCORING_CAPTURES,
  SCORING_COMPANIES,
  SCORING_MOVES,
  SCORING_SCORES,
  SCORING_STEPS,
  SCORING_TABLES,
  STATES,
  STEP_KINDS,
  type ScoringStepKind,
} from './tables-scoring.js';

export const PURPOSES = ['email_marketing', 'phone', 'profiling', 'sharing'] as const;

type Data<T extends LeadEventType> = LeadEventData<T>;

/** Fields that `evolveScoredFields` takes over from a change of details. */
type DetailFields = NonNullable<Data<'LeadDetailsUpdated'>['scoredFields']>;

const codec = new EventCodec({ schemas: leadEventSchemas, versions: leadEventVersions, upcasters: leadUpcasters });

/** Where one append ends and the next begins says no event of itself: what it takes to tell is remembered, or read from the log. */
interface Before {
  readonly stream: string;
  readonly revision: number;
  readonly commandId: unknown;
  /** The command has written a row. */
  readonly hasRow: boolean;
}

/**
 * Lead events → the rows of `SCORING_TABLES`. What cannot be told from an event alone – a merge, its end, a void, a correction – is
 * told by folding that lead's stream with libs/lead, and told anew as a whole.
 */
export function scoringEncoder({ readStream }: EncoderContext): Encoder {
  let before: Before | null = null;

  const isFirstRow = (event: RecordedEvent, known: Before | null): boolean =>
    known?.stream !== event.stream || known.commandId !== event.metadata.commandId || !known.hasRow;

  /** An append is in one piece in the log, so it has ended where another stream goes on. */
  const commandSoFar = (event: RecordedEvent): Before | null | Promise<Before | null> => {
    const { revision, stream } = event;
    if (before === null && revision > 0) return readStream(stream, revision - 1).then(summed);
    return before?.stream === stream && before.revision === revision - 1 ? before : null;
  };

  const remember = (event: RecordedEvent, known: Before | null, hasRow: boolean): void => {
    const { metadata, revision, stream } = event;
    const same = known !== null && known.commandId === metadata.commandId;
    before = { stream, revision, commandId: metadata.commandId, hasRow: hasRow || (same && known.hasRow) };
  };

  return {
    tables: SCORING_TABLES,
    encode(event, sink) {
      const type = event.type as LeadEventType;
      const known = commandSoFar(event);
      if (known instanceof Promise || RESTATING.has(type)) return later(event, sink, known);
      const data = dataOf(event);
      if (!writes(type, data)) return remember(event, known, false);
      write(new Rows(sink, event, data, isFirstRow(event, known)), type, data);
      return remember(event, known, true);
    },
  };

  async function later(event: RecordedEvent, sink: RowSink, asked: Before | null | Promise<Before | null>) {
    const known = await asked;
    const type = event.type as LeadEventType;
    const data = dataOf(event);
    const hasRow = RESTATING.has(type) || writes(type, data);
    if (RESTATING.has(type)) {
      const stream = await readStream(event.stream, event.revision);
      restate(new Rows(sink, event, data, isFirstRow(event, known)), stream);
    } else if (hasRow) write(new Rows(sink, event, data, isFirstRow(event, known)), type, data);
    remember(event, known, hasRow);
  }
}

function summed(events: readonly RecordedEvent[]): Before | null {
  const last = events.at(-1);
  if (last === undefined) return null;
  const { commandId } = last.metadata;
  const hasRow = events.some((event) => {
    const type = event.type as LeadEventType;
    return event.metadata.commandId === commandId && (RESTATING.has(type) || writes(type, dataOf(event)));
  });
  return { stream: last.stream, revision: last.revision, commandId, hasRow };
}

/** Events that change what earlier ones said. */
const RESTATING: ReadonlySet<string> = new Set<LeadEventType>([
  'TransitionVoided',
  'OccurredAtCorrected',
  'DuplicateAbsorbed',
  'MergeReverted',
]);

/** As it is stored: personal fields stay sealed, and nothing here is one of them. */
const dataOf = (event: RecordedEvent): Record<string, unknown> => {
  const { data, metadata, type } = event;
  return metadata.schemaVersion === (leadEventVersions[type] ?? 1) ? data : codec.decode(event, data);
};

/** As libs/lead folds it, without what is sealed: nothing of that is scored. */
export const storedLeadEvent = (event: RecordedEvent): LeadEvent =>
  ({ type: event.type, data: codec.decode(event, event.data) }) as unknown as LeadEvent;

const isImported = ({ metadata }: RecordedEvent): boolean =>
  (metadata as Partial<EventMetadata>).source?.importJobId !== undefined;

/** Whether an event that restates nothing has a row at all. */
function writes(type: LeadEventType, data: Record<string, unknown>): boolean {
  if (SCORED_FACTS.has(type)) return true;
  if (type === 'LeadScored' || type === 'HandedOffToSales' || type === 'OwnerAssigned') return true;
  // A dated fact of a lead that stays where it is: no move.
  return data.toState !== undefined && data.toState !== data.fromState;
}

/** Rows of one event. */
class Rows {
  readonly lead: number;
  readonly #steps: Dictionary;
  readonly #fields: Dictionary;
  readonly #facts: Dictionary;
  readonly occurredAtS: number;
  readonly availableAtS: number;
  #command: number;

  constructor(
    readonly sink: RowSink,
    event: RecordedEvent,
    data: Record<string, unknown>,
    isFirst: boolean,
  ) {
    this.lead = sink.leadIndex(event.stream.slice('lead-'.length));
    this.#steps = sink.dictionary(STEP_KINDS);
    this.#fields = sink.dictionary(FIELDS);
    this.#facts = sink.dictionary(FACTS);
    const imported = isImported(event);
    const scores = SCORED_FACTS.has(event.type as LeadEventType);
    this.occurredAtS = secondsOf(data.occurredAt as string);
    this.availableAtS =
      data.availableAt !== undefined
        ? secondsOf(data.availableAt as string)
        : imported || scores
          ? this.occurredAtS
          : wholeSeconds(effectiveRecordedAtMs(event));
    this.#command = (isFirst ? COMMAND.starts : 0) | (scores ? COMMAND.scores : 0) | (imported ? COMMAND.imported : 0);
  }

  factCode(value: FactValue | null | undefined): number {
    return this.#facts.codeOf(value);
  }

  code(dictionary: string, value: string | undefined): number {
    return this.sink.dictionary(dictionary).codeOf(value);
  }

  step(
    kind: ScoringStepKind,
    {
      field,
      value,
      behaviour = 0,
      occurredAtS = this.occurredAtS,
      availableAtS = this.availableAtS,
      nth = 0,
    }: {
      readonly field?: string;
      readonly value?: FactValue | null | undefined;
      readonly behaviour?: number;
      readonly occurredAtS?: number;
      readonly availableAtS?: number;
      readonly nth?: number;
    } = {},
  ): void {
    this.sink.row(
      SCORING_STEPS,
      this.lead,
      this.#steps.codeOf(kind),
      this.#command,
      field === undefined ? 0 : this.#fields.codeOf(field),
      value === undefined ? 0 : this.#facts.codeOf(value),
      behaviour,
      occurredAtS,
      availableAtS,
      nth,
    );
    this.#command &= ~COMMAND.starts;
  }

  fact(field: FitField, value: FactValue | null | undefined): void {
    this.step('fact', { field, value });
  }

  behaviour(variant: BehaviourVariant, at: { readonly occurredAtS?: number; readonly availableAtS?: number } = {}) {
    this.step('behaviour', { behaviour: this.code(BEHAVIOURS, behaviourText(variant)), ...at });
  }

  get isImported(): boolean {
    return (this.#command & COMMAND.imported) !== 0;
  }
}

/** What rules may read of a behaviour, as one text: what is alike has one number. */
function behaviourText({ count, kind, more }: BehaviourVariant): string {
  if (more === undefined) return count === 1 ? kind : JSON.stringify({ kind, count });
  return JSON.stringify({ kind, count, more });
}

/** The variant that a text of the dictionary `BEHAVIOURS` stands for. */
export const behaviourOf = (text: string): BehaviourVariant =>
  text.startsWith('{') ? (JSON.parse(text) as BehaviourVariant) : { kind: text as BehaviourVariant['kind'], count: 1 };

function write(rows: Rows, type: LeadEventType, raw: Record<string, unknown>): void {
  const event = { type, data: raw } as unknown as LeadEvent;
  switch (event.type) {
    case 'LeadCaptured':
      return writeCapture(rows, event.data);
    case 'CaptureRepeated':
    case 'LeadDetailsUpdated':
      return writeDetails(rows, event.data.scoredFields);
    case 'RoleIdentified': {
      const { role } = event.data;
      return rows.fact('role', role === 'unknown' ? null : role);
    }
    case 'PersonaAssigned':
      rows.fact('personaId', event.data.personaId);
      return rows.fact('personaMatched', true);
    case 'LeadTypeChanged':
      return rows.fact('leadType', event.data.to);
    case 'JourneyStageObserved':
      return rows.fact('journeyStage', event.data.stage);
    case 'GoalIdentified':
      return rows.fact('challengeCode', event.data.challengeCode);
    case 'BuyingIntentAssessed':
      return rows.fact('buyingIntent', event.data.level);
    case 'QualificationAnswered': {
      const answered = QUALIFICATION_QUESTIONS.filter((question) => event.data.answers[question] !== undefined);
      if (answered.length === 0) return rows.step('touched');
      for (const question of answered) rows.fact(`qualification.${question}`, event.data.answers[question]!.value);
      return;
    }
    case 'IcpFitAssessed':
      return writeCompany(rows, event.data);
    case 'LinkedToAccount':
      return rows.step('account', { value: event.data.accountId });
    case 'UnlinkedFromAccount':
      return rows.step('account');
    case 'BehaviourRecorded': {
      const { campaignId, contentId, count, kind, topicCode } = event.data;
      return rows.behaviour(variantOf({ kind, count, more: { topicCode, contentId, campaignId } }));
    }
    case 'LeadResponded': {
      const { channel, sentiment } = event.data;
      return rows.behaviour({ kind: 'reply', count: 1, more: { channel, sentiment } });
    }
    case 'ConsentGranted':
    case 'ConsentWithdrawn': {
      const value = event.type === 'ConsentGranted' ? 'granted' : 'withdrawn';
      return rows.step('consent', { field: event.data.purpose, value });
    }
    case 'OwnerAssigned':
      rows.step('owner', { value: event.data.ownerId });
      return rows.step('team', { value: event.data.teamId });
    case 'LeadScored':
      return writeScore(rows, event.data);
    case 'HandedOffToSales':
    default:
      return writeMove(rows, event);
  }
}

function writeCapture(rows: Rows, data: Data<'LeadCaptured'>): void {
  const { accountId, captureMethod, emailKind, interest, leadType, location, ownerId, role, source, teamId } = data;
  const fact = (value: FactValue | undefined) => rows.factCode(value);
  const consents = data.consents.reduce((bits, { purpose }) => bits | (1 << PURPOSES.indexOf(purpose)), 0);
  rows.sink.row(
    SCORING_CAPTURES, rows.lead, rows.code(STATES, data.toState), consents, rows.isImported ? 1 : 0, fact(ownerId), fact(teamId),
    fact(role === 'unknown' ? undefined : role), fact(leadType), fact(location?.country), fact(location?.region), fact(emailKind),
    fact(captureMethod), fact(source.channel), fact(source.code), fact(source.campaignId), fact(interest.kind), fact(interest.request),
    fact(interest.productLine), fact(accountId),
  ); // prettier-ignore
  rows.step('captured');
}

function writeDetails(rows: Rows, scoredFields: DetailFields | undefined): void {
  const changed = Object.entries(scoredFields ?? {});
  if (changed.length === 0) return rows.step('touched');
  for (const [field, value] of changed) rows.fact(field as keyof DetailFields, value);
}

function writeCompany(rows: Rows, data: Data<'IcpFitAssessed'>): void {
  const { criteria, failures, firmographics, result } = data;
  const judged = (value: 'pass' | 'fail' | 'unknown') => rows.factCode(value === 'unknown' ? undefined : value);
  const { annualRevenue, employees, industry } = firmographics;
  rows.sink.row(
    SCORING_COMPANIES, rows.lead, failures.some(({ hard }) => hard) ? 1 : 0, judged(result), judged(criteria.industry),
    judged(criteria.annualRevenue), judged(criteria.employees), judged(criteria.region), rows.factCode(industry),
    rows.factCode(employees), rows.factCode(annualRevenue?.amountMinor), rows.factCode(annualRevenue?.currency),
  ); // prettier-ignore
  rows.step('company');
}

function writeScore(rows: Rows, data: Data<'LeadScored'>): void {
  const { band, cause, engagement, fit, grade, modelId, modelVersion, occurredAt, penalties, total } = data;
  rows.sink.row(
    SCORING_SCORES, rows.lead, Date.parse(occurredAt), rows.code('model', modelId), modelVersion, total, fit, engagement, penalties,
    rows.code('grade', grade), rows.code('band', band), rows.code('score_cause', cause),
  ); // prettier-ignore
  rows.step('scored', { availableAtS: rows.occurredAtS });
}

function writeMove(rows: Rows, { type, data }: LeadEvent): void {
  const {
    cycleNo = 0,
    fromState,
    implicitAcceptance,
    mode,
    ownerId,
    teamId,
    toState,
  } = data as Partial<Omit<Data<'MarkedSQL'>, 'fromState' | 'toState'>> & {
    readonly fromState?: string | null;
    readonly toState?: string;
  };
  const how =
    (type !== 'MarkedSQL' && mode === 'auto' ? HOW.automatic : 0) | (implicitAcceptance === true ? HOW.accepts : 0);
  rows.sink.row(
    SCORING_MOVES, rows.lead, rows.code(MOVES, type), rows.code(STATES, fromState ?? undefined), rows.code(STATES, toState), cycleNo, how,
    rows.factCode(ownerId), rows.factCode(teamId), rows.occurredAtS,
  ); // prettier-ignore
  rows.step('moved');
}

const variantOf = ({ kind, count, more }: BehaviourVariant & { readonly more: object }): BehaviourVariant => {
  const known = Object.entries(more).filter(([, value]) => value !== undefined);
  return known.length === 0 ? { kind, count } : { kind, count, more: Object.fromEntries(known) };
};

// ---- restatement

/** Tells again what a merge, its end, a void or a correction has changed, as libs/lead folds it. */
function restate(rows: Rows, stream: readonly RecordedEvent[]): void {
  let lead = initialLead(stream[0]?.stream.slice('lead-'.length) ?? '');
  let before = lead;
  /** Every row of SCORING_MOVES there is of the lead, in order, and what it stood on. */
  const moves: { readonly eventId: string; readonly under: string | null }[] = [];
  const corrected = new Map<string, number>();
  for (const recorded of stream) {
    const event = storedLeadEvent(recorded);
    before = lead;
    lead = evolve(lead, event, {
      eventId: recorded.id,
      revision: recorded.revision,
      recordedAtMs: effectiveRecordedAtMs(recorded),
      imported: isImported(recorded),
    });
    if (event.type === 'OccurredAtCorrected') corrected.set(event.data.correctedEventId, secondsOf(event.data.new));
    if (RESTATING.has(event.type) || !isMove(event)) continue;
    const isOffer = event.type === 'HandedOffToSales';
    moves.push({ eventId: recorded.id, under: isOffer ? (before.latestTransition?.eventId ?? null) : recorded.id });
  }
  if (before.behaviours !== lead.behaviours) tellBehaviours(rows, lead);
  tellMoves(rows, lead, moves, corrected);
  rows.step('consents_forgotten');
  for (const [purpose, value] of consentsOf(lead)) rows.step('consent', { field: purpose, value });
  rows.step('owner', { value: lead.ownerId });
  rows.step('team', { value: lead.teamId });
  rows.step('captured_again', { occurredAtS: wholeSeconds(effectiveCapturedAtMs(lead)) });
  rows.step('state', { value: lead.state });
}

const isMove = ({ type, data }: LeadEvent): boolean =>
  type === 'HandedOffToSales' || ('toState' in data && data.toState !== data.fromState && type !== 'LeadCaptured');

function tellBehaviours(rows: Rows, { behaviours }: LeadState): void {
  rows.step('behaviours_forgotten');
  const told: (Behaviour | ReturnMark)[] = [];
  for (let entry = behaviours.latest; entry !== null; entry = entry.previous) told.push(entry.what);
  for (const what of told.reverse()) {
    if (what.kind === 'returned') rows.step('returned_again');
    else {
      const { availableAtS, count, kind, more = {}, occurredAtS } = what;
      rows.behaviour(variantOf({ kind, count, more }), { occurredAtS, availableAtS });
    }
  }
}

function tellMoves(
  rows: Rows,
  lead: LeadState,
  moves: readonly { readonly eventId: string; readonly under: string | null }[],
  corrected: ReadonlyMap<string, number>,
): void {
  const standing = new Map<string, number>();
  for (let one = lead.latestTransition; one !== null; one = one.previous)
    standing.set(one.eventId, secondsOf(one.occurredAt));
  rows.step('moves_forgotten');
  moves.forEach(({ eventId, under }, n) => {
    if (under === null || !standing.has(under)) return;
    const occurredAtS = standing.get(eventId) ?? corrected.get(eventId);
    // 0: as it was told first.
    rows.step('moved_again', { nth: n + 1, occurredAtS: occurredAtS ?? 0 });
  });
}
