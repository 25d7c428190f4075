import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { clockHistoryOf, type ClockHistory } from '#libs/history/src/clock-history.js';
import { clocksEncoder } from '#libs/history/src/encode-clocks.js';
import { GrowingTables } from '#libs/history/src/growing-tables.js';
import { replaySla } from '#libs/history/src/sla-replay.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import {
  evolveClock,
  pauseClock,
  resumeClock,
  settleClocks,
  startClock,
  stopClock,
  type SlaClocks,
} from '#libs/lead/src/sla-clocks.js';
import { BusinessCalendar } from '#libs/policy/src/business-calendar.js';
import { defaultConfigEvents, standardAgreement } from '#libs/policy/src/defaults.js';
import type { ClockType } from '#libs/lead/src/events.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { seededRandom } from '../support/seeded-steps.js';
import { median } from './median.js';

const LEADS = 100_000;
const RUNS = 5;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const FROM_MS = Date.parse('2025-01-01T00:00:00.000Z');
const YEAR_MS = 365 * DAY_MS;

/** Another agreement and another calendar over twelve months of promises, beside a bare scan of the same rows. */
export const bench = {
  name: 'sla-replay',

  async run(leads = LEADS): Promise<void> {
    const policies = new PolicyBook();
    for (const event of defaultConfigEvents(0)) policies.apply(event);
    const tables = new GrowingTables();
    const events = promisesOf(leads, policies, tables);
    const sorted = cpuMs();
    const history = clockHistoryOf(tables);
    console.log(
      `${leads.toLocaleString('en')} leads, ${events.toLocaleString('en')} events about clocks; found by lead in ${Math.round(cpuMs() - sorted)} ms`,
    );
    const scan = median(Array.from({ length: RUNS }, () => timed(() => scanned(history))));
    const agreement = {
      document: {
        ...standardAgreement,
        clocks: standardAgreement.clocks.map(({ warnOpenS: _, ...rule }) => ({
          ...rule,
          targetOpenS: Math.ceil(rule.targetOpenS / 2),
        })),
        agreementId: 'standard',
        version: 2,
      },
    };
    const office = policies.calendar('office', 1)!.document;
    const calendars = new Map([
      ['office', new BusinessCalendar('office', 2, { ...office, timeZone: 'Europe/Berlin', holidays: ['2025-05-01'] })],
    ]);
    const times: number[] = [];
    const wall: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const from = cpuMs();
      const fromWall = performance.now();
      const { check, total } = await replaySla(history, policies, {
        fromMs: FROM_MS,
        toMs: FROM_MS + YEAR_MS,
        asOfMs: FROM_MS + 2 * YEAR_MS,
        candidate: { agreement, calendars },
        limit: 1_000,
      });
      times.push(cpuMs() - from);
      wall.push(performance.now() - fromWall);
      if (run > 0) continue;
      console.log(
        `${check.clocks.toLocaleString('en')} promises, ${check.differences} not reproduced; ` +
          `attainment ${total.recorded.attainment.rate} then, ${total.whatIf.attainment.rate} otherwise, ` +
          `${total.gained.toLocaleString('en')} breaches gained, ${total.avoided.toLocaleString('en')} avoided`,
      );
    }
    console.log(
      `what-if of twelve months  ${(median(wall) / 1000).toFixed(2)} s, ${(median(times) / 1000).toFixed(2)} s CPU ` +
        `(first ${(times[0]! / 1000).toFixed(2)}), ${(median(times) / scan).toFixed(1)} × a scan of the rows (${scan.toFixed(0)} ms)`,
    );
  },
};

/** Every lead is offered, accepted, called, sometimes put on hold, called again: kept and broken as it comes. */
function promisesOf(leads: number, policies: PolicyBook, tables: GrowingTables): number {
  const random = seededRandom(5);
  let count = 0;
  for (let lead = 0; lead < leads; lead += 1) {
    const leadId = `00000000-0000-5000-8000-${lead.toString(16).padStart(12, '0')}`;
    const desk = new Desk(leadId, policies, tables);
    let atMs = FROM_MS + Math.floor(random() * (YEAR_MS - 40 * DAY_MS));
    desk.start('handoff_response', atMs);
    atMs += Math.floor(random() ** 2 * 3 * DAY_MS);
    desk.stop('handoff_response', atMs);
    desk.start('first_contact', atMs);
    if (random() < 0.1) {
      const heldMs = atMs + Math.floor(random() * DAY_MS);
      desk.hold(heldMs);
      atMs = heldMs + Math.floor(random() * 4 * DAY_MS);
      desk.release(atMs);
    }
    atMs += Math.floor(random() ** 2 * 4 * DAY_MS);
    desk.stop('first_contact', atMs);
    for (let step = Math.floor(random() * 4); step > 0; step -= 1) {
      desk.start('contact_cadence', atMs);
      atMs += Math.floor(random() ** 2 * 5 * DAY_MS);
      desk.stop('contact_cadence', atMs);
    }
    count += desk.revision;
  }
  return count;
}

class Desk {
  revision = 0;
  #clocks: SlaClocks = new Map();

  constructor(
    private readonly leadId: string,
    private readonly policies: PolicyBook,
    private readonly tables: GrowingTables,
  ) {}

  start(clockType: ClockType, startMs: number): void {
    const { leadId, policies } = this;
    const clockId = `${(this.revision + 1).toString(16).padStart(8, '0')}-0000-5000-8000-000000000000`;
    this.#record(
      startClock({ policies, leadId, clockId, clockType, startMs, teamId: 'sales', ownerId: 'sam' }),
      startMs,
    );
  }

  stop(clockType: ClockType, atMs: number): void {
    const clock = [...this.#clocks.values()].findLast((one) => one.clockType === clockType)!;
    const byEventId = `${this.revision}`;
    this.#record(stopClock({ clock, policies: this.policies, nowMs: atMs, atMs, byEventId }), atMs);
  }

  hold(atMs: number): void {
    this.#settle(atMs);
    this.#fact('PutOnHold', atMs);
    for (const clock of this.#clocks.values())
      this.#record(pauseClock({ clock, policies: this.policies, nowMs: atMs, atMs, reason: 'on_hold' }), atMs);
  }

  release(atMs: number): void {
    this.#settle(atMs);
    this.#fact('ResumedFromHold', atMs);
    for (const clock of this.#clocks.values())
      if (clock.status === 'paused')
        this.#record(resumeClock({ clock, policies: this.policies, nowMs: atMs, atMs }), atMs);
  }

  #settle(nowMs: number): void {
    const { policies } = this;
    this.#record(settleClocks({ clocks: this.#clocks, policies, nowMs, recordedBy: 'settle_on_write' }), nowMs);
  }

  #fact(type: 'PutOnHold' | 'ResumedFromHold', atMs: number): void {
    this.#record(
      [{ type, data: { leadId: this.leadId, occurredAt: new Date(atMs).toISOString() } } as LeadEvent],
      atMs,
    );
  }

  #record(events: readonly LeadEvent[], recordedAtMs: number): void {
    for (const event of events) {
      this.#clocks = evolveClock(this.#clocks, event);
      const recorded = {
        id: '',
        stream: `lead-${this.leadId}`,
        revision: this.revision++,
        type: event.type,
        data: event.data as unknown as RecordedEvent['data'],
        metadata: {},
        position: '',
        recordedAtMs,
      };
      void clocksEncoder.encode(recorded, this.tables);
    }
  }
}

/** What reading every column once costs. */
function scanned({ facts, promises }: ClockHistory): number {
  let sum = 0;
  for (const { column, row } of [promises, facts])
    for (const name of ['revision', 'fact', 'recorded_at', 'clock', 'owner', 'team']) {
      const values = column(name);
      for (let n = 0; n < row.length; n += 1) sum += values[row[n]!]!;
    }
  return sum;
}

function timed(run: () => number): number {
  const from = cpuMs();
  if (Number.isNaN(run())) throw new Error('instants are no numbers');
  return cpuMs() - from;
}

function cpuMs(): number {
  const { system, user } = process.cpuUsage();
  return (system + user) / 1_000;
}
