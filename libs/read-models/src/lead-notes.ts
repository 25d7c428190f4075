import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEventData } from '#libs/lead/src/events.js';
import { eventTag } from './deal-history.js';

/**
 * Dated facts of a lead beside its path, in the order of the log: what attribution (7.21), contact effort (7.22), score quality
 * (7.24), data quality (7.26) and continuity (7.29) are counted from.
 */
export interface LeadNote {
  kind: NoteKind;
  atMs: number;
  /** Of its event, so that a correction finds it. */
  tag: number;
  /** What the kind has to say, below. */
  says: (string | number | null)[];
}

/**
 * touch: campaign, source, merge it came by (null: none). attempt: 1 where it qualifies. response, optOut, complaint, bounce,
 * exhausted, met: nothing. owner: new, previous, reason. score: total in milli-points, grade and band in one number,
 * `<model>/<version>`. verified: completeness in ten-thousandths, where it was a check. track: enrolled in, as which segment; or
 * null, null, left. intent: level. goal: challenge, interested in buying. topic: its code, the first time only. proposal: the
 * challenges it addresses.
 */
export const NOTE_KINDS = [
  'touch',
  'attempt',
  'response',
  'optOut',
  'complaint',
  'bounce',
  'exhausted',
  'owner',
  'score',
  'verified',
  'met',
  'track',
  'intent',
  'goal',
  'topic',
  'proposal',
] as const;
export type NoteKind = (typeof NOTE_KINDS)[number];

export const BANDS = ['cold', 'warm', 'hot'] as const satisfies readonly LeadEventData<'LeadScored'>['band'][];
export const GRADES = ['A', 'B', 'C', 'D', 'U'] as const satisfies readonly LeadEventData<'LeadScored'>['grade'][];
export const INTENTS = ['none', 'low', 'medium', 'high'] as const satisfies readonly LeadEventData<'BuyingIntentAssessed'>['level'][]; // prettier-ignore

/** Events whose notes say how a lead stands: its score, what it wants, its nurture. */
export const STANDING_TYPES: ReadonlySet<string> = new Set([
  'LeadScored',
  'BuyingIntentAssessed',
  'EnrolledInNurture',
  'NurtureExited',
]);

/** So many of each kind are kept, the last recorded ones: it bounds the row of a lead that a machine visits. */
const MOST_KEPT = 256;

export const notesOf = (notes: readonly LeadNote[], kind: NoteKind): LeadNote[] =>
  notes.filter((note) => note.kind === kind).sort((a, b) => a.atMs - b.atMs);

/** True when the event is one of these facts, or changes one. */
export function recordNote(notes: LeadNote[], event: RecordedEvent): boolean {
  const { occurredAt } = event.data as { occurredAt: string };
  const before = notes.length;
  let changed = false;
  const add = (kind: NoteKind, says: LeadNote['says'] = [], at = occurredAt): void => {
    changed = true;
    notes.push({ kind, atMs: Date.parse(at), tag: eventTag(event.id), says });
    if (notes.length <= MOST_KEPT) return;
    const same = notes.filter((note) => note.kind === kind);
    if (same.length > MOST_KEPT) notes.splice(notes.indexOf(same[0] as LeadNote), 1);
  };
  switch (event.type) {
    case 'CaptureRepeated': {
      const { campaignId = null, channel = null, code } = (event.data as LeadEventData<'CaptureRepeated'>).source;
      add('touch', [campaignId, code ?? channel, null]);
      break;
    }
    case 'BehaviourRecorded': {
      const { campaignId, kind, topicCode } = event.data as LeadEventData<'BehaviourRecorded'>;
      if (campaignId !== undefined) add('touch', [campaignId, null, null]);
      const isNew = !notes.some((note) => note.kind === 'topic' && note.says[0] === topicCode);
      if (topicCode !== undefined && isNew) add('topic', [topicCode]);
      if (kind === 'unsubscribe') add('optOut');
      if (kind === 'complaint') add('complaint');
      if (kind === 'bounce') add('bounce');
      break;
    }
    case 'DuplicateAbsorbed': {
      const { mergeId, touches = [] } = event.data as Partial<LeadEventData<'DuplicateAbsorbed'>>;
      if (mergeId === undefined) break;
      forget(notes, mergeId);
      for (const { campaignId = null, channel = null, occurredAt: at, sourceCode } of touches)
        add('touch', [campaignId, sourceCode ?? channel, mergeId], at);
      break;
    }
    case 'MergeReverted':
      forget(notes, (event.data as LeadEventData<'MergeReverted'>).mergeId);
      break;
    case 'ContactAttempted': {
      const { outcome, qualifies } = event.data as LeadEventData<'ContactAttempted'>;
      add('attempt', [qualifies ? 1 : 0]);
      if (outcome === 'bounced') add('bounce');
      break;
    }
    case 'LeadResponded':
      add('response');
      if ((event.data as LeadEventData<'LeadResponded'>).sentiment === 'opt_out') add('optOut');
      break;
    case 'ContactSequenceExhausted':
      add('exhausted');
      break;
    case 'OwnerAssigned': {
      const { ownerId, previousOwnerId = null, reason } = event.data as LeadEventData<'OwnerAssigned'>;
      add('owner', [ownerId, previousOwnerId, reason]);
      break;
    }
    case 'LeadScored': {
      const { band, grade, modelId, modelVersion, total } = event.data as LeadEventData<'LeadScored'>;
      const code = GRADES.length * BANDS.indexOf(band) + GRADES.indexOf(grade);
      add('score', [total, code, `${modelId}/${modelVersion}`]);
      break;
    }
    case 'MeetingHeld':
      if ((event.data as LeadEventData<'MeetingHeld'>).outcome !== 'no_show') add('met');
      break;
    case 'EnrolledInNurture': {
      const { segmentId = null, trackId } = event.data as LeadEventData<'EnrolledInNurture'>;
      add('track', [trackId, segmentId]);
      break;
    }
    case 'NurtureExited':
      add('track', [null, null, (event.data as LeadEventData<'NurtureExited'>).trackId]);
      break;
    case 'BuyingIntentAssessed':
      add('intent', [(event.data as LeadEventData<'BuyingIntentAssessed'>).level]);
      break;
    case 'GoalIdentified': {
      const { challengeCode, interestedInBuying } = event.data as LeadEventData<'GoalIdentified'>;
      add('goal', [challengeCode, interestedInBuying]);
      break;
    }
    case 'ProposalSent':
      add('proposal', [...((event.data as Partial<LeadEventData<'ProposalSent'>>).challengesAddressed ?? [])]);
      break;
    case 'LeadDetailsUpdated':
      if ((event.data as LeadEventData<'LeadDetailsUpdated'>).verified) add('verified');
      break;
    case 'DataQualityChecked': {
      const { completeness, verifiedAt } = event.data as LeadEventData<'DataQualityChecked'>;
      add('verified', [Math.round(completeness * 10_000)], verifiedAt);
      break;
    }
    case 'ContactPersonVerified':
      add('verified');
      break;
    case 'OccurredAtCorrected': {
      const { correctedEventId, new: corrected } = event.data as LeadEventData<'OccurredAtCorrected'>;
      const tag = eventTag(correctedEventId);
      for (const note of notes) {
        if (note.tag !== tag || (note.says[2] !== null && note.kind === 'touch')) continue;
        note.atMs = Date.parse(corrected);
        changed = true;
      }
      break;
    }
    default:
  }
  return changed || notes.length !== before;
}

/** What a merge brought, when it is taken back or done anew. */
function forget(notes: LeadNote[], mergeId: string): void {
  for (let index = notes.length - 1; index >= 0; index -= 1) {
    const { kind, says } = notes[index] as LeadNote;
    if (kind === 'touch' && says[2] === mergeId) notes.splice(index, 1);
  }
}

type PackedNote = [kind: number, at: number, tag: number, ...says: LeadNote['says']];

export const packNotes = (notes: readonly LeadNote[], base: number): PackedNote[] =>
  notes.map(({ atMs, kind, says, tag }) => [NOTE_KINDS.indexOf(kind), atMs - base, tag, ...says]);

export const loadNotes = (packed: readonly PackedNote[], base: number): LeadNote[] =>
  packed.map(([kind, at, tag, ...says]) => ({ kind: NOTE_KINDS[kind] as NoteKind, atMs: at + base, tag, says }));
