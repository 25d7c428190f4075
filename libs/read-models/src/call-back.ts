import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEventData } from '#libs/lead/src/events.js';

/** A day on which somebody is to be spoken with, as agreed with the person or chosen by sales (DeferContact). */
export interface CallBack {
  readonly dueMs: number;
  readonly askedMs: number;
}

const CONTACTS: ReadonlySet<string> = new Set(['ContactAttempted', 'LeadResponded', 'MeetingHeld']);
/** Who calls the evening before has called. */
const EARLY_MS = 86_400_000;

/** The call that is due after an event: the one put off last, until somebody has tried. */
export function callBackAfter(before: CallBack | null, { data, type }: RecordedEvent): CallBack | null {
  const { occurredAt } = data as { occurredAt: string };
  if (type === 'ContactDeferred') {
    const { until } = data as LeadEventData<'ContactDeferred'>;
    return { dueMs: Date.parse(until), askedMs: Date.parse(occurredAt) };
  }
  if (before === null || !CONTACTS.has(type)) return before;
  return Date.parse(occurredAt) >= before.dueMs - EARLY_MS ? null : before;
}

export type PackedCallBack = [due: number, asked: number];

export const packCallBack = ({ askedMs, dueMs }: CallBack, base: number): PackedCallBack => [
  dueMs - base,
  askedMs - base,
];

export const loadCallBack = ([due, asked]: PackedCallBack, base: number): CallBack => ({
  dueMs: due + base,
  askedMs: asked + base,
});
