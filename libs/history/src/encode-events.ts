import { EventCodec } from '#libs/event-log/src/codec.js';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import { leadEventSchemas, type LeadEvent } from '#libs/lead/src/events.js';
import { leadEventVersions, leadUpcasters } from '#libs/lead/src/upcasters.js';
import type { Encoder, EncoderContext } from './encoders.js';
import type { RowSink, Table } from './table.js';
import { CONTACTS, DEALS, EVENTS, EVENT_TABLES, HANDOFFS, LEADS, MERGES, TRANSITIONS } from './tables-events.js';

const PREFIX = 'lead-';
const codec = new EventCodec({ schemas: leadEventSchemas, versions: leadEventVersions, upcasters: leadUpcasters });

/** Of an append only its events together say where it begins: the one before is remembered, or read from the log. */
interface Before {
  readonly stream: string;
  readonly revision: number;
  readonly commandId: unknown;
}

/** Lead events → the tables of tables-events.ts. */
export function eventsEncoder({ readStream }: EncoderContext): Encoder {
  let before: Before | null = null;

  const encode = (event: RecordedEvent, sink: RowSink, previous: Before | null, refersTo: number): void => {
    const { metadata, revision, stream } = event;
    const follows = previous?.stream === stream && previous.revision === revision - 1;
    const isFirst = !follows || previous.commandId !== metadata.commandId;
    before = { stream, revision, commandId: metadata.commandId };
    new EventRows(event, sink, isFirst, refersTo).encode();
  };

  const afterReading = async (event: RecordedEvent, sink: RowSink): Promise<void> => {
    const { data, revision, stream } = event;
    const events = revision === 0 ? [] : await readStream(stream, revision - 1);
    const last = events.at(-1);
    const previous = last === undefined ? null : { ...last, commandId: last.metadata.commandId };
    const meant = events.find(({ id }) => id === (data.voidedEventId ?? data.correctedEventId));
    // An append is in one piece in the log: what does not follow the event just seen begins one.
    encode(event, sink, before ?? previous, meant === undefined ? 0 : meant.revision + 1);
  };

  return {
    tables: EVENT_TABLES,
    encode(event, sink) {
      const { revision, type } = event;
      const isUnclear = before === null && revision > 0;
      if (isUnclear || type === 'TransitionVoided' || type === 'OccurredAtCorrected') return afterReading(event, sink);
      encode(event, sink, before, 0);
    },
  };
}

/** Fields that some event or other has; every reader below takes those it knows. */
type AnyData = Readonly<Record<string, unknown>>;
interface Money {
  readonly amountMinor: number;
  readonly currency: string;
}

/** Rows of one event. */
class EventRows {
  readonly #data: AnyData;
  readonly #type: string;
  readonly #lead: number;
  readonly #recordedAt: number;
  readonly #occurredAt: number;
  readonly #imported: number;

  constructor(
    private readonly event: RecordedEvent,
    private readonly sink: RowSink,
    private readonly isFirst: boolean,
    private readonly refersTo: number,
  ) {
    const { data, metadata, stream, type } = event;
    this.#data = metadata.schemaVersion === (leadEventVersions[type] ?? 1) ? data : codec.decode(event, data);
    this.#type = type;
    this.#lead = sink.leadIndex(stream.slice(PREFIX.length));
    this.#recordedAt = effectiveRecordedAtMs(event);
    this.#occurredAt = instant(data.occurredAt);
    this.#imported = (metadata as Partial<EventMetadata>).source?.importJobId === undefined ? 0 : 1;
  }

  encode(): void {
    const { event, isFirst, refersTo } = this;
    const { actor } = event.metadata as Partial<EventMetadata>;
    this.sink.row(
      EVENTS,
      this.#lead,
      event.revision,
      this.#code('event_type', this.#type),
      this.#recordedAt,
      this.#occurredAt,
      isFirst ? 1 : 0,
      this.#imported,
      this.#code('actor_kind', actor?.type),
      this.#code('actor_role', actor?.role),
      this.#code('policy', actor?.type === 'system' ? actor.id : undefined),
      refersTo,
      this.#type === 'OccurredAtCorrected' ? instant(this.#data.new) : NaN,
    );
    if (typeof this.#data.toState === 'string') this.#transition();
    this.#more();
  }

  #transition(): void {
    const { cycleNo, fromState, mode, reason, reasonCode, skippedStages, skipRule, stageVisitNo, toState } = this.#data;
    this.#row(
      TRANSITIONS,
      this.#code('state', fromState),
      this.#code('state', toState),
      count(cycleNo),
      count(stageVisitNo),
      this.#code('reason', this.#type === 'QualificationWithdrawn' ? reason : reasonCode),
      this.#code('skip_rule', skipRule),
      this.#code('skipped_stages', Array.isArray(skippedStages) ? skippedStages.join(' ') : undefined),
      this.#code('owner', this.#data.ownerId),
      this.#code('team', this.#data.teamId),
      this.#code('basis', this.#data.basis),
      this.#code('mode', mode),
      this.refersTo,
    );
  }

  /** What only some events have. */
  #more(): void {
    const data = this.#data;
    switch (this.#type as LeadEvent['type']) {
      case 'LeadCaptured':
        return this.#captured();
      case 'HandedOffToSales':
        return this.#handoff('offered');
      case 'AcceptedBySales':
        return this.#handoff('accepted');
      case 'RejectedBySales':
        return this.#handoff('rejected');
      case 'QualificationWithdrawn':
        return data.handoffId === undefined ? undefined : this.#handoff('withdrawn');
      case 'MarkedSQL':
        if (data.handoffId !== undefined) this.#handoff(data.implicitAcceptance === true ? 'implicit' : 'cancelled');
        return;
      case 'OpportunityOpened':
        return this.#deal({ stage: data.dealStage, amount: data.amount, expectedClose: data.expectedCloseDate });
      case 'DealStageChanged':
        return this.#deal({ stage: data.to, from: data.from });
      case 'DealAmountChanged':
        return this.#deal({ amount: data.new });
      case 'DealValueVerified':
        return this.#deal({ amount: data.amount });
      case 'DealCloseDateChanged':
        return this.#deal({ expectedClose: data.new });
      case 'ProposalSent':
        return this.#deal({ amount: data.amount });
      case 'DecisionMakerChanged':
      case 'ObjectionRaised':
      case 'ObjectionResolved':
        return this.#deal({});
      case 'OpportunityReturnedToQualification':
        return this.#deal({ stage: data.fromDealStage });
      case 'OpportunityResumed':
        return this.#deal({ stage: data.dealStage });
      case 'DealWon':
        return this.#deal({ amount: data.amount, closedAt: data.closedAt, fxRate: data.fxRateToReporting });
      case 'DealLost':
        return this.#deal({ stage: data.lostFromDealStage, amount: data.amount });
      case 'RecycledNotReady':
        return data.closedDealId === undefined ? undefined : this.#deal({ dealId: data.closedDealId });
      case 'ContactAttempted':
        return this.#contact(data.channel, data.outcome, data.sequenceStep);
      case 'LeadResponded':
        return this.#contact(data.channel, data.sentiment);
      case 'MeetingBooked':
      case 'MeetingHeld':
        return this.#contact(data.kind, data.outcome);
      case 'NurtureTouchSent':
        return this.#contact(data.channel, undefined, data.step);
      case 'PostSaleFollowUpLogged':
        return this.#contact(data.channel, undefined);
      case 'DuplicateAbsorbed':
        return this.#merge(data.duplicateLeadId, false, data.effectiveCapturedAt);
      case 'MergedInto':
        return this.#merge(data.survivorLeadId, true);
      case 'MergeReverted': {
        const isDuplicate = data.duplicateLeadId === this.event.stream.slice(PREFIX.length);
        return this.#merge(
          isDuplicate ? (data.survivorLeadId ?? data.duplicateLeadId) : data.duplicateLeadId,
          isDuplicate,
        );
      }
      default:
    }
  }

  #captured(): void {
    const { captureMethod, initialStage, leadType, ownerId, teamId } = this.#data;
    const source = (this.#data.source ?? {}) as AnyData;
    const interest = (this.#data.interest ?? {}) as AnyData;
    const location = (this.#data.location ?? {}) as AnyData;
    this.sink.row(
      LEADS,
      this.#lead,
      this.#recordedAt,
      this.#occurredAt,
      this.#code('state', initialStage === 'subscriber' ? 'SUBSCRIBER' : 'LEAD'),
      this.#code('source', source.code ?? source.channel),
      this.#code('channel', source.channel),
      this.#code('campaign', source.campaignId),
      this.#code('country', location.country),
      this.#code('lead_type', leadType),
      this.#code('capture_method', captureMethod),
      this.#code('interest', interest.kind),
      this.#code('request', interest.request),
      this.#code('owner', ownerId),
      this.#code('team', teamId),
      this.#imported,
    );
  }

  #handoff(outcome: string): void {
    const { agreementId, agreementVersion, ownerId, reason, reasonCode, teamId } = this.#data;
    this.sink.row(
      HANDOFFS,
      this.#lead,
      this.event.revision,
      this.#recordedAt,
      this.#occurredAt,
      this.#code('handoff', outcome),
      this.#code('owner', ownerId),
      this.#code('team', teamId),
      this.#code('agreement', agreementId),
      count(agreementVersion),
      this.#code('reason', outcome === 'withdrawn' ? reason : reasonCode),
    );
  }

  #deal(is: {
    readonly dealId?: unknown;
    readonly stage?: unknown;
    readonly from?: unknown;
    readonly amount?: unknown;
    readonly expectedClose?: unknown;
    readonly closedAt?: unknown;
    readonly fxRate?: unknown;
  }): void {
    const { dealId, horizon, ownerId, reasonCode, teamId } = this.#data;
    const amount = (is.amount ?? null) as Money | null;
    this.#row(
      DEALS,
      numberOf(is.dealId ?? dealId),
      this.#code('deal_stage', is.stage),
      this.#code('deal_stage', is.from),
      amount === null ? NaN : amount.amountMinor,
      this.#code('currency', amount?.currency),
      instant(is.expectedClose),
      instant(is.closedAt),
      is.fxRate === undefined ? NaN : Number(is.fxRate),
      this.#code('horizon', horizon),
      this.#code('reason', reasonCode),
      this.#code('owner', ownerId),
      this.#code('team', teamId),
    );
  }

  #contact(channel: unknown, outcome: unknown, step?: unknown): void {
    this.#row(
      CONTACTS,
      this.#code('channel', channel),
      this.#code('contact_outcome', outcome),
      this.#code('intent', this.#data.intent),
      this.#data.qualifies === true ? 1 : 0,
      count(step),
    );
  }

  #merge(other: unknown, isDuplicate: boolean, effectiveCapturedAt?: unknown): void {
    this.#row(MERGES, this.sink.leadIndex(other as string), instant(effectiveCapturedAt), isDuplicate ? 1 : 0);
  }

  /** A row that begins with lead, revision, type and both times. */
  #row(table: Table, ...rest: number[]): void {
    const { event, sink } = this;
    const type = this.#code('event_type', this.#type);
    sink.row(table, this.#lead, event.revision, type, this.#recordedAt, this.#occurredAt, ...rest);
  }

  #code(dictionary: string, value: unknown): number {
    return typeof value === 'string' ? this.sink.dictionary(dictionary).codeOf(value) : 0;
  }
}

const count = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** Events of one append share their times. */
let lastText = '';
let lastMs = NaN;
function instant(value: unknown): number {
  if (typeof value !== 'string') return NaN;
  if (value !== lastText) {
    lastText = value;
    lastMs = Date.parse(value);
  }
  return lastMs;
}

/** FNV-1a: tells a handful of ids apart without keeping one. */
function numberOf(id: unknown): number {
  if (typeof id !== 'string') return 0;
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at += 1) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
