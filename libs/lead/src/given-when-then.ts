import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import type { PipelineDocument } from '#libs/policy/src/documents.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { defaultModel, defaultScoringEvents } from '#libs/scoring/src/default-model.js';
import { ModelBook } from '#libs/scoring/src/model-book.js';
import type { ScoringModelDocument } from '#libs/scoring/src/model.js';
import type { AccountFacts, KnownCampaigns } from './account-facts.js';
import { parseLeadCommand, type Actor, type CommandName, type Role } from './commands.js';
import { decide, decideAndFold, SETTLE_ON_WRITE, type DecideContext } from './decide.js';
import { LeadError } from './errors.js';
import { evolve } from './evolve.js';
import { leadEventSchemas, type LeadEvent, type LeadEventData, type LeadEventType } from './events.js';
import type { RoutingDesk } from './routing-desk.js';
import { clockEventIdName } from './sla-clocks.js';
import { initialLead, type LeadState } from './state.js';

/** Test helper: one lead as its command handler works it. Every event is checked against its schema as if it were stored. */

export const person = (role: Role, id: string = role, teams: readonly string[] = teamsOf(role)): Actor => ({
  type: 'user',
  id,
  role,
  teams,
});
const teamsOf = (role: Role): string[] => (role === 'marketing' ? ['marketing'] : ['sales']);
const SYSTEM: Actor = { type: 'system', id: 'system:sweeper', role: 'system', teams: [] };
const SETTLER: Actor = { ...SYSTEM, id: SETTLE_ON_WRITE };

/** Who usually gives a command. */
const USUAL: Partial<Record<CommandName, Actor>> = {
  CaptureLead: person('marketing'),
  PromoteLead: person('marketing'),
  MarkMQL: person('marketing'),
  MarkPQL: person('marketing'),
  MarkServiceQualified: person('marketing'),
  HandOffToSales: person('marketing'),
  WithdrawQualification: person('marketing'),
  ReopenLead: person('marketing'),
  MarkJunk: person('marketing'),
  VoidTransition: person('ops'),
  CorrectOccurredAt: person('ops'),
  RetractBreach: person('ops'),
  RebaseClock: person('ops'),
  SettleClocks: SYSTEM,
  RescoreLead: SYSTEM,
  SuspectDuplicate: SYSTEM,
  MergeLeads: person('ops'),
  UnmergeLeads: person('ops'),
  DismissDuplicate: person('ops'),
  CompleteMerge: SYSTEM,
  RevertMerge: SYSTEM,
};

const CAPTURE = {
  person: { email: 'ann@example.com' },
  source: { channel: 'search' },
  consents: [{ purpose: 'email_marketing', basis: 'consent' }],
};
export const YES = {
  interest: { value: 'yes', note: 'asked twice' },
  need: { value: 'yes', note: 'replaces a tool' },
  budget: { value: 'yes', note: 'approved' },
  authority: { value: 'yes', note: 'signs herself' },
  timing: { value: 'yes' },
};
export const EUR = (amountMinor: number) => ({ amountMinor, currency: 'EUR' });

const newPolicies = (): PolicyBook => {
  const book = new PolicyBook();
  for (const event of defaultConfigEvents(0)) book.apply(event);
  return book;
};
/** Shared by all scenarios that change nothing in it: its calendars are compiled once. */
const DEFAULT_POLICIES = newPolicies();

const newModels = (): ModelBook => {
  const book = new ModelBook();
  for (const event of defaultScoringEvents(0)) book.apply(event);
  return book;
};
const DEFAULT_MODELS = newModels();

interface StoredEvent {
  readonly event: LeadEvent;
  readonly eventId: string;
  readonly recordedAtMs: number;
}

/** A lead under test. Times are given as `2026-03-02 10:00` (UTC); 2026-03-02 is a Monday. */
export class Scenario {
  lead: LeadState = initialLead('lead');
  readonly stored: StoredEvent[] = [];
  nowMs = instant('2026-03-02 10:00');
  /** What the last command appended. */
  latest: readonly LeadEvent[] = [];
  /** What deciding it had folded of the lead. */
  after: LeadState | null = null;
  #commands = 0;
  #sweeps = 0;

  policies = DEFAULT_POLICIES;
  models = DEFAULT_MODELS;
  /** What the next MergeLeads takes over. */
  duplicate: DecideContext['duplicate'];

  /** What the command handler reads of the account that a command names; null: there is none. */
  account: AccountFacts | null | undefined;
  campaigns: KnownCampaigns | undefined;
  /** What it reads of the leads of others. */
  routing: RoutingDesk | undefined;

  constructor(private readonly importing?: DecideContext['import']) {}

  /** The clock, never moved by a command. */
  at(time: string): this {
    this.nowMs = instant(time);
    return this;
  }

  /** One more event of the organisation's configuration. */
  configured(stream: string, type: string, data: object): this {
    if (this.policies === DEFAULT_POLICIES) this.policies = newPolicies();
    this.policies.apply({ stream, type, data });
    return this;
  }

  /** From now on the organisation works by a changed pipeline. */
  underPipeline(change: Partial<PipelineDocument>): this {
    const { pipelineId, version, ...document } = this.policies.pipeline('new_business', this.nowMs);
    const stream = `pipeline-${pipelineId}`;
    const next = { occurredAt: '2026-01-01T00:00:00.000Z', version: version + 1 };
    this.configured(stream, 'PipelineDefined', { ...document, ...change, ...next });
    return this.configured(stream, 'PipelineActivated', { ...next, effectiveFrom: next.occurredAt });
  }

  /** From now on leads are scored by a changed model. */
  underModel(change: Partial<ScoringModelDocument>): this {
    if (this.models === DEFAULT_MODELS) this.models = newModels();
    const { modelId, version } = this.models.inForce(this.nowMs)!;
    const stream = `scoringmodel-${modelId}`;
    const next = { occurredAt: new Date(this.nowMs).toISOString(), version: version + 1 };
    this.models.apply({ stream, type: 'ScoringModelDrafted', data: { ...defaultModel, ...change, ...next } });
    this.models.apply({ stream, type: 'ScoringModelActivated', data: { ...next, effectiveFrom: next.occurredAt } });
    return this;
  }

  /** No model is in force. */
  withoutModel(): this {
    this.models = new ModelBook();
    return this;
  }

  /** Gives a command and stores what it decides. */
  do(name: CommandName, body: object = {}, actor: Actor = usual(name)): this {
    // Ids of events are unique in the log: a second lead has commands of its own.
    const commandId = `${this.lead.leadId === 'lead' ? '' : `${this.lead.leadId}-`}c${++this.#commands}`;
    const command = parseLeadCommand(name, this.lead.leadId, JSON.parse(JSON.stringify(body)));
    const { after, events } = decideAndFold(this.lead, command, this.#context(commandId, actor));
    this.#append(commandId, events);
    this.after = after;
    return this;
  }

  /** Gives a command that is refused; what was due anyway is settled, as the command handler does. */
  refused(name: CommandName, body: object = {}, actor: Actor = usual(name)): LeadError {
    const before = this.lead;
    try {
      this.do(name, body, actor);
    } catch (error) {
      if (!(error instanceof LeadError)) throw error;
      if (this.lead !== before) throw new Error('a refused command changed the lead', { cause: error });
      if (before.state !== null) this.#settleRefused();
      return error;
    }
    throw new Error(`${name} was not refused: ${this.types().join(', ')}`);
  }

  sweep(): this {
    const command = parseLeadCommand('SettleClocks', this.lead.leadId, {});
    const commandId = `sweep${++this.#sweeps}`;
    this.#append(commandId, decide(this.lead, command, this.#context(commandId, SYSTEM)));
    return this;
  }

  #settleRefused(): void {
    const command = parseLeadCommand('SettleClocks', this.lead.leadId, {});
    const commandId = `c${this.#commands}-settled`;
    this.#append(commandId, decide(this.lead, command, this.#context(commandId, SETTLER)));
  }

  /** Types the last command appended. */
  types(): LeadEventType[] {
    return this.latest.map(({ type }) => type);
  }

  /** The only event of its type that the last command appended. */
  data<T extends LeadEventType>(type: T): LeadEventData<T> {
    const found = this.latest.filter((event) => event.type === type);
    if (found.length !== 1) throw new Error(`${found.length} ${type} among ${this.types().join(', ')}`);
    return found[0]!.data as LeadEventData<T>;
  }

  /** All events of a type, ever. */
  all<T extends LeadEventType>(type: T): LeadEventData<T>[] {
    return this.stored.flatMap(({ event }) => (event.type === type ? [event.data as LeadEventData<T>] : []));
  }

  /** Id of the latest event of a type. */
  idOf(type: LeadEventType): string {
    const found = this.stored.findLast(({ event }) => event.type === type);
    if (found === undefined) throw new Error(`no ${type} yet`);
    return found.eventId;
  }

  /** The state folded anew from what was stored, JSON round trip included. */
  refold(): LeadState {
    return this.stored.reduce(
      (lead, { event, eventId, recordedAtMs }, revision) =>
        evolve(lead, JSON.parse(JSON.stringify(event)) as LeadEvent, {
          eventId,
          revision,
          recordedAtMs,
          imported: this.importing !== undefined,
        }),
      initialLead(this.lead.leadId),
    );
  }

  #context(commandId: string, actor: Actor): DecideContext {
    return {
      nowMs: this.nowMs,
      commandId,
      actor,
      policies: this.policies,
      models: this.models,
      ...(this.account === undefined ? {} : { account: this.account }),
      ...(this.routing === undefined ? {} : { routing: this.routing }),
      ...(this.campaigns === undefined ? {} : { campaigns: this.campaigns }),
      newId: (name) => `${commandId}/${name}`,
      eventId: (ordinal) => `${commandId}/${ordinal}`,
      ...(this.importing === undefined ? {} : { import: this.importing }),
      ...(this.duplicate === undefined ? {} : { duplicate: this.duplicate }),
    };
  }

  #append(commandId: string, events: readonly LeadEvent[]): void {
    this.latest = events;
    events.forEach((event, ordinal) => {
      leadEventSchemas[event.type].parse(event.data);
      const once = clockEventIdName(event);
      const eventId = once === null ? `${commandId}/${ordinal}` : `${once.namespace}/${once.name}`;
      if (this.stored.some((stored) => stored.eventId === eventId)) throw new Error(`event id ${eventId} twice`);
      const imported = this.importing !== undefined;
      this.lead = evolve(this.lead, event, {
        eventId,
        revision: this.stored.length,
        recordedAtMs: this.nowMs,
        imported,
      });
      this.stored.push({ event, eventId, recordedAtMs: this.nowMs });
    });
  }
}

const usual = (name: CommandName): Actor => USUAL[name] ?? person('sales', 'sam');
export const instant = (time: string): number => Date.parse(`${time.replace(' ', 'T')}:00.000Z`);
export const ts = (time: string): string => new Date(instant(time)).toISOString();

export type Stage = 'SUBSCRIBER' | 'LEAD' | 'PROSPECT' | 'MQL' | 'SAL' | 'SQL' | 'OPPORTUNITY' | 'CUSTOMER' | 'LOST' | 'RECYCLED' | 'DISQUALIFIED' | 'JUNK'; // prettier-ignore

/** A lead brought to a state on Monday 2026-03-02 at 10:00, by the usual way. */
export function given(stage: Stage, leadId = 'lead'): Scenario {
  const lead = new Scenario();
  lead.lead = initialLead(leadId);
  const captured = () => lead.do('CaptureLead', CAPTURE);
  const handedOff = () => captured().do('MarkMQL', { reason: 'fits' });
  const accepted = () => handedOff().do('AcceptLead');
  const qualified = () =>
    accepted()
      .do('LogContactAttempt', { channel: 'phone', outcome: 'connected' })
      .do('MarkSQL', { qualification: YES });
  const opened = () => qualified().do('OpenOpportunity', { amount: EUR(100_000), expectedCloseDate: '2026-06-30' });
  switch (stage) {
    case 'SUBSCRIBER':
      return lead.do('CaptureLead', { ...CAPTURE, interest: { kind: 'none' } });
    case 'LEAD':
      return captured();
    case 'PROSPECT':
      return captured().do('LogResponse', { channel: 'email' });
    case 'MQL':
      return handedOff();
    case 'SAL':
      return accepted();
    case 'SQL':
      return qualified();
    case 'OPPORTUNITY':
      return opened();
    case 'CUSTOMER':
      return opened().do('WinDeal', { amount: EUR(100_000) });
    case 'LOST':
      return opened().do('LoseDeal', { reasonCode: 'price' });
    case 'RECYCLED':
      return accepted().do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 'spring' });
    case 'DISQUALIFIED':
      return captured().do('DisqualifyLead', { reasonCode: 'no_need' });
    case 'JUNK':
      return captured().do('MarkJunk', { reasonCode: 'spam' });
  }
}
