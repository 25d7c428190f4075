import type { LeadEvent, LeadEventData } from './events.js';
import type { Absorbed, ContactFact, LeadState, Moment } from './state.js';

/**
 * What a survivor takes over from its duplicate (spec §2.6): the union of both, read here and nowhere written back, so that
 * taking a merge back leaves no trace. Without personal data: the duplicate's own stream keeps that, under its own key.
 */

/** Behaviours that are an active request, a hand-raise (spec §1). */
export const HAND_RAISES: ReadonlySet<string> = new Set(['demo_request', 'pricing_request', 'contact_sales_request']);

type Carried = LeadEventData<'DuplicateAbsorbed'>;
type AbsorbedBehaviour = Carried['behaviours'][number];
type Purpose = LeadEventData<'ConsentWithdrawn'>['purpose'];
type AbsorbedTouch = Carried['touches'][number];

export function absorbedOf(data: Carried, { atMs, revision }: Moment, recordedAtMs: number): Absorbed {
  const { behaviours, contact, duplicateLeadId, duplicateRevision, identityKeys, mergeId, touches } = data;
  const handRaises = behaviours
    .filter(({ kind }) => HAND_RAISES.has(kind))
    .map((raise) => ({ eventId: raise.eventId, atMs: Date.parse(raise.occurredAt), revision }));
  const capturedAtMs = Date.parse(data.duplicateCapturedAt);
  return {
    mergeId, duplicateLeadId, duplicateRevision, recordedAtMs, atMs, capturedAtMs, contact, touches, behaviours, identityKeys,
    handRaises, withdrawnConsents: data.withdrawnConsents ?? [],
  }; // prettier-ignore
}

/** When the person came in first: the lead's own capture, or an absorbed duplicate's earlier one. */
export function effectiveCapturedAtMs(lead: LeadState): number {
  return Math.min(
    lead.visits[0]?.enteredAtMs ?? Number.POSITIVE_INFINITY,
    ...lead.absorbed.map(({ capturedAtMs }) => capturedAtMs),
  );
}

/** Leads held for the same person that nobody has merged into this one or told apart from it. */
export const openSuspects = ({ absorbed, duplicates }: LeadState): string[] =>
  [...duplicates].flatMap(([leadId, verdict]) =>
    verdict === 'suspected' && !absorbed.some(({ duplicateLeadId }) => duplicateLeadId === leadId) ? [leadId] : [],
  );

/** The person's hand-raises, whichever of its leads they reached. */
export const handRaisesOf = (lead: LeadState): readonly ContactFact[] =>
  lead.absorbed.length === 0
    ? lead.handRaises
    : [...lead.handRaises, ...lead.absorbed.flatMap(({ handRaises }) => handRaises)];

/** What the person allows: what was withdrawn on either lead stays withdrawn until it is granted anew (spec §9.2). */
export function consentsOf({ absorbed, consents }: Pick<LeadState, 'absorbed' | 'consents'>): LeadState['consents'] {
  if (!absorbed.some(({ withdrawnConsents }) => withdrawnConsents.length > 0)) return consents;
  const united = new Map(consents);
  for (const { withdrawnConsents } of absorbed)
    for (const purpose of withdrawnConsents) united.set(purpose, 'withdrawn');
  return united;
}

/** The person has allowed it anew, whatever was withdrawn before the merge. */
export const grantedAnew = (absorbed: readonly Absorbed[], purpose: string): readonly Absorbed[] =>
  absorbed.some(({ withdrawnConsents }) => withdrawnConsents.some((one) => one === purpose))
    ? absorbed.map((one) => ({
        ...one,
        withdrawnConsents: one.withdrawnConsents.filter((withdrawn) => withdrawn !== purpose),
      }))
    : absorbed;

/** An event of the duplicate's stream as it was stored. */
export interface ToldEvent {
  readonly event: LeadEvent;
  readonly eventId: string;
  readonly recordedAtMs: number;
}

/** The duplicate's whole stream, as its survivor needs it; what it had absorbed itself comes along. */
export type Absorption = Pick<
  Carried,
  'duplicateCapturedAt' | 'touches' | 'behaviours' | 'omitted' | 'contact' | 'identityKeys' | 'withdrawnConsents'
>;

/** A merge is one event: of longer lives the newest facts are taken over, and how many were left out is said. */
export const MOST_CARRIED = 2000;

export function absorptionOf(history: readonly ToldEvent[]): Absorption {
  const corrected = new Map<string, string>();
  for (const { event } of history) {
    if (event.type === 'OccurredAtCorrected') corrected.set(event.data.correctedEventId, event.data.new);
  }
  const touches: AbsorbedTouch[] = [];
  const behaviours: AbsorbedBehaviour[] = [];
  const identityKeys = new Map<string, Carried['identityKeys'][number]>();
  const absorbed = new Map<string, Carried>();
  const contact = { attempts: 0, responses: 0, lastContactAt: undefined as string | undefined };
  const withdrawn = new Set<Purpose>();
  let capturedAt = '';
  const met = (at: string): void => {
    if (contact.lastContactAt === undefined || at > contact.lastContactAt) contact.lastContactAt = at;
  };
  for (const { event, eventId, recordedAtMs } of history) {
    const occurredAt = corrected.get(eventId) ?? event.data.occurredAt;
    const recordedAt = new Date(recordedAtMs).toISOString();
    switch (event.type) {
      case 'LeadCaptured': {
        const { channel, code, campaignId } = event.data.source;
        capturedAt = occurredAt;
        touches.push({ kind: 'capture', eventId, occurredAt, recordedAt, channel, sourceCode: code, campaignId });
        for (const key of event.data.identityKeys) identityKeys.set(key.keyHash, key);
        break;
      }
      case 'CaptureRepeated': {
        const { channel, code, campaignId } = event.data.source;
        touches.push({
          kind: 'repeat_capture',
          eventId,
          occurredAt,
          recordedAt,
          channel,
          sourceCode: code,
          campaignId,
        });
        break;
      }
      case 'BehaviourRecorded': {
        const { behaviourId, campaignId, contentId, count, kind, topicCode } = event.data;
        behaviours.push({
          kind, eventId, behaviourId, occurredAt, recordedAt, count, topicCode, contentId, campaignId,
        }); // prettier-ignore
        if (campaignId !== undefined) touches.push({ kind: 'behaviour', eventId, occurredAt, recordedAt, campaignId });
        break;
      }
      case 'ContactAttempted':
        contact.attempts += 1;
        met(occurredAt);
        break;
      case 'LeadResponded':
        contact.responses += 1;
        behaviours.push({ kind: 'reply', eventId, behaviourId: eventId, occurredAt, recordedAt, count: 1 });
        met(occurredAt);
        break;
      case 'MeetingHeld':
        if (event.data.outcome === 'no_show') break;
        contact.responses += 1;
        met(occurredAt);
        break;
      case 'ConsentWithdrawn':
        withdrawn.add(event.data.purpose);
        break;
      case 'ConsentGranted': {
        const { purpose } = event.data;
        withdrawn.delete(purpose);
        for (const [mergeId, inner] of absorbed) {
          const withdrawnConsents = inner.withdrawnConsents?.filter((one) => one !== purpose);
          absorbed.set(mergeId, { ...inner, withdrawnConsents });
        }
        break;
      }
      case 'DuplicateAbsorbed':
        absorbed.set(event.data.mergeId, event.data);
        break;
      case 'MergeReverted':
        absorbed.delete(event.data.mergeId);
        break;
      default:
    }
  }
  let omitted = 0;
  for (const inner of absorbed.values()) {
    touches.push(...inner.touches);
    behaviours.push(...inner.behaviours);
    for (const key of inner.identityKeys) identityKeys.set(key.keyHash, key);
    contact.attempts += inner.contact.attempts;
    contact.responses += inner.contact.responses;
    if (inner.contact.lastContactAt !== undefined) met(inner.contact.lastContactAt);
    if (inner.duplicateCapturedAt < capturedAt) capturedAt = inner.duplicateCapturedAt;
    for (const purpose of inner.withdrawnConsents ?? []) withdrawn.add(purpose);
    omitted += inner.omitted ?? 0;
  }
  omitted += Math.max(0, touches.length - MOST_CARRIED) + Math.max(0, behaviours.length - MOST_CARRIED);
  return {
    duplicateCapturedAt: capturedAt,
    touches: newest(touches),
    behaviours: newest(behaviours),
    ...(omitted === 0 ? {} : { omitted }),
    contact,
    identityKeys: [...identityKeys.values()],
    ...(withdrawn.size === 0 ? {} : { withdrawnConsents: [...withdrawn] }),
  };
}

/** In the order of recording, the order scores are folded in. */
function newest<F extends { readonly recordedAt: string }>(facts: readonly F[]): F[] {
  return facts
    .toSorted((a, b) => (a.recordedAt < b.recordedAt ? -1 : Number(a.recordedAt > b.recordedAt)))
    .slice(-MOST_CARRIED);
}
