import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEventData } from '#libs/lead/src/events.js';

/**
 * What happened to one deal, dated, in the order of the log: what forecasts of any day are folded from (7.15–7.25). Who
 * asks for a day folds the entries that occurred by then, as spec §8.3 has it, so a late entry counts from its own time on.
 */
export interface DealHistory {
  horizon: 'short' | 'long' | null;
  /** Of all its amounts but the closing's, which history may give in another one. */
  currency: string | null;
  /** Millionths of the reporting currency for one unit of the sale's, as the winning recorded it. */
  fxPpm: number | null;
  entries: DealEntry[];
}

export const DEAL_ENTRY_KINDS = ['stage', 'amount', 'verified', 'closeDate'] as const;
export type DealEntryKind = (typeof DEAL_ENTRY_KINDS)[number];

export interface DealEntry {
  kind: DealEntryKind;
  /** Stage code, minor units, minor units, local date. */
  value: string | number;
  /** Null: with the transition that opened the visit. */
  atMs: number | null;
  /** Index of the visit it was made in. */
  visit: number;
  /** Of its event, so that a correction finds it. */
  tag: number;
}

export const emptyHistory = (): DealHistory => ({ horizon: null, currency: null, fxPpm: null, entries: [] });

/** 32 bits that tell one event of a lead from another (FNV-1a). */
export function eventTag(eventId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < eventId.length; index += 1) {
    hash = Math.imul(hash ^ eventId.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

export function openedHistory(data: LeadEventData<'OpportunityOpened'>, visit: number): DealHistory {
  const { amount, dealStage, expectedCloseDate, horizon } = data;
  const at = { atMs: null, visit, tag: 0 };
  return {
    horizon,
    currency: amount.currency,
    fxPpm: null,
    entries: [
      { kind: 'stage', value: dealStage, ...at },
      { kind: 'amount', value: amount.amountMinor, ...at },
      { kind: 'closeDate', value: expectedCloseDate, ...at },
    ],
  };
}

/** A resumed deal goes on in the stage its resumption names. */
export function resumedIn(history: DealHistory, stage: string, visit: number): void {
  history.entries.push({ kind: 'stage', value: stage, atMs: null, visit, tag: 0 });
}

/** Adds what a deal event says; other types say nothing. */
export function recordChange(history: DealHistory, event: RecordedEvent, atMs: number, visit: number): void {
  const add = (kind: DealEntryKind, value: string | number): void => {
    history.entries.push({ kind, value, atMs, visit, tag: eventTag(event.id) });
  };
  switch (event.type) {
    case 'DealStageChanged':
      return add('stage', (event.data as LeadEventData<'DealStageChanged'>).to);
    case 'DealAmountChanged':
      return add('amount', (event.data as LeadEventData<'DealAmountChanged'>).new.amountMinor);
    case 'DealValueVerified':
      return add('verified', (event.data as LeadEventData<'DealValueVerified'>).amount.amountMinor);
    case 'DealCloseDateChanged':
      return add('closeDate', (event.data as LeadEventData<'DealCloseDateChanged'>).new);
    default:
  }
}

/** As libs/lead has it: a void gives back the stage the deal had before the voided visit; other changes stay. */
export function voidVisit(history: DealHistory, visit: number): void {
  history.entries = history.entries.filter((entry) => entry.kind !== 'stage' || entry.visit !== visit);
  for (const entry of history.entries) if (entry.visit === visit) entry.visit = visit - 1;
}

/** False when the event is none of this deal's. */
export function retime(history: DealHistory, eventId: string, atMs: number): boolean {
  const tag = eventTag(eventId);
  const entry = history.entries.find((one) => one.atMs !== null && one.tag === tag);
  if (entry === undefined) return false;
  entry.atMs = atMs;
  return true;
}

/** The last value of a kind; null when there is none. */
export const lastOf = (history: DealHistory, kind: DealEntryKind): string | number | null =>
  history.entries.findLast((entry) => entry.kind === kind)?.value ?? null;

const HORIZONS = ['short', 'long'] as const;
const PPM = 1_000_000;

/** `1.0832` as millionths; what is no positive number counts as 1. */
export function ppmOf(decimal: string): number {
  const ppm = Math.round(Number(decimal) * PPM);
  return Number.isSafeInteger(ppm) && ppm > 0 ? ppm : PPM;
}

type PackedHistory = [
  horizon: number,
  currency: string | null,
  fxPpm: number | null,
  entries: [number, string | number, number | null, number, number?][],
];

export function packHistory(history: DealHistory, base: number): PackedHistory {
  return [
    history.horizon === null ? -1 : HORIZONS.indexOf(history.horizon),
    history.currency,
    history.fxPpm,
    history.entries.map(({ kind, value, atMs, visit, tag }) => {
      const index = DEAL_ENTRY_KINDS.indexOf(kind);
      return atMs === null ? [index, value, null, visit] : [index, value, atMs - base, visit, tag];
    }),
  ];
}

export function loadHistory([horizon, currency, fxPpm, entries]: PackedHistory, base: number): DealHistory {
  return {
    horizon: HORIZONS[horizon] ?? null,
    currency,
    fxPpm,
    entries: entries.map(([kind, value, at, visit, tag]) => ({
      kind: DEAL_ENTRY_KINDS[kind] as DealEntryKind,
      value,
      atMs: at === null ? null : at + base,
      visit,
      tag: tag ?? 0,
    })),
  };
}
