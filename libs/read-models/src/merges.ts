import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import type { LeadEventData } from '#libs/lead/src/events.js';

/**
 * What a lead's row knows of other leads that are, or may be, the same person (spec §2.5, §2.6). The lead's own facts stay as
 * they were recorded: what a merge changes in the figures is worked out here, so that taking it back changes them back.
 */
export interface Merges {
  mergedInto: { mergeId: string; survivorLeadId: string } | null;
  /** Every merge this lead survived; those taken back are remembered for whoever finishes what was left in the middle. */
  survived: SurvivedMerge[];
  suspects: Suspect[];
}

interface SurvivedMerge {
  mergeId: string;
  duplicateLeadId: string;
  /** When the duplicate, or what it had absorbed, was captured. */
  capturedMs: number;
  /** When the latest event of the merge was recorded here. */
  recordedMs: number;
  reverted: boolean;
}

export interface Suspect {
  candidateLeadId: string;
  suspectedMs: number;
  score: number;
  basis: string[];
  dismissed: boolean;
}

export const noMerges = (): Merges => ({ mergedInto: null, survived: [], suspects: [] });
export const hasMerges = ({ mergedInto, survived, suspects }: Merges): boolean =>
  mergedInto !== null || survived.length > 0 || suspects.length > 0;

export const MERGE_TYPES: ReadonlySet<string> = new Set([
  'DuplicateSuspected',
  'DuplicateDismissed',
  'DuplicateAbsorbed',
  'MergedInto',
  'MergeReverted',
]);

/** True when the event gives this lead back its life of its own. */
export function recordMerge(merges: Merges, event: RecordedEvent): boolean {
  switch (event.type) {
    case 'DuplicateSuspected':
      suspect(merges, event.data as LeadEventData<'DuplicateSuspected'>);
      return false;
    case 'DuplicateDismissed': {
      const { candidateLeadId, occurredAt } = event.data as LeadEventData<'DuplicateDismissed'>;
      const known = merges.suspects.find((one) => one.candidateLeadId === candidateLeadId);
      if (known !== undefined) known.dismissed = true;
      else {
        const suspectedMs = Date.parse(occurredAt);
        merges.suspects.push({ candidateLeadId, suspectedMs, score: 0, basis: [], dismissed: true });
      }
      return false;
    }
    case 'DuplicateAbsorbed': {
      const { duplicateCapturedAt, duplicateLeadId, mergeId } = event.data as LeadEventData<'DuplicateAbsorbed'>;
      const capturedMs = Date.parse(duplicateCapturedAt);
      const recordedMs = effectiveRecordedAtMs(event);
      // A duplicate that went on living is absorbed anew under the same merge.
      merges.survived = merges.survived.filter((one) => one.mergeId !== mergeId);
      merges.survived.push({ mergeId, duplicateLeadId, capturedMs, recordedMs, reverted: false });
      return false;
    }
    case 'MergedInto': {
      const { mergeId, survivorLeadId } = event.data as LeadEventData<'MergedInto'>;
      merges.mergedInto = { mergeId, survivorLeadId };
      return false;
    }
    case 'MergeReverted': {
      const { mergeId } = event.data as LeadEventData<'MergeReverted'>;
      const survived = merges.survived.find((one) => one.mergeId === mergeId);
      if (survived !== undefined) {
        survived.reverted = true;
        survived.recordedMs = effectiveRecordedAtMs(event);
      }
      if (merges.mergedInto?.mergeId !== mergeId) return false;
      merges.mergedInto = null;
      return true;
    }
    default:
      return false;
  }
}

function suspect(merges: Merges, data: LeadEventData<'DuplicateSuspected'>): void {
  const { basis, candidateLeadId, occurredAt, score } = data;
  const known = merges.suspects.find((one) => one.candidateLeadId === candidateLeadId);
  if (known === undefined) {
    const suspectedMs = Date.parse(occurredAt);
    merges.suspects.push({ candidateLeadId, suspectedMs, score, basis: [...basis], dismissed: false });
    return;
  }
  known.score = Math.max(known.score, score);
  known.basis = [...new Set([...known.basis, ...basis])];
}

/** A lead's row, as far as merges concern it. It has a visit. */
interface Merging {
  readonly visits: readonly { readonly enteredMs: number }[];
  readonly merges: Merges;
}

/** When the person came in first: a merge extends the lead's first visit back (spec §2.6). */
export function firstEnteredMs({ merges, visits }: Merging): number {
  let first = (visits[0] as Merging['visits'][number]).enteredMs;
  for (const { capturedMs, reverted } of merges.survived) if (!reverted && capturedMs < first) first = capturedMs;
  return first;
}

/** Entry of a visit as the reports count it. */
export const enteredMsOf = (row: Merging, index: number): number =>
  index === 0 ? firstEnteredMs(row) : (row.visits[index] as Merging['visits'][number]).enteredMs;

type PackedMerges = [
  mergedInto: [string, string] | null,
  survived: [string, string, number, number, 0 | 1][],
  suspects: [string, number, number, string[], 0 | 1][],
];

export function packMerges({ mergedInto, survived, suspects }: Merges, base: number): PackedMerges {
  return [
    mergedInto === null ? null : [mergedInto.mergeId, mergedInto.survivorLeadId],
    survived.map((one) => [
      one.mergeId,
      one.duplicateLeadId,
      one.capturedMs - base,
      one.recordedMs - base,
      one.reverted ? 1 : 0,
    ]),
    suspects.map((one) => [one.candidateLeadId, one.suspectedMs - base, one.score, one.basis, one.dismissed ? 1 : 0]),
  ];
}

export function loadMerges(packed: PackedMerges, base: number): Merges {
  const [mergedInto, survived, suspects] = packed;
  return {
    mergedInto: mergedInto === null ? null : { mergeId: mergedInto[0], survivorLeadId: mergedInto[1] },
    survived: survived.map(([mergeId, duplicateLeadId, captured, recorded, reverted]) => ({
      mergeId,
      duplicateLeadId,
      capturedMs: captured + base,
      recordedMs: recorded + base,
      reverted: reverted === 1,
    })),
    suspects: suspects.map(([candidateLeadId, suspected, score, basis, dismissed]) => ({
      candidateLeadId,
      suspectedMs: suspected + base,
      score,
      basis,
      dismissed: dismissed === 1,
    })),
  };
}
