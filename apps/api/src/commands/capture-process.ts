import { setTimeout as sleep } from 'node:timers/promises';
import { EventLogError } from '#libs/event-log/src/event-log.js';
import { type CommandOutcome, loadStream, Turns } from '#libs/event-log/src/handle-command.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { Actor, CommandBody, LeadCommand } from '#libs/lead/src/commands.js';
import type { Decided } from '#libs/lead/src/decide.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import { initialLead, type LeadState } from '#libs/lead/src/state.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import type { Claim, ClaimEnvelope, IdentityClaims, IdentityKey } from '#libs/privacy/src/identity-claims.js';
import type { KeyVault } from '#libs/privacy/src/key-vault.js';
import { PrivacyError } from '#libs/privacy/src/privacy-error.js';
import { answerOf, type LeadCommandAnswer, type LeadDecisions } from './lead-decisions.js';
import { type CommandOrigin, leadStream } from './lead-streams.js';

type Capture = Extract<LeadCommand, { name: 'CaptureLead' }>;
type DetailsUpdate = Extract<LeadCommand, { name: 'UpdateLeadDetails' }>;

/** Spec §2.5: a claim whose lead is still absent after this long was left behind by a crash. */
const ABANDONED_AFTER_MS = 60_000;
/** A capture that took longer than this since its claim looks again whether it still holds it. */
const CLAIM_FRESH_MS = 20_000;
/** How long to wait for a capture that has claimed the same person and is about to be written; 1.3 s in all. */
const WAIT_STEPS_MS = [2, 5, 10, 20, 40, 80, 160, 320, 640];
/** How sure one shared key makes that two leads are one person (spec §2.5 fuzzy match). */
const SAME_PERSON: Readonly<Record<IdentityKey['kind'], number>> = { email: 0.95, external: 0.9, phone: 0.6 };

const CAPTURE_ACTOR: Actor = { type: 'system', id: 'system:capture', role: 'system', teams: [] };

export interface CaptureOptions {
  readonly claims: IdentityClaims;
  readonly vault: KeyVault;
  readonly clock: Clock;
}

/**
 * Capture over several streams (spec §2.5): claim the primary identity → LeadCaptured on a new stream → claim the other
 * identities. A crash undoes nothing and every step may be repeated: the same command sent again finishes it, another one
 * takes an abandoned claim over after a minute. A refused capture claims nothing.
 */
export class CaptureProcess {
  /** Captures of one person take turns within the process; between processes the claim decides. */
  readonly #turns = new Turns();

  constructor(
    private readonly decisions: LeadDecisions,
    private readonly options: CaptureOptions,
  ) {}

  async capture(given: Capture, origin: CommandOrigin): Promise<LeadCommandAnswer> {
    const leadId = (given.body.leadId ?? derivedId('lead', origin.commandId)).toLowerCase();
    const command = { ...given, leadId };
    const keys = this.#keysOf(command.body);
    const act = () => this.#capture(command, origin, keys);
    return keys[0] === undefined ? act() : this.#turns.take(keys[0].keyHash, act);
  }

  async #capture(command: Capture, origin: CommandOrigin, keys: readonly IdentityKey[]): Promise<LeadCommandAnswer> {
    const { leadId } = command;
    const existing = await loadStream(this.decisions.streams.runtime, leadStream(leadId));
    if (existing.revision >= 0) return this.#onExistingLead(command, origin, keys);

    const [primary, ...others] = keys;
    const { events, after, refusal } = this.#firstDecision(command, origin, keys);
    if (refusal !== null) {
      // A person already known may need less than a new lead does: only the holder's own stream can tell.
      const holder = primary === undefined ? null : await this.options.claims.holder(primary);
      if (holder === null || holder.released || command.body.onDuplicate === 'reject') throw refusal;
      const known = await loadStream(this.decisions.streams.runtime, leadStream(holder.leadId));
      if (known.revision < 0) throw refusal;
      return this.#attach(command, origin, holder.leadId);
    }

    // Just read: the append that expects no stream need not read it once more.
    this.decisions.streams.runtime.cache.set(leadStream(leadId), existing);
    const startedMs = this.options.clock.nowMs();
    const envelope = this.#envelope(origin);
    if (primary !== undefined) {
      const { claims } = this.options;
      const known = await claims.holder(primary);
      // Looked at first: a capture of a known person, attached or refused, leaves no key behind.
      const captured = known === null ? await this.#captureNew(primary, command, { events, after }, origin) : null;
      if (captured !== null) return this.#claimOthers(leadId, others, origin, captured);
      const holder = await claims.claimAfter(known ?? (await claims.holder(primary)), primary, leadId, envelope);
      const other = holder === null ? null : await this.#otherLead(holder, primary, leadId, envelope);
      if (other !== null) return this.#attach(command, origin, other);
      if (this.options.clock.nowMs() - startedMs > CLAIM_FRESH_MS) {
        const now = await this.options.claims.claim(primary, leadId, envelope);
        if (now !== null) return this.#attach(command, origin, now.leadId);
      }
    }
    const outcome = await this.#append(primary, command, origin, onNewLead(leadId, { events, after }));
    return this.#claimOthers(leadId, others, origin, outcome);
  }

  /** The lead is there: this very command's doing, finished again, or another's under a chosen id. */
  async #onExistingLead(
    command: Capture,
    origin: CommandOrigin,
    [, ...others]: readonly IdentityKey[],
  ): Promise<LeadCommandAnswer> {
    const outcome = await this.decisions.handle(command, origin, undefined, {
      decide: () => {
        throw duplicate(command.leadId);
      },
    });
    return this.#claimOthers(command.leadId, others, origin, outcome);
  }

  /** Decided before anything is claimed, so that a refused capture leaves no trace. */
  #firstDecision(
    command: Capture,
    origin: CommandOrigin,
    keys: readonly IdentityKey[],
  ): Decided & { readonly refusal: LeadError | null } {
    try {
      const { events, after } = this.decisions.decideAndFold(initialLead(command.leadId), -1, command, origin);
      return { events: events.map((event) => withIdentity(event, keys)), after, refusal: null };
    } catch (error) {
      if (error instanceof LeadError) return { events: [], after: null, refusal: error };
      throw error;
    }
  }

  /** Claim, data key and lead in one go; the lead is never there without the other two. Null: the claim or the key was there. */
  async #captureNew(
    key: IdentityKey,
    command: Capture,
    decision: Decided,
    origin: CommandOrigin,
  ): Promise<CommandOutcome<LeadState> | null> {
    const { leadId } = command;
    const { claims, vault } = this.options;
    const { streams } = this.decisions;
    const envelope = this.#envelope(origin);
    const made = streams.needsKey(decision.events) ? vault.make(leadId, envelope) : null;
    const claim = claims.firstClaim(key, leadId, envelope);
    try {
      return await this.#append(key, command, origin, {
        ...onNewLead(leadId, decision),
        write: (decided, state) => streams.write(leadId, decided, origin, state, made?.dataKey),
        append: async (own) => {
          const { ahead, last } = await streams.runtime.log.appendBehind(
            made === null ? [claim] : [claim, made.append],
            own,
          );
          const [claimed, stored] = ahead;
          if (made !== null) await vault.stored(made, stored!);
          if (last === null) throw new NotAlone(claimed instanceof EventLogError ? claimed : (stored as EventLogError));
          if (last instanceof EventLogError) throw last;
          return last;
        },
      });
    } catch (error) {
      if (!(error instanceof NotAlone)) throw error;
      if (error.cause.code === 'WRONG_EXPECTED_REVISION') return null;
      throw error.cause;
    }
  }

  /** Appends the lead. The claim is given back when another lead turns out to have the id that this client chose. */
  async #append(
    primary: IdentityKey | undefined,
    command: Capture,
    origin: CommandOrigin,
    own: Parameters<LeadDecisions['handle']>[3],
  ): Promise<CommandOutcome<LeadState>> {
    try {
      return await this.decisions.handle(command, origin, undefined, own);
    } catch (error) {
      if (primary !== undefined && error instanceof LeadError && error.code === 'DUPLICATE_LEAD') {
        const { claims } = this.options;
        const holder = await claims.holder(primary);
        if (holder?.commandId === origin.commandId)
          await claims.release(primary, command.leadId ?? '', 'capture_refused', this.#envelope(origin));
      }
      throw error;
    }
  }

  /** The lead to attach to; null when the holder left its claim behind and it is ours now. CONFLICT: try again. */
  async #otherLead(claim: Claim, key: IdentityKey, leadId: string, envelope: ClaimEnvelope): Promise<string | null> {
    const { claims, clock } = this.options;
    let holder: Claim | null = claim;
    for (const waitMs of [...WAIT_STEPS_MS, 0]) {
      const lead = await loadStream(this.decisions.streams.runtime, leadStream(holder.leadId));
      if (lead.revision >= 0) return holder.leadId;
      if (
        clock.nowMs() - holder.claimedAtMs > ABANDONED_AFTER_MS &&
        (await claims.reclaim(key, holder, leadId, envelope))
      )
        return null;
      await sleep(waitMs);
      holder = await claims.claimAfter(await claims.holder(key), key, leadId, envelope);
      if (holder === null) return null;
    }
    throw new LeadError('CONFLICT', 'the same person is being captured by another command; send it again', {
      leadId: holder.leadId,
      currentRevision: -1,
      retryable: true,
    });
  }

  async #attach(command: Capture, origin: CommandOrigin, holderId: string): Promise<LeadCommandAnswer> {
    const repeated: Capture = { ...command, leadId: holderId };
    try {
      return answerOf(holderId, await this.decisions.handle(repeated, origin));
    } catch (error) {
      // The holder was merged away and its identities are still on their way: the survivor is the person's lead.
      if (!(error instanceof LeadError) || error.code !== 'LEAD_MERGED') throw error;
      return this.#attach(command, origin, error.facts.survivorLeadId as string);
    }
  }

  /** A key that another lead holds makes the two suspects, for a person to judge; it refuses nothing. */
  async #claimOthers(
    leadId: string,
    keys: readonly IdentityKey[],
    origin: CommandOrigin,
    captured: CommandOutcome<LeadState>,
  ): Promise<LeadCommandAnswer> {
    let last = captured;
    // The repetition of a capture whose lead was merged away since: its identities are the survivor's.
    if (captured.state.mergedInto !== null) return answerOf(leadId, last);
    for (const key of keys) {
      const holder = await this.options.claims.claim(key, leadId, this.#envelope(origin));
      if (holder === null) continue;
      const suspicion: CommandOrigin = {
        ...origin,
        commandId: derivedId(`duplicate-${key.kind}-${key.keyHash}`, origin.commandId),
        actor: CAPTURE_ACTOR,
        causationId: origin.commandId,
      };
      const body: CommandBody<'SuspectDuplicate'> = {
        candidateLeadId: holder.leadId,
        score: SAME_PERSON[key.kind],
        basis: [`same_${key.kind}`],
      };
      const suspected = await this.decisions.handle({ name: 'SuspectDuplicate', leadId, body }, suspicion);
      last = { ...suspected, events: [...last.events, ...suspected.events], replayed: captured.replayed };
    }
    return answerOf(leadId, last);
  }

  /** A new e-mail address or phone number is claimed before the change and the old one given back after it. */
  async updateDetails(
    command: DetailsUpdate,
    origin: CommandOrigin,
    expectedRevision: number | undefined,
  ): Promise<LeadCommandAnswer> {
    const { leadId } = command;
    const { claims } = this.options;
    const stream = leadStream(leadId);
    const lead = await loadStream(this.decisions.streams.runtime, stream);
    const moves = lead.commands.has(origin.commandId) ? [] : this.#movesOf(command, lead.state);
    if (moves.length === 0) return answerOf(leadId, await this.decisions.handle(command, origin, expectedRevision));
    // Refused commands claim nothing: asked first on a copy of the decision.
    const refused = this.#wouldRefuse(command, origin, lead.state, lead.revision, expectedRevision);
    if (refused) return answerOf(leadId, await this.decisions.handle(command, origin, expectedRevision));
    const envelope = this.#envelope(origin);
    const claimed: IdentityKey[] = [];
    try {
      for (const { to } of moves) {
        if (to === null) continue;
        const holder = await claims.claim(to, leadId, envelope);
        if (holder !== null) throw duplicate(holder.leadId);
        claimed.push(to);
      }
      const outcome = await this.decisions.handle(command, origin, expectedRevision);
      for (const { from } of moves) if (from !== null) await claims.release(from, leadId, 'details_changed', envelope);
      return answerOf(leadId, outcome);
    } catch (error) {
      if (error instanceof LeadError)
        for (const key of claimed) await claims.release(key, leadId, 'change_refused', envelope);
      throw error;
    }
  }

  #wouldRefuse(
    command: DetailsUpdate,
    origin: CommandOrigin,
    state: LeadState,
    revision: number,
    expectedRevision: number | undefined,
  ): boolean {
    if (expectedRevision !== undefined && expectedRevision !== revision) return true;
    try {
      this.decisions.decideOn(state, revision, command, origin);
      return false;
    } catch (error) {
      if (error instanceof LeadError) return true;
      throw error;
    }
  }

  #movesOf(
    { body }: DetailsUpdate,
    state: LeadState,
  ): { readonly from: IdentityKey | null; readonly to: IdentityKey | null }[] {
    const keyOf = (field: 'email' | 'phone', value: unknown): IdentityKey | null =>
      typeof value === 'string' && value !== '' ? this.#key(field, value, `changes.${field}`) : null;
    return (['email', 'phone'] as const).flatMap((field) => {
      if (!Object.hasOwn(body.changes, field)) return [];
      const from = keyOf(field, state.details[field]);
      const to = keyOf(field, body.changes[field]);
      return from?.keyHash === to?.keyHash ? [] : [{ from, to }];
    });
  }

  /** Surest first: an address is a person's own, a number may be the switchboard's. Each key once. */
  #keysOf({ externalIds, person }: Capture['body']): IdentityKey[] {
    const keys: IdentityKey[] = [];
    if (person?.email !== undefined) keys.push(this.#key('email', person.email, 'person.email'));
    for (const { system, id } of externalIds ?? []) keys.push(this.options.claims.external(system, id));
    if (person?.phone !== undefined) keys.push(this.#key('phone', person.phone, 'person.phone'));
    return keys.filter(({ keyHash }, index) => keys.findIndex((other) => other.keyHash === keyHash) === index);
  }

  #key(kind: 'email' | 'phone', value: string, field: string): IdentityKey {
    try {
      return this.options.claims[kind](value);
    } catch (error) {
      if (!(error instanceof PrivacyError)) throw error;
      const [code, rule] =
        kind === 'email'
          ? (['EMAIL_INVALID', 'not an e-mail address'] as const)
          : (['PHONE_INVALID', 'not a phone number in E.164 form'] as const);
      throw new LeadError(code, rule, { field, fields: [{ field, rule }] });
    }
  }

  #envelope(origin: CommandOrigin): ClaimEnvelope {
    return {
      occurredAt: toIso(this.options.clock.nowMs()),
      metadata: this.decisions.streams.metadata(origin, {}),
    };
  }
}

/** What a new lead's append had to stand behind is somebody else's, or there already. */
class NotAlone extends Error {
  constructor(override readonly cause: EventLogError) {
    super('not the first', { cause });
  }
}

const onNewLead = (leadId: string, { events, after }: Decided) => ({
  decide(_state: LeadState, revision: number): readonly LeadEvent[] {
    if (revision >= 0) throw duplicate(leadId);
    return events;
  },
  after: () => after,
});

/** The keys stand in the event alone: what is folded of it stays the same. */
const withIdentity = (event: LeadEvent, keys: readonly IdentityKey[]): LeadEvent =>
  event.type === 'LeadCaptured' ? { ...event, data: { ...event.data, identityKeys: [...keys] } } : event;

const duplicate = (existingLeadId: string): LeadError =>
  new LeadError('DUPLICATE_LEAD', 'this person is a lead already', { existingLeadId });
