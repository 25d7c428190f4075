import { randomUUID } from 'node:crypto';
import { settleCommand } from '#apps/worker/src/settle-command.js';
import { Sweeper } from '#apps/worker/src/sweeper.js';
import type { EventLog, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { actor, captureBody, type CommandSide, CommandWorld } from './command-path.js';
import { SeededSteps, seededRandom } from './seeded-steps.js';

/**
 * Two sweepers and a person who accepts, as three processes on one log, in every order that a seed can think of (spec §6.6).
 * The promise: handed off Monday 09:00, answered within 8 office hours, so due Monday 17:00.
 */
const HANDED_OFF = '2026-03-02T09:00:00.000Z';
const DUE_MS = Date.parse('2026-03-02T17:00:00.000Z');
const HOUR_MS = 3_600_000;
const GRACE_MS = 24 * HOUR_MS;
/** Moments at which the outcome may turn: deadline, end of the grace, escalation levels 3 and 4. */
const MOMENTS = [
  DUE_MS - 1, DUE_MS, DUE_MS + 1, DUE_MS + HOUR_MS, DUE_MS + GRACE_MS - 1, DUE_MS + GRACE_MS, DUE_MS + GRACE_MS + 1,
  DUE_MS + 4 * GRACE_MS, DUE_MS + 8 * GRACE_MS,
]; // prettier-ignore
const LONG_AFTER_MS = DUE_MS + 30 * GRACE_MS;

type Outcome = 'met' | 'late' | 'conflict' | 'tooOld';

export interface Interleavings {
  readonly runs: number;
  readonly turns: number;
  /** Of the acceptances: done in time, done late, refused because somebody else was faster, or as too old. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly retracted: number;
  /** One line for each promise broken; empty is what it has to be. */
  readonly failures: readonly string[];
}

/** `tamper`: the log as the processes see it, for proving that a log without its guarantee is caught. */
export async function runSlaInterleavings(
  seeds: readonly number[],
  tamper: (log: EventLog) => EventLog = (log) => log,
): Promise<Interleavings> {
  const world = await CommandWorld.open(HANDED_OFF);
  try {
    const leadIds = await handedOffLeads(world, seeds.length);
    const outcomes = { met: 0, late: 0, conflict: 0, tooOld: 0 };
    const failures: string[] = [];
    let turns = 0;
    let retracted = 0;
    for (const [n, seed] of seeds.entries()) {
      const run = await interleave(world, leadIds[n]!, seed, tamper);
      turns += run.turns;
      outcomes[run.outcome] += 1;
      if (run.retracted) retracted += 1;
      failures.push(...run.failures.map((failure) => `seed ${seed}: ${failure}`));
    }
    return { runs: seeds.length, turns, outcomes, retracted, failures };
  } finally {
    await world.close();
  }
}

async function handedOffLeads(world: CommandWorld, count: number): Promise<string[]> {
  const side = world.process();
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const { leadId } = await side.send('CaptureLead', undefined, captureBody(`race${n}@example.org`));
      await side.send('MarkMQL', leadId, { reason: 'agreed criteria' });
      return leadId;
    }),
  );
}

interface Run {
  readonly turns: number;
  readonly outcome: Outcome;
  readonly retracted: boolean;
  readonly failures: readonly string[];
}

async function interleave(
  world: CommandWorld,
  leadId: string,
  seed: number,
  tamper: (log: EventLog) => EventLog,
): Promise<Run> {
  const random = seededRandom(seed);
  let moment = Math.floor(random() * (MOMENTS.length - 2));
  world.clock.set(MOMENTS[moment]!);
  const pass = () => {
    if (random() < 0.1 && moment + 1 < MOMENTS.length) world.clock.set(MOMENTS[++moment]!);
  };
  const steps = new SeededSteps(random, pass);
  const process = () => world.process(steps.log(tamper(world.log)));
  const evidenceInTime = random() < 0.6 ? { occurredAt: new Date(DUE_MS - HOUR_MS).toISOString() } : {};
  const accepting = accept(process(), leadId, evidenceInTime, random() < 0.7);
  const warmed = random() < 0.5;
  const sweeping = [process(), process()].map((side) => sweep(side, leadId, warmed));
  const turns = await steps.run([accepting, ...sweeping]);

  const failures: string[] = [];
  const refused = await accepting;
  // Eight days on, a fact of the first Monday is too old to be told.
  if (refused !== null && refused !== 'CONFLICT' && refused !== 'BACKDATE_LIMIT_EXCEEDED')
    failures.push(`the acceptance was answered ${refused}`);
  for (const { reason } of (await Promise.allSettled(sweeping)).filter((swept) => swept.status === 'rejected'))
    failures.push(`a sweeper failed: ${String(reason)}`);

  // Whatever was not noticed so far is noticed now: only then can something be lost.
  world.clock.set(LONG_AFTER_MS);
  await sweep(world.process(), leadId, false);
  const told = await world.log.readStream(`lead-${leadId}`);
  const { retracted, outcome } = judge(told, refused === null, failures);
  return { turns, failures, retracted, outcome: refused === 'BACKDATE_LIMIT_EXCEEDED' ? 'tooOld' : outcome };
}

/** Told that somebody was faster, a patient person looks again and repeats it. */
async function accept(side: CommandSide, leadId: string, body: object, patient: boolean): Promise<string | null> {
  for (let tries = 1; ; tries++) {
    try {
      await side.send('AcceptLead', leadId, body, { by: actor('sales', 'sam', ['sales']) });
      return null;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== 'CONFLICT' || !patient || tries === 3) return code ?? String(error);
    }
  }
}

/** A worker of its own: its sweeper, and its hint that the lead is due. `warmed`: it had settled the lead once before. */
async function sweep(side: CommandSide, leadId: string, warmed: boolean): Promise<void> {
  const settle = () => side.commands.execute(settleCommand(leadId));
  if (warmed) await settle();
  const due = { dueBy: () => Promise.resolve(new Map([[leadId, DUE_MS]])), nextDueAfter: () => Promise.resolve(null) };
  let failed: unknown;
  await new Sweeper({ due, settle, clock: side.clock, onError: (_lead, error) => (failed = error) }).sweep();
  if (failed !== undefined) throw failed;
}

/** What must hold of the lead's stream, told independently of the fold that wrote it. */
function judge(
  told: readonly RecordedEvent[],
  accepted: boolean,
  failures: string[],
): Pick<Run, 'outcome' | 'retracted'> {
  const started = told.find(({ data, type }) => type === 'SlaClockStarted' && data.clockType === 'handoff_response');
  const clockId = started?.data.clockId;
  if (started?.data.dueAt !== new Date(DUE_MS).toISOString()) failures.push('the promise is not due on Monday 17:00');
  const ofClock = (type: string) => told.filter((event) => event.type === type && event.data.clockId === clockId);
  const [breaches, retractions, stops] = [
    ofClock('SlaBreached'),
    ofClock('SlaBreachRetracted'),
    ofClock('SlaClockStopped'),
  ];
  const acceptances = told.filter(({ type }) => type === 'AcceptedBySales');

  if (acceptances.length !== (accepted ? 1 : 0)) failures.push(`${acceptances.length} acceptances in the log`);
  if (breaches.length > 1) failures.push(`${breaches.length} breaches of one promise`);
  if (retractions.length > breaches.length) failures.push('a retraction without a breach');
  const levels = [...ofClock('SlaWarningRaised'), ...ofClock('SlaEscalated')].map(({ data }) => data.level);
  if (new Set(levels).size < levels.length) failures.push(`a level raised twice: ${levels.join(' ')}`);
  if (stops.length !== (accepted ? 1 : 0)) failures.push(`${stops.length} stops`);

  const [acceptance] = acceptances;
  const kept =
    acceptance !== undefined &&
    Date.parse(acceptance.data.occurredAt as string) <= DUE_MS &&
    Date.parse(acceptance.metadata.recordedAt as string) <= DUE_MS + GRACE_MS;
  const standing = breaches.length - retractions.length;
  if (standing !== (kept ? 0 : 1))
    failures.push(`${standing} standing breaches of a promise that was ${kept ? '' : 'not '}kept`);
  if (accepted && (stops[0]?.data.outcome === 'met') !== kept)
    failures.push(`stopped as ${String(stops[0]?.data.outcome)}`);
  const revisions = told.map(({ revision }) => revision);
  if (revisions.some((revision, n) => revision !== n)) failures.push('revisions with holes');
  return { outcome: accepted ? (kept ? 'met' : 'late') : 'conflict', retracted: retractions.length > 0 };
}

/** A log that takes every append, whatever its revision and ids: what the ledger must not be built on. */
export const careless = (log: EventLog): EventLog =>
  new Proxy(log, {
    get(target, property) {
      if (property === 'append')
        return (append: Parameters<EventLog['append']>[0]) =>
          target.append({
            ...append,
            expectedRevision: 'any',
            events: append.events.map((event) => ({ ...event, id: randomUUID() })),
          });
      const value = Reflect.get(target, property) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
