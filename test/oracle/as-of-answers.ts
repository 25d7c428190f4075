import { LeadReader } from '#apps/api/src/commands/lead-reader.js';
import { leadCard } from '#apps/api/src/leads/lead-card.js';
import { scoreCard } from '#apps/api/src/leads/lead-score.js';
import { Policies } from '#apps/api/src/policies.js';
import { PastViews } from '#apps/api/src/reports/past-views.js';
import type { QuestionName } from '#apps/api/src/reports/questions.js';
import { ViewAnswers } from '#apps/api/src/reports/view-answers.js';
import type { Views } from '#apps/api/src/views.js';
import type { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { EventLog, Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import { TestClock } from '#libs/platform/src/clock.js';
import { Projector } from '#libs/projections/src/projector.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';
import type { Query } from '#libs/read-models/src/report-params.js';
import { REPORT_NAMES } from '#libs/read-models/src/reports.js';
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import { actor, CommandSide } from '../support/command-path.js';
import { seededRandom } from '../support/seeded-steps.js';

/**
 * Spec §8.3: what is asked about an instant of the past, `asOf` and `knownAt` it, is what was answered at that instant. At each random
 * instant every report and list and some lead cards are asked twice: of a ledger that has come no further yet, and of the whole one.
 */
export interface AsOfRun {
  readonly instants: number;
  readonly answers: number;
  /** Of them those that were refused then. */
  readonly refused: number;
  /** One line for each answer that is not the same. */
  readonly differences: readonly string[];
}

const DAY_MS = 86_400_000;
const CARDS = 5;
const PAGE = 1_000;
const LISTS: readonly (readonly [QuestionName, Query])[] = [
  ['leads', { limit: '1000' }],
  ['clocks', { limit: '1000' }],
  ['breaches', { limit: '1000' }],
  ['audit', { limit: '1000' }],
  ['deals', { limit: '1000' }],
  ['duplicates', { limit: '1000' }],
];
const QUESTIONS: readonly (readonly [QuestionName, Query, ...string[]])[] = [
  ...REPORT_NAMES.map((name) => ['report', {}, name] as const),
  ...LISTS,
];

export async function compareAsOf(log: EmbeddedLog, instants: number, seed: number): Promise<AsOfRun> {
  const random = seededRandom(seed);
  const events = await everything(log);
  const fromMs = effectiveRecordedAtMs(events[0]!);
  const endMs = effectiveRecordedAtMs(events.at(-1)!) + 1;
  const times = Array.from({ length: instants }, () => Math.floor(fromMs + random() * (endMs - fromMs)));
  times.sort((a, b) => a - b);

  const whole = new Whole(log, endMs);
  await whole.load();
  const present = new Present(log, events, await commandSideOf(log, endMs));
  const differences: string[] = [];
  let answers = 0;
  let refused = 0;
  const compare = (what: string, atMs: number, live: unknown, past: unknown) => {
    answers += 1;
    const [then, now] = [JSON.stringify(live), JSON.stringify(past)];
    if (then !== now) differences.push(`${new Date(atMs).toISOString()} ${what}: ${firstDifference(then, now)}`);
  };
  for (const atMs of times) {
    await present.goOn(atMs);
    for (const [name, usual, ...beside] of QUESTIONS) {
      const query = beside[0] === 'forecast-accuracy' ? { from: day(atMs - 40 * DAY_MS), to: day(atMs) } : usual;
      const what = [name, ...beside].join(' ');
      const live = await outcomeOf(() => present.answer(name, query, beside));
      if (isRefused(live)) refused += 1;
      const at = new Date(atMs).toISOString();
      const past = await outcomeOf(() => whole.answer(name, { ...query, asOf: at, knownAt: at }, beside));
      compare(what, atMs, comparable(live), comparable(past));
    }
    for (const leadId of present.someLeads(random, CARDS))
      compare(`card ${leadId}`, atMs, await present.card(leadId), await whole.card(leadId, atMs));
  }
  return { instants, answers, refused, differences };
}

async function everything(log: EventLog): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (let after: Position | null = null; ;) {
    const page = await log.readAll({ ...(after === null ? {} : { after }), limit: PAGE });
    events.push(...page.events);
    if (page.next === null) return events;
    after = page.next;
  }
}

async function commandSideOf(log: EmbeddedLog, nowMs: number): Promise<CommandSide> {
  const clock = new TestClock(nowMs);
  const policies = new Policies({ log, clock, testClock: true });
  await policies.load();
  return new CommandSide(log, clock, policies);
}

/** The ledger as it is in the end, asked about the past. */
class Whole {
  readonly #policies: Policies;
  readonly #answers: ViewAnswers;
  #side: CommandSide | null = null;

  constructor(
    private readonly log: EmbeddedLog,
    private readonly nowMs: number,
  ) {
    const clock = new TestClock(nowMs);
    this.#policies = new Policies({ log, clock, testClock: true });
    this.#answers = new ViewAnswers(null as never, new PastViews({ log, clock }), this.#policies);
  }

  async load(): Promise<void> {
    await this.#policies.load();
    this.#side = await commandSideOf(this.log, this.nowMs);
  }

  answer(name: QuestionName, query: Query, beside: readonly string[]): Promise<unknown> {
    return this.#answers.to({ name, query, beside: beside as never, nowMs: this.nowMs, configuredAt: null });
  }

  async card(leadId: string, atMs: number): Promise<unknown> {
    const found = await this.#side!.reader.lead(leadId, { asOfMs: atMs, knownAtMs: atMs });
    return found === null ? null : cardOf(found, this.#policies, atMs);
  }
}

/** The ledger while it is lived: it knows what has been recorded so far, and its clock stands there. */
class Present {
  readonly #view = new MemoryStore().open(funnelProjection.name, funnelProjection.version);
  readonly #policies: Policies;
  readonly #reader: LeadReader;
  #upTo = 0;
  #nowMs = 0;
  #position: Position | null = null;
  readonly #leads: string[] = [];

  constructor(
    private readonly log: EmbeddedLog,
    private readonly events: readonly RecordedEvent[],
    side: CommandSide,
  ) {
    // Never loaded: it is told of the configuration as it comes.
    this.#policies = new Policies({ log, clock: new TestClock(0) });
    this.#reader = new LeadReader(this.#soFar(), side.commands.streams);
  }

  async goOn(nowMs: number): Promise<void> {
    this.#nowMs = nowMs;
    let last: Position | null = null;
    for (; this.#upTo < this.events.length; this.#upTo += 1) {
      const event = this.events[this.#upTo]!;
      if (effectiveRecordedAtMs(event) > nowMs) break;
      this.#position = event.position;
      const { book, campaigns, models } = this.#policies;
      book.apply(event);
      models.apply(event);
      campaigns.apply(event);
      if (!event.stream.startsWith('lead-')) continue;
      last = event.position;
      if (event.revision === 0) this.#leads.push(event.stream.slice('lead-'.length));
    }
    if (last === null) return;
    const clock = { nowMs: () => nowMs };
    await new Projector({ projection: funnelProjection, log: this.log, view: this.#view, clock }).runUntil(last);
  }

  answer(name: QuestionName, query: Query, beside: readonly string[]): Promise<unknown> {
    const views = { reflecting: () => Promise.resolve({ view: this.#view, position: null }) } as unknown as Views;
    const answers = new ViewAnswers(views, null as never, this.#policies);
    return answers.to({ name, query, beside: beside as never, nowMs: this.#nowMs, configuredAt: null });
  }

  async card(leadId: string): Promise<unknown> {
    const found = await this.#reader.lead(leadId);
    return found === null ? null : cardOf(found, this.#policies, this.#nowMs);
  }

  someLeads(random: () => number, count: number): string[] {
    const leads = this.#leads;
    return Array.from({ length: Math.min(count, leads.length) }, () => leads[Math.floor(random() * leads.length)]!);
  }

  /** The log as it was then. */
  #soFar(): EventLog {
    return new Proxy<EventLog>(this.log, {
      get: (log, property) => {
        if (property === 'readStream')
          return async (stream: string) =>
            (await log.readStream(stream)).filter(
              ({ position }) => this.#position !== null && position <= this.#position,
            );
        const value = Reflect.get(log, property) as unknown;
        return typeof value === 'function' ? (value.bind(log) as unknown) : value;
      },
    });
  }
}

const cardOf = (found: NonNullable<Awaited<ReturnType<LeadReader['lead']>>>, { models }: Policies, atMs: number) => ({
  ...leadCard(found, actor('admin'), true),
  score: scoreCard(found.lead, models.inForce(atMs), atMs),
});

async function outcomeOf(ask: () => Promise<unknown>): Promise<unknown> {
  try {
    return await ask();
  } catch (error) {
    return { refused: String((error as { code?: string }).code ?? error) };
  }
}

const day = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

const isRefused = (outcome: unknown): boolean =>
  typeof outcome === 'object' && outcome !== null && 'refused' in outcome;

/** Without what says which instant was asked, and how much of the log was read. */
function comparable(value: unknown): unknown {
  if (typeof value === 'string' && value.startsWith('/v1/leads?'))
    return value.replaceAll(/[?&](asOf|knownAt)=[^&]*/g, (found) => (found.startsWith('?') ? '?' : ''));
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (key === 'position' ? [] : [[key, comparable(member)]])),
  );
}

function firstDifference(then: string, now: string): string {
  let at = 0;
  while (then[at] === now[at]) at += 1;
  const around = (text: string) => text.slice(Math.max(0, at - 80), at + 120);
  return `then …${around(then)}… now …${around(now)}…`;
}
