import type { Agreement } from '#libs/policy/src/documents.js';
import type { Decision } from './decision.js';
import type { LeadEvent } from './events.js';
import { isOpenClock, type SlaClock } from './sla-clocks.js';
import { cycleSince, entryOf, isSince, since, type Attempt, type LeadState, type Moment } from './state.js';

/**
 * The agreed sequence of contact attempts, and the promise to go on with it (spec §6.1 contact_cadence, §6.8). One runs when
 * somebody has started it, and by itself in SAL: the agreement's first, made of the attempts of the cycle.
 */

type ContactSequence = Agreement['sequences'][number];

interface Sequence {
  readonly sequenceId: string;
  readonly attempts: number;
  readonly minByChannel: ContactSequence['minByChannel'];
  /** From when attempts and answers count. */
  readonly start: Moment;
}

/** The agreement of the lead's team. */
export const agreementOf = (decision: Decision): Agreement | null =>
  decision.context.policies.agreementForTeam(decision.teamId, decision.policyMs);

function sequenceOf(decision: Decision): Sequence | null {
  const sequences = agreementOf(decision)?.sequences ?? [];
  const start = cycleSince(decision.lead);
  const started = startedSequence(decision.lead);
  if (started === null) return sequences[0] === undefined ? null : { ...sequences[0], start };
  const { sequenceId, attemptsPlanned: attempts } = started;
  // It keeps the number of steps it was started with; which channels it asks for is the agreement's to say.
  const minByChannel = sequences.find((sequence) => sequence.sequenceId === sequenceId)?.minByChannel ?? {};
  return { sequenceId, attempts, minByChannel, start: started };
}

/** The one somebody has started in this cycle. */
const startedSequence = (lead: LeadState) =>
  lead.sequence !== null && isSince(lead.sequence, cycleSince(lead)) ? lead.sequence : null;

interface Progress {
  readonly made: readonly Attempt[];
  readonly responses: number;
  /** Every step made, and the channels it asks for used. */
  readonly complete: boolean;
}

function progressOf({ lead }: Decision, { attempts, minByChannel, start }: Sequence): Progress {
  const made = since(lead.attempts, start).filter((attempt) => attempt.qualifies);
  const byChannel = Object.entries(minByChannel).every(
    ([channel, least]) => made.filter((attempt) => attempt.channel === channel).length >= least,
  );
  const responses = since(lead.responses, start).length;
  return { made, responses, complete: made.length >= attempts && byChannel };
}

/** All steps made and no answer: that permits the recycle reason `unresponsive`. Once in a sequence. */
export function exhaustSequence(decision: Decision): void {
  const sequence = sequenceOf(decision);
  if (sequence === null) return;
  const { sequenceExhausted } = decision.lead;
  if (sequenceExhausted !== null && isSince(sequenceExhausted, sequence.start)) return;
  const { complete, made, responses } = progressOf(decision, sequence);
  if (!complete || responses > 0) return;
  decision.record('ContactSequenceExhausted', {
    sequenceId: sequence.sequenceId,
    attemptsMade: made.length,
    responses,
  });
}

const cadences = ({ lead }: Decision): SlaClock[] =>
  [...lead.clocks.values()].filter(({ clockType }) => clockType === 'contact_cadence');

/** The promise that a further attempt at `decision.atMs` keeps or has broken: the last one that had begun by then. */
export function cadenceOfAttempt(decision: Decision): SlaClock | undefined {
  const begun = cadences(decision).filter(
    ({ startedAtMs, status }) => startedAtMs <= decision.atMs && status !== 'cancelled',
  );
  return begun.reduce<SlaClock | undefined>(
    (last, clock) => (last === undefined || clock.startedAtMs >= last.startedAtMs ? clock : last),
    undefined,
  );
}

/** Promises that an answer ends: the one it was in time for, and the open one, for there is nothing left to go on with. */
export function cadencesOfResponse(decision: Decision): SlaClock[] {
  if (decision.atMs < cycleSince(decision.lead).atMs) return [];
  const open = cadences(decision).filter(isOpenClock);
  const own = cadenceOfAttempt(decision);
  return own === undefined || open.includes(own) ? open : [own, ...open];
}

/** The promise of a next attempt, after a qualifying one that nobody answered; none when no step or no sequence is left. */
export function nextCadence(decision: Decision, attemptId: string): LeadEvent[] {
  const { lead, isImport } = decision;
  const attempt = lead.attempts.find(({ eventId }) => eventId === attemptId);
  const sequence = sequenceOf(decision);
  if (isImport || attempt === undefined || sequence === null || !attempt.qualifies || attempt.connected) return [];
  if (!isSince(attempt, cadenceFrom(decision))) return [];
  // Logged late: what is promised follows from the newer one.
  if (lead.attempts.some(({ atMs, qualifies }) => qualifies && atMs > attempt.atMs)) return [];
  const { complete, made, responses } = progressOf(decision, sequence);
  if (complete || responses > 0 || cadences(decision).some(isOpenClock)) return [];
  return decision.startClock('contact_cadence', attempt.atMs, decision.teamId, lead.ownerId, made.length + 1);
}

/** From when on an attempt calls for the next: the acceptance, unless somebody has started a sequence. */
function cadenceFrom({ lead }: Decision): Moment {
  const started = startedSequence(lead);
  const visit = lead.visits.at(-1);
  if (started !== null) return started;
  return lead.state === 'SAL' && visit !== undefined
    ? entryOf(visit)
    : { atMs: Number.POSITIVE_INFINITY, revision: Number.POSITIVE_INFINITY };
}

/** The first attempt is promised too, unless one is promised already. */
export function startSequence(decision: Decision, sequence: ContactSequence, record: () => void): void {
  const { lead } = decision;
  const running = startedSequence(lead);
  if (running?.sequenceId === sequence.sequenceId && !isOver(decision)) return;
  record();
  if (cadences(decision).some(isOpenClock)) return;
  decision.recordAll(decision.startClock('contact_cadence', decision.atMs, decision.teamId, lead.ownerId, 1));
}

function isOver(decision: Decision): boolean {
  const sequence = sequenceOf(decision);
  if (sequence === null) return true;
  const { complete, responses } = progressOf(decision, sequence);
  return complete || responses > 0;
}
