import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { evolveSilence, type Silence } from '#libs/lead/src/silence.js';
import type { LeadStateName } from '#libs/lead/src/states.js';

/** A lead's silence in its row, as the lead's own fold has it: `state` is the lead's before the event. */
export function silenceAfter(
  silence: Silence | null,
  event: RecordedEvent,
  state: LeadStateName | null,
): Silence | null {
  const imported = (event.metadata.source as { importJobId?: string } | undefined)?.importJobId !== undefined;
  return evolveSilence(silence, event, state, imported);
}

/** since, whether it was told, and [from, to] of each pause. */
export function packSilence(silence: Silence | null, base: number): number[] {
  if (silence === null) return [];
  const { pauses, sinceMs, wentStale } = silence;
  return [sinceMs - base, wentStale ? 1 : 0, ...pauses.flatMap(([fromMs, toMs]) => [fromMs - base, toMs - base])];
}

export function loadSilence([since, told, ...pauses]: readonly number[], base: number): Silence | null {
  if (since === undefined) return null;
  return {
    sinceMs: since + base,
    wentStale: told === 1,
    pauses: pauses.flatMap((fromMs, i) =>
      i % 2 === 0 ? [[fromMs + base, (pauses[i + 1] as number) + base] as const] : [],
    ),
  };
}
