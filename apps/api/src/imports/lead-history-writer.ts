import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Append,
  type AppendResult,
  type EventLog,
  EventLogError,
  type NewEvent,
} from '#libs/event-log/src/event-log.js';
import { derivedId, eventId } from '#libs/event-log/src/ids.js';
import type { HistoryContext, HistoryOutcome, HistoryToWrite, HistoryWriter } from '#libs/import/src/history-writer.js';
import type { Actor, LeadCommand } from '#libs/lead/src/commands.js';
import { decide } from '#libs/lead/src/decide.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { initialLead, type LeadState } from '#libs/lead/src/state.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { ModelBook } from '#libs/scoring/src/model-book.js';
import type { Claim, ClaimEnvelope, IdentityClaims, IdentityKey } from '#libs/privacy/src/identity-claims.js';
import type { KeyVault } from '#libs/privacy/src/key-vault.js';
import { PrivacyError } from '#libs/privacy/src/privacy-error.js';
import { hashOfCommand } from '../commands/canonical-json.js';
import { type CommandOrigin, leadStream, type LeadStreams } from '../commands/lead-streams.js';

/** As for a live capture (spec §2.5): a claim whose lead is still absent after this was left behind by a crash. */
const ABANDONED_AFTER_MS = 60_000;
const LONGEST_WAIT_MS = 1000;

export interface LeadHistoryWriterOptions {
  readonly log: EventLog;
  readonly streams: LeadStreams;
  readonly claims: IdentityClaims;
  readonly vault: KeyVault;
  readonly policies: PolicyBook;
  readonly models: ModelBook;
  readonly clock: Clock;
}

/** A command that was decided: its events, and the lead before them. */
interface Decided {
  readonly origin: CommandOrigin;
  readonly events: readonly LeadEvent[];
  readonly before: LeadState;
}

interface Lead {
  readonly history: HistoryToWrite;
  /** Surest first. */
  readonly keys: readonly IdentityKey[];
  readonly decided: Decided[];
  state: LeadState;
  /** Of what is written beside the lead: claims and key. */
  readonly envelope: ClaimEnvelope;
}

/** Somebody else holds an identity of the lead. */
interface Contested {
  readonly lead: Lead;
  readonly key: IdentityKey;
  readonly holder: Claim;
}

/**
 * Whole pasts of leads into the log (spec §9.3), many leads a round trip: decide all commands of a lead on one state → claim its
 * identities → make its data key → one append that expects no stream. Decided first, so that a refused lead leaves no trace; a crash
 * in between is made good by writing the same history again.
 * An external id or e-mail address that another lead has makes the lead a duplicate; a phone number only makes it suspect.
 */
export class LeadHistoryWriter implements HistoryWriter {
  constructor(private readonly options: LeadHistoryWriterOptions) {}

  async write(batch: readonly HistoryToWrite[], context: HistoryContext): Promise<readonly HistoryOutcome[]> {
    const outcomes = new Map<HistoryToWrite, HistoryOutcome>();
    const leads: Lead[] = [];
    for (const history of batch) {
      const lead = this.#decide(history, context);
      if ('outcome' in lead) outcomes.set(history, lead);
      else leads.push(lead);
    }
    const contested = await this.#writeLeads(leads, context, outcomes);
    await Promise.all(contested.map(async (it) => outcomes.set(it.lead.history, await this.#contest(it, context))));
    return batch.map((history) => outcomes.get(history)!);
  }

  /** Answers the leads that could not be written because of somebody else's claim. */
  async #writeLeads(
    leads: readonly Lead[],
    context: HistoryContext,
    outcomes: Map<HistoryToWrite, HistoryOutcome>,
  ): Promise<readonly Contested[]> {
    const contested = await this.#claim(leads, context);
    const refused = new Set(contested.map(({ lead }) => lead));
    const free = leads.filter((lead) => !refused.has(lead));
    await this.#makeKeys(free);
    const appends: Append[] = [];
    for (const { history, decided } of free) {
      const { leadId } = history;
      const events: NewEvent[] = [];
      for (const { events: own, origin, before } of decided)
        events.push(...(await this.options.streams.write(leadId, own, origin, before)));
      appends.push({ stream: leadStream(leadId), expectedRevision: 'no_stream', events });
    }
    const results = await this.options.log.appendMany(appends);
    for (const [n, { history }] of free.entries())
      outcomes.set(history, await this.#outcome(history.leadId, appends[n]!.events.length, results[n]!, context));
    return contested;
  }

  #decide(history: HistoryToWrite, context: HistoryContext): Lead | Extract<HistoryOutcome, { outcome: 'rejected' }> {
    const { leadId, commands } = history;
    let keys: readonly IdentityKey[] = [];
    let state = initialLead(leadId);
    const decided: Decided[] = [];
    for (const [n, { id, command }] of commands.entries()) {
      try {
        if (command.name === 'CaptureLead') keys = this.#keysOf(command.body);
        const one = this.#decideOne(state, id, command, keys, context);
        decided.push(one.decided);
        state = one.state;
      } catch (error) {
        if (!(error instanceof LeadError)) throw error;
        const field = error.facts.field ?? error.facts.fields?.[0]?.field;
        const { code, message } = error;
        return { outcome: 'rejected', code, message, command: n, ...(field !== undefined && { field }) };
      }
    }
    return { history, keys, decided, state, envelope: this.#envelope(decided[0]!.origin) };
  }

  #decideOne(
    before: LeadState,
    commandId: string,
    command: LeadCommand,
    keys: readonly IdentityKey[],
    { importId, outOfOrder, actor }: HistoryContext,
  ): { readonly decided: Decided; readonly state: LeadState } {
    const origin: CommandOrigin = {
      commandId,
      commandHash: hashOfCommand(command.name, command.leadId, command.body),
      actor: { type: actor.type, id: actor.id, role: actor.role as Actor['role'], teams: [] },
      source: { system: 'import', importJobId: importId },
      correlationId: importId,
      causationId: importId,
    };
    const nowMs = this.options.clock.nowMs();
    const ids: string[] = [];
    const idOf = (ordinal: number): string => (ids[ordinal] ??= eventId(commandId, ordinal));
    const events = decide(before, command, {
      nowMs,
      commandId,
      // Who may import may tell what others did: marketing's marks, sales' wins.
      actor: { ...origin.actor, role: 'system' },
      policies: this.options.policies,
      models: this.options.models,
      newId: (name) => derivedId(name, commandId),
      eventId: idOf,
      import: { jobId: importId, outOfOrder },
    }).map((event) => withIdentity(event, keys));
    let state = before;
    for (const [ordinal, event] of events.entries())
      state = evolve(state, event, {
        eventId: idOf(ordinal),
        revision: state.revision + 1,
        recordedAtMs: nowMs,
        actor: origin.actor,
        imported: true,
      });
    return { decided: { origin, events, before }, state };
  }

  /** The first identity of every lead in one round trip, then the second, and so on. */
  async #claim(leads: readonly Lead[], context: HistoryContext): Promise<readonly Contested[]> {
    const contested: Contested[] = [];
    let open = leads;
    for (let place = 0; open.length > 0; place++) {
      open = open.filter(({ keys }) => keys.length > place);
      const appends = open.map((lead) => this.#firstClaim(lead, lead.keys[place]!));
      const results = appends.length === 0 ? [] : await this.options.log.appendMany(appends);
      const still: Lead[] = [];
      await Promise.all(
        open.map(async (lead, n) => {
          const key = lead.keys[place]!;
          const holder = await this.#holderAfter(results[n]!, lead, key);
          if (holder === null) still.push(lead);
          else if (key.kind === 'phone') {
            this.#suspect(lead, key, holder, context);
            still.push(lead);
          } else contested.push({ lead, key, holder });
        }),
      );
      open = still;
    }
    return contested;
  }

  /** Null: the lead has the identity. */
  async #holderAfter(
    result: AppendResult | EventLogError,
    { history, envelope }: Lead,
    key: IdentityKey,
  ): Promise<Claim | null> {
    if (!(result instanceof EventLogError)) return null;
    if (result.code !== 'WRONG_EXPECTED_REVISION') throw result;
    const { claims } = this.options;
    return claims.claimAfter(await claims.holder(key), key, history.leadId, envelope);
  }

  #firstClaim({ history, envelope }: Lead, key: IdentityKey): Append {
    return this.options.claims.firstClaim(key, history.leadId, envelope);
  }

  /** The suspicion is part of the lead's one append. */
  #suspect(lead: Lead, key: IdentityKey, holder: Claim, context: HistoryContext): void {
    const { leadId, commands } = lead.history;
    const body = { candidateLeadId: holder.leadId, score: 0.6, basis: [`same_${key.kind}`] };
    const commandId = derivedId(`duplicate-${key.kind}-${key.keyHash}`, commands[0]!.id);
    const command: LeadCommand = { name: 'SuspectDuplicate', leadId, body };
    const { decided, state } = this.#decideOne(lead.state, commandId, command, lead.keys, context);
    lead.decided.push(decided);
    lead.state = state;
  }

  async #makeKeys(leads: readonly Lead[]): Promise<void> {
    const { vault, streams, log } = this.options;
    const made = leads
      .filter(
        ({ history, decided }) =>
          vault.cached(history.leadId) === undefined && decided.some(({ events }) => streams.needsKey(events)),
      )
      .map(({ history, envelope }) => vault.make(history.leadId, envelope));
    if (made.length === 0) return;
    const results = await log.appendMany(made.map(({ append }) => append));
    await Promise.all(made.map((key, n) => vault.stored(key, results[n]!)));
  }

  async #outcome(
    leadId: string,
    events: number,
    result: AppendResult | EventLogError,
    { importId }: HistoryContext,
  ): Promise<HistoryOutcome> {
    if (!(result instanceof EventLogError)) return { outcome: 'accepted', leadId, events };
    if (result.code !== 'WRONG_EXPECTED_REVISION') throw result;
    // Written before, by a version that decided otherwise, or gone on with since.
    const [first] = await this.options.log.readStream(leadStream(leadId), { limit: 1 });
    const source = first?.metadata.source as { importJobId?: string } | undefined;
    if (source?.importJobId === importId) return { outcome: 'accepted', leadId, events };
    return { outcome: 'skipped', reason: 'already_imported', leadId };
  }

  /** Waits for a holder that is about to be written, takes over from one that never will be. */
  async #contest({ lead, key, holder }: Contested, context: HistoryContext): Promise<HistoryOutcome> {
    const { claims, clock, log } = this.options;
    const { leadId } = lead.history;
    const { envelope } = lead;
    let current: Claim | null = holder;
    let waitedMs = 0;
    for (let waitMs = 2; current !== null; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      const written = await log.readStream(leadStream(current.leadId), { limit: 1 });
      if (written.length > 0) {
        // Whatever this lead has claimed of its own would lead nowhere.
        for (const own of lead.keys.slice(0, lead.keys.indexOf(key)))
          await claims.release(own, leadId, 'duplicate', envelope);
        const reason = key.kind === 'external' ? 'already_imported' : 'duplicate_identity';
        return { outcome: 'skipped', reason, leadId: current.leadId };
      }
      const abandoned = Math.max(waitedMs, clock.nowMs() - current.claimedAtMs) > ABANDONED_AFTER_MS;
      if (abandoned && (await claims.reclaim(key, current, leadId, envelope))) break;
      await sleep(waitMs);
      waitedMs += waitMs;
      current = await claims.claimAfter(await claims.holder(key), key, leadId, envelope);
    }
    const outcomes = new Map<HistoryToWrite, HistoryOutcome>();
    const [again] = await this.#writeLeads([lead], context, outcomes);
    return again === undefined ? outcomes.get(lead.history)! : this.#contest(again, context);
  }

  /** The source's own id first: when it is known, the lead is here already and nothing is claimed. */
  #keysOf({ externalIds = [], person }: Extract<LeadCommand, { name: 'CaptureLead' }>['body']): readonly IdentityKey[] {
    const { claims } = this.options;
    const keys = new Map<string, IdentityKey>();
    const add = (key: IdentityKey): void => void keys.set(key.keyHash, key);
    for (const { system, id } of externalIds) add(claims.external(system, id));
    if (person?.email !== undefined) add(personalKey('email', () => claims.email(person.email!)));
    if (person?.phone !== undefined) add(personalKey('phone', () => claims.phone(person.phone!)));
    return [...keys.values()];
  }

  #envelope(origin: CommandOrigin): ClaimEnvelope {
    const { clock, streams } = this.options;
    return { occurredAt: toIso(clock.nowMs()), metadata: streams.metadata(origin, {}) };
  }
}

const withIdentity = (event: LeadEvent, keys: readonly IdentityKey[]): LeadEvent =>
  event.type === 'LeadCaptured' ? { ...event, data: { ...event.data, identityKeys: [...keys] } } : event;

function personalKey(kind: 'email' | 'phone', make: () => IdentityKey): IdentityKey {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof PrivacyError)) throw error;
    const code = kind === 'email' ? 'EMAIL_INVALID' : 'PHONE_INVALID';
    throw new LeadError(code, error.message, { field: `person.${kind}` });
  }
}
