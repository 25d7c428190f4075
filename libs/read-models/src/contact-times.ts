import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { eventTag } from './deal-history.js';

/**
 * When a lead was called on and nurtured, and which fact told of its first answer: what returns (7.28), loss reasons (7.12)
 * and prospects (7.30) are counted from, and what a correction of those times changes.
 */
export interface ContactTimes {
  attempts: Timed[];
  nurture: Timed[];
  /** Of a BecameProspect that changed no state (spec T3); null: a visit tells of it, or there was none. */
  twoWayTag: number | null;
}
type Timed = [atMs: number, tag: number];

/** So many of each kind are kept, the last recorded ones. It bounds the row of a lead that a machine calls on. */
const MOST_KEPT = 256;

export const noContacts = (): ContactTimes => ({ attempts: [], nurture: [], twoWayTag: null });
export const hasContacts = ({ attempts, nurture, twoWayTag }: ContactTimes): boolean =>
  attempts.length + nurture.length > 0 || twoWayTag !== null;

/** True when the event is one of these contacts. */
export function recordContact(contacts: ContactTimes, event: RecordedEvent): boolean {
  const times =
    event.type === 'ContactAttempted'
      ? contacts.attempts
      : event.type === 'NurtureTouchSent'
        ? contacts.nurture
        : undefined;
  if (times === undefined) return false;
  times.push([Date.parse((event.data as { occurredAt: string }).occurredAt), eventTag(event.id)]);
  if (times.length > MOST_KEPT) times.shift();
  return true;
}

/** Which of these contacts the corrected event is; null: none. The time of the first answer is the lead's to keep. */
export function retimeContact(
  contacts: ContactTimes,
  eventId: string,
  atMs: number,
): 'attempts' | 'nurture' | 'twoWay' | null {
  const tag = eventTag(eventId);
  for (const kind of ['attempts', 'nurture'] as const) {
    const found = contacts[kind].find((one) => one[1] === tag);
    if (found === undefined) continue;
    found[0] = atMs;
    return kind;
  }
  return contacts.twoWayTag === tag ? 'twoWay' : null;
}

type PackedContacts = [attempts: number[], nurture: number[], twoWayTag: number | null];

export function packContacts({ attempts, nurture, twoWayTag }: ContactTimes, base: number): PackedContacts {
  const pack = (times: readonly Timed[]): number[] => times.flatMap(([atMs, tag]) => [atMs - base, tag]);
  return [pack(attempts), pack(nurture), twoWayTag];
}

export function loadContacts([attempts, nurture, twoWayTag]: PackedContacts, base: number): ContactTimes {
  const load = (packed: readonly number[]): Timed[] => {
    const times: Timed[] = [];
    for (let index = 0; index < packed.length; index += 2) {
      times.push([(packed[index] as number) + base, packed[index + 1] as number]);
    }
    return times;
  };
  return { attempts: load(attempts), nurture: load(nurture), twoWayTag };
}
