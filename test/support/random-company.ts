import { eventId } from '#libs/event-log/src/ids.js';
import type { JsonObject, RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { AccountFacts } from '#libs/lead/src/account-facts.js';
import { absorptionOf, type ToldEvent } from '#libs/lead/src/absorption.js';
import { parseLeadCommand, type Actor, type CommandName } from '#libs/lead/src/commands.js';
import { decideAndFold, type DecideContext } from '#libs/lead/src/decide.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { clockEventIdName } from '#libs/lead/src/sla-clocks.js';
import { initialLead, type LeadState } from '#libs/lead/src/state.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { DEFAULT_MODEL_ID, defaultScoringEvents } from '#libs/scoring/src/default-model.js';
import { SCORED_KINDS } from '#libs/scoring/src/facts.js';
import { ModelBook } from '#libs/scoring/src/model-book.js';
import { seededRandom } from './seeded-steps.js';

const DAY_MS = 86_400_000;
const ADMIN: Actor = { type: 'user', id: 'admin', role: 'admin', teams: ['sales', 'marketing'], onBehalfOf: 'sam' };
const SYSTEM: Actor = { type: 'system', id: 'system:process', role: 'system', teams: [] };
const EUR = (amountMinor: number) => ({ amountMinor, currency: 'EUR' });
const yes = { value: 'yes', note: 'said so' };
const YES = { interest: yes, need: yes, budget: yes, authority: yes, timing: { value: 'yes' } };

/** One lead as it was lived, with what the ledger knew of it. */
export interface LivedLead {
  lead: LeadState;
  readonly told: ToldEvent[];
}

/**
 * A small company at random: some leads, live and imported, whose behaviours, facts, consents, moves, merges, voids and corrections come
 * in any order, while models and pipelines change under them. The same seed lives the same. Events are as the log has them, but for
 * sealing; the store takes each some milliseconds after it was decided.
 */
export class RandomCompany {
  readonly log: RecordedEvent[] = [];
  readonly leads: LivedLead[] = [];
  readonly #random: () => number;
  readonly #policies = new PolicyBook();
  readonly #models = new ModelBook();
  readonly #merges: { readonly mergeId: string; readonly survivor: LivedLead; readonly duplicate: LivedLead }[] = [];
  #nowMs = Date.parse('2026-01-05T08:00:00.123Z');
  #commands = 0;
  #pipelines = 1;
  #versions = 1;

  constructor(
    private readonly seed: number,
    { leads = 3, commands = 90 }: { readonly leads?: number; readonly commands?: number } = {},
  ) {
    this.#random = seededRandom(seed);
    for (const { stream, type, data } of [...defaultConfigEvents(0), ...defaultScoringEvents(0)])
      this.#configure(stream, type, data);
    this.#configure('icp-default', 'IcpDrafted', {
      occurredAt: this.#iso(0),
      version: 2,
      industries: ['software', 'retail'],
      employees: { min: 20, max: 900 },
      minAnnualRevenue: EUR(1_000_000),
      hardCriteria: this.#chance(0.7) ? ['employees'] : [],
    });
    for (const party of ['marketing', 'sales'])
      this.#configure('icp-default', 'IcpApproved', { occurredAt: this.#iso(0), version: 2, party, by: 'x' });
    this.#configure('icp-default', 'IcpActivated', {
      occurredAt: this.#iso(0),
      version: 2,
      effectiveFrom: '1970-01-01T00:00:00.000Z',
    });
    this.#changePipeline();
    this.#changeModel();
    for (let n = 0; n < leads; n++) {
      this.leads.push({ lead: initialLead(eventId(this.#commandId(), 77)), told: [] });
      this.#wait();
      this.#capture(this.leads[n]!, this.#chance(0.25));
    }
    for (let n = 0; n < commands; n++) {
      this.#wait();
      this.#something();
    }
  }

  get configuration(): RecordedEvent[] {
    return this.log.filter(({ stream }) => !stream.startsWith('lead-'));
  }

  /** Streams of the leads. */
  streams(): RecordedEvent[][] {
    return this.leads.map(({ lead }) => this.log.filter(({ stream }) => stream === `lead-${lead.leadId}`));
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }
  #pick<T>(...from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)]!;
  }
  #int(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }
  #iso(beforeMs: number): string {
    return new Date(this.#nowMs - beforeMs).toISOString();
  }
  #commandId(): string {
    const n = (++this.#commands).toString(16).padStart(12, '0');
    return `${(this.seed >>> 0).toString(16).padStart(8, '0')}-0000-4000-8000-${n}`;
  }

  /** Often nothing at all: several commands in the same millisecond and second. */
  #wait(): void {
    const most = this.#pick(0, 0, 400, 5000, 3_600_000, 3 * DAY_MS, 12 * DAY_MS);
    this.#nowMs += Math.floor(this.#random() * most);
  }

  // ---- configuration

  #configure(stream: string, type: string, data: object): void {
    const event = { stream, type, data: JSON.parse(JSON.stringify(data)) as JsonObject };
    this.#policies.apply(event);
    this.#models.apply(event);
    const revision = this.log.filter((one) => one.stream === stream).length;
    this.#append(stream, revision, { type, data: event.data }, eventId(this.#commandId(), 0), { schemaVersion: 1 });
  }

  #changePipeline(): void {
    const { pipelineId, version: _, ...document } = this.#policies.pipeline('new_business', this.#nowMs);
    const next = { occurredAt: this.#iso(0), version: ++this.#pipelines };
    this.#configure(`pipeline-${pipelineId}`, 'PipelineDefined', {
      ...document,
      autoHandoff: this.#chance(0.7),
      autoSql: this.#chance(0.4),
      decayWithdrawal: { enabled: this.#chance(0.5), hysteresis: this.#int(0, 15) },
      recycleCooldownDays: this.#pick(0, 0, 2, 30),
      icpFailure: this.#pick('keep', 'disqualify'),
      requireSAL: this.#chance(0.7),
      handRaiseDays: this.#pick(1, 30),
      ...next,
    });
    this.#configure(`pipeline-${pipelineId}`, 'PipelineActivated', { ...next, effectiveFrom: this.#effectiveFrom() });
  }

  #effectiveFrom(): string {
    return this.#iso(this.#pick(0, 0, -2 * DAY_MS, 3600_000));
  }

  #changeModel(): void {
    const stream = `scoringmodel-${DEFAULT_MODEL_ID}`;
    const next = { occurredAt: this.#iso(0), version: ++this.#versions };
    this.#configure(stream, 'ScoringModelDrafted', { ...this.#model(), ...next });
    const rescoreExisting = this.#chance(0.5);
    const effectiveFrom = this.#effectiveFrom();
    this.#configure(stream, 'ScoringModelActivated', { ...next, effectiveFrom, rescoreExisting });
    if (!rescoreExisting) return;
    for (const one of this.leads) this.#give(one, 'RescoreLead', {}, { actor: SYSTEM });
  }

  #model(): object {
    const halfLife = () => this.#pick(null, 1, 7, 14, 14, 30.5);
    const points = (most: number) => Math.max(1, Math.round(this.#random() * most * 1000)) / 1000;
    const where = () =>
      this.#pick<object[]>(
        [],
        [],
        [{ field: 'topicCode', equals: 'pricing' }],
        [{ field: 'count', gte: 2 }],
        [{ field: 'sentiment', notIn: ['opt_out'] }],
      );
    const when = () =>
      this.#pick<object[]>(
        [{ field: 'role', in: ['decision_maker', 'influencer'] }],
        [{ field: 'icp.employees', equals: 'pass' }],
        [{ field: 'country', missing: true }],
        [{ field: 'emailKind', equals: 'free' }],
        [{ field: 'personaMatched', equals: true }],
        [{ field: 'firmographics.employees', gte: 50, lt: 500 }],
        [
          { field: 'source.code', contains: 'organic' },
          { field: 'leadType', equals: 'new_business' },
        ],
        [{ field: 'qualification.budget', equals: 'yes' }],
        [{ field: 'challengeCode', missing: true }],
      );
    const rules = (count: number, prefix: string, more: () => object) =>
      Array.from({ length: count }, (_, n) => ({ id: `${prefix}${n}`, ...more() }));
    return {
      name: 'A model at random',
      fit: rules(this.#int(0, 6), 'f', () => ({ when: when(), points: (this.#chance(0.2) ? -1 : 1) * points(20) })),
      behaviour: rules(this.#int(5, 20), 'b', () => ({
        on: this.#pick(...SCORED_KINDS),
        where: where(),
        points: points(30),
        halfLifeDays: halfLife(),
        ...(this.#chance(0.3) ? { cap: points(40) } : {}),
      })),
      penalty: rules(this.#int(0, 2), 'p', () => ({
        on: this.#pick('unsubscribe', 'complaint', 'bounce', 'page_view'),
        points: -points(20),
        halfLifeDays: null,
      })),
      ...(this.#chance(0.3) ? { fitRange: { min: -10, max: 30 } } : {}),
      ...(this.#chance(0.3) ? { engagementRange: { min: 0, max: 60 } } : {}),
      grades: { A: 20, B: 10, C: 2 },
      bands: { warm: 10, hot: 25 },
      thresholds: {
        mql: { minTotal: this.#int(5, 40), ...(this.#chance(0.4) ? { minGrade: this.#pick('C', 'D') } : {}) },
        ...(this.#chance(0.5)
          ? {
              pql: {
                requires: [{ on: 'product_action', atLeast: this.#int(1, 3), withinDays: this.#pick(null, 3, 14) }],
              },
            }
          : {}),
        autoSql: { enabled: this.#chance(0.6), minTotal: this.#int(20, 60), requiresActiveRequest: this.#chance(0.5) },
      },
      onRecycled: this.#pick('keep', 'reset_engagement'),
    };
  }

  // ---- leads

  #account(accountId: string | null | undefined): AccountFacts | null {
    if (accountId === null || accountId === undefined) return null;
    const firmographics = {
      a1: { industry: 'software', employees: 120, annualRevenue: EUR(5_000_000), country: 'DE' },
      a2: { industry: 'mining', employees: 5 },
      a3: { employees: 400, country: 'FR' },
    }[accountId];
    return firmographics === undefined ? null : { accountId, firmographics, survivorId: null };
  }

  #capture(of: LivedLead, imported: boolean): void {
    const kind = this.#pick('none', 'passive', 'active');
    const body = {
      person: { email: `ann@${this.#pick('gmail.com', 'company.example')}` },
      ...(this.#chance(0.5) ? { location: { country: this.#pick('DE', 'FR'), region: 'Nord' } } : {}),
      role: this.#pick('unknown', 'unknown', 'decision_maker', 'user'),
      leadType: this.#pick('new_business', 'existing_customer'),
      interest: { kind, ...(kind === 'active' ? { request: this.#pick('demo', 'pricing', 'contact') } : {}) },
      source: { channel: 'search', ...(this.#chance(0.5) ? { code: 'organic_search' } : {}), ...(this.#chance(0.3) ? { campaignId: 'spring' } : {}) }, // prettier-ignore
      consents: [{ purpose: 'email_marketing', basis: 'consent' }, ...(this.#chance(0.3) ? [{ purpose: 'profiling', basis: 'consent' }] : [])], // prettier-ignore
      ...(this.#chance(0.3) ? { accountId: this.#pick('a1', 'a2', 'a3') } : {}),
    };
    this.#give(of, 'CaptureLead', body, { imported, lateMs: imported ? this.#int(1, 200) * DAY_MS : 0 });
  }

  #something(): void {
    if (this.#chance(0.03)) return this.#changeModel();
    if (this.#chance(0.02)) return this.#changePipeline();
    if (this.#chance(0.04)) return this.#merge();
    const one = this.#pick(...this.leads);
    const { state } = one.lead;
    if (state === null) return;
    const usual = this.#chance(0.2) ? this.#usual(state) : null;
    const [name, body] = usual ?? this.#command(one);
    const imported = this.#chance(0.06);
    const lateMs = imported
      ? this.#int(0, 100) * DAY_MS
      : this.#pick(0, 0, 0, 0, -240_000, 1500, 7_200_000, 5 * DAY_MS);
    this.#give(one, name, body, { imported, lateMs });
  }

  #usual(state: LeadStateName): readonly [CommandName, object] | null {
    const choices: Partial<Record<LeadStateName, readonly (readonly [CommandName, object])[]>> = {
      MQL: [['AcceptLead', {}], ['HandOffToSales', {}], ['RejectLead', { reasonCode: 'bad_data' }], ['MarkSQL', { qualification: YES }]],
      SAL: [['LogContactAttempt', { channel: 'phone', outcome: 'connected' }], ['MarkSQL', { qualification: YES }], ['RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' }]],
      SQL: [['OpenOpportunity', { amount: EUR(1000), expectedCloseDate: '2027-01-01', qualification: YES }], ['RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' }]],
      OPPORTUNITY: [['WinDeal', { amount: EUR(1000) }], ['LoseDeal', { reasonCode: 'price' }], ['RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' }]],
      CUSTOMER: [['MarkServiceQualified', {}]],
      LOST: [['ReopenLead', { reasonCode: 'x' }], ['RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' }]],
      DISQUALIFIED: [['ReopenLead', { reasonCode: 'x' }]],
      JUNK: [['ReopenLead', { reasonCode: 'x' }]],
    }; // prettier-ignore
    const these = choices[state];
    return these === undefined ? null : this.#pick(...these);
  }

  #command(one: LivedLead): readonly [CommandName, object] {
    const purpose = this.#pick('email_marketing', 'phone', 'profiling', 'sharing');
    const { lead, told } = one;
    const anyEvent = told.length === 0 ? 'none' : this.#pick(...told).eventId;
    const behaviour = told.findLast(
      ({ event }) => event.type === 'BehaviourRecorded' || event.type === 'LeadResponded',
    );
    return this.#pick<readonly [CommandName, object]>(
      ...Array.from({ length: 36 }, () => ['RecordBehaviour', this.#behaviour()] as const),
      ['LogResponse', { channel: 'email', sentiment: this.#pick('positive', 'neutral', 'negative', 'opt_out') }],
      ['LogContactAttempt', { channel: 'phone', outcome: 'voicemail' }],
      ['RecordConsent', { purpose, basis: 'consent' }],
      ['WithdrawConsent', { purpose }],
      ['UpdateLeadDetails', { changes: this.#pick<object>({ country: 'FR' }, { country: null }, { segment: 'student' }, { jobTitle: 'CEO' }, { email: 'ann@gmail.com' }) }],
      ['IdentifyRole', { role: this.#pick('decision_maker', 'unknown', 'user') }],
      ['AssignPersona', { personaId: this.#pick('p1', 'p2'), personaVersion: 1 }],
      ['ChangeLeadType', { to: this.#pick('new_business', 'existing_customer'), reason: 'x' }],
      ['IdentifyGoal', { goal: 'faster', challengeCode: this.#pick('slow_quotes', 'errors') }],
      ['AssessIntent', { level: this.#pick('low', 'high'), channel: 'phone' }],
      ['ObserveJourneyStage', { stage: this.#pick('awareness', 'decision') }],
      ['LinkAccount', { accountId: this.#pick('a1', 'a2', 'a2', 'a3') }],
      ['UnlinkAccount', {}],
      ['UnlinkAccount', {}],
      ['AssessIcpFit', {}],
      ['AnswerQualification', { answers: { budget: { value: this.#pick('yes', 'no', 'unknown'), note: 'x' } } }],
      ['MarkMQL', { reason: 'fits' }],
      ['MarkPQL', { reason: 'uses it' }],
      ['MarkSQL', { qualification: YES }],
      ['WithdrawQualification', {}],
      ['AssignOwner', { ownerId: this.#pick('sam', 'zoe'), teamId: 'sales' }],
      ['DisqualifyLead', { reasonCode: 'no_need' }],
      ['VoidTransition', { eventId: lead.latestTransition?.eventId ?? 'none', reason: 'wrong', approvedBy: 'boss' }],
      ['VoidTransition', { eventId: lead.latestTransition?.eventId ?? 'none', reason: 'wrong', approvedBy: 'boss' }],
      ['CorrectOccurredAt', { eventId: anyEvent, new: this.#iso(this.#int(0, 6) * DAY_MS), reason: 'wrong', approvedBy: 'boss' }],
      ['CorrectOccurredAt', { eventId: behaviour?.eventId ?? 'none', new: this.#iso(this.#int(0, 20) * DAY_MS), reason: 'wrong', approvedBy: 'boss' }],
    ); // prettier-ignore
  }

  #behaviour(): object {
    return {
      kind: this.#pick(...SCORED_KINDS.filter((kind) => kind !== 'reply')),
      ...(this.#chance(0.3) ? { topicCode: this.#pick('pricing', 'security') } : {}),
      ...(this.#chance(0.2) ? { contentId: this.#pick('c1', 'c2') } : {}),
      ...(this.#chance(0.2) ? { campaignId: 'spring' } : {}),
      ...(this.#chance(0.3) ? { count: this.#int(1, 4) } : {}),
    };
  }

  #merge(): void {
    const running = this.#merges.at(-1);
    if (running !== undefined && this.#chance(0.75)) {
      const { duplicate, mergeId, survivor } = this.#merges.pop()!;
      this.#give(survivor, 'UnmergeLeads', { mergeId }, { actor: ADMIN });
      this.#give(duplicate, 'RevertMerge', { mergeId }, { actor: SYSTEM });
      return;
    }
    const [survivor, duplicate] = [this.#pick(...this.leads), this.#pick(...this.leads)];
    const mergeId = `merge-${this.#commands}`;
    const context = { duplicate: { mergeId, lead: duplicate.lead, absorption: absorptionOf(duplicate.told) } };
    const { leadId } = duplicate.lead;
    const done = this.#give(survivor, 'MergeLeads', { duplicateLeadId: leadId }, { actor: ADMIN, context });
    if (!done) return;
    const survivorLeadId = survivor.lead.leadId;
    this.#give(duplicate, 'CompleteMerge', { mergeId, survivorLeadId }, { actor: SYSTEM });
    this.#merges.push({ mergeId, survivor, duplicate });
  }

  /** False when it is refused. */
  #give(
    of: LivedLead,
    name: CommandName,
    body: object,
    {
      actor = ADMIN,
      context = {},
      imported = false,
      lateMs = 0,
    }: {
      readonly actor?: Actor;
      readonly context?: Partial<DecideContext>;
      readonly imported?: boolean;
      readonly lateMs?: number;
    } = {},
  ): boolean {
    const commandId = this.#commandId();
    const occurredAt = lateMs === 0 || actor === SYSTEM ? {} : { occurredAt: this.#iso(lateMs) };
    const { accountId = of.lead.accountId } = body as { readonly accountId?: string };
    try {
      const command = parseLeadCommand(name, of.lead.leadId, JSON.parse(JSON.stringify({ ...body, ...occurredAt })));
      const { events } = decideAndFold(of.lead, command, {
        nowMs: this.#nowMs,
        commandId,
        actor,
        policies: this.#policies,
        models: this.#models,
        account: this.#account(accountId),
        newId: (id) => `${commandId}/${id}`,
        eventId: (ordinal) => eventId(commandId, ordinal),
        ...(imported ? { import: { jobId: 'job', outOfOrder: 'clamp' } } : {}),
        ...context,
      });
      this.#store(of, events, commandId, actor, imported);
      return true;
    } catch (error) {
      if (!(error instanceof LeadError)) throw error;
      return false;
    }
  }

  #store(of: LivedLead, events: readonly LeadEvent[], commandId: string, actor: Actor, imported: boolean): void {
    const stream = `lead-${of.lead.leadId}`;
    events.forEach((event, ordinal) => {
      const once = clockEventIdName(event);
      const id = once === null ? eventId(commandId, ordinal) : `${once.namespace}/${once.name}`;
      const { by, ...plain } = JSON.parse(JSON.stringify(event)) as LeadEvent;
      const revision = of.told.length;
      const metadata = {
        schemaVersion: 1,
        commandId,
        actor: by === undefined ? { type: actor.type, id: actor.id, role: actor.role } : { type: 'system', id: by, role: 'system' }, // prettier-ignore
        source: imported ? { system: 'import', importJobId: 'job' } : { system: 'test' },
      };
      const { recordedAtMs } = this.#append(stream, revision, plain, id, metadata);
      of.lead = evolve(of.lead, plain, { eventId: id, revision, recordedAtMs, imported });
      of.told.push({ event: plain, eventId: id, recordedAtMs });
    });
  }

  #append(
    stream: string,
    revision: number,
    { type, data }: { readonly type: string; readonly data: object },
    id: string,
    metadata: JsonObject,
  ): RecordedEvent {
    const event: RecordedEvent = {
      id,
      stream,
      revision,
      type,
      data: data as JsonObject,
      metadata,
      position: (this.log.length + 1).toString(16).padStart(16, '0'),
      recordedAtMs: this.#nowMs + this.#pick(0, 3, 12),
    };
    this.log.push(event);
    return event;
  }
}
