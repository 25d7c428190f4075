import type { Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { CommandError, type CommandOutcome, loadStream } from '#libs/event-log/src/handle-command.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import { absorptionOf, type ToldEvent } from '#libs/lead/src/absorption.js';
import type { Actor, LeadCommand } from '#libs/lead/src/commands.js';
import { unknownLead } from '#libs/lead/src/decide-merge.js';
import type { DecideContext } from '#libs/lead/src/decide.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { type Absorbed, initialLead, type LeadState } from '#libs/lead/src/state.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import type { ClaimEnvelope, IdentityClaims, IdentityKey, Transfer } from '#libs/privacy/src/identity-claims.js';
import { PrivacyError } from '#libs/privacy/src/privacy-error.js';
import { hashOfCommand } from './canonical-json.js';
import { answerOf, type LeadCommandAnswer, type LeadDecisions } from './lead-decisions.js';
import { type CommandOrigin, leadStream } from './lead-streams.js';

type Given<N extends LeadCommand['name']> = Extract<LeadCommand, { readonly name: N }>;

/** So often a merge begins anew because its duplicate goes on living meanwhile. */
const MOST_TRIES = 8;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface MergeOptions {
  readonly claims: IdentityClaims;
  readonly clock: Clock;
}

/** Both leads' part in the answer to one command. */
type Step = Pick<CommandOutcome<LeadState>, 'events' | 'position'>;
const NOTHING: Step = { events: [], position: null };

/** A merge as its survivor's stream tells it. */
interface ToldMerge {
  readonly duplicateLeadId: string;
  readonly identityKeys: Absorbed['identityKeys'];
  /** The event behind which the steps on the duplicate and the identities stand. */
  readonly last: RecordedEvent;
  readonly outcome: 'absorbed' | 'unmerged' | 'given_up';
}

/**
 * Merging over several streams (spec §2.6): 1 DuplicateAbsorbed on the survivor, from a duplicate read at one revision →
 * 2 MergedInto on the duplicate, at that very revision → 3 its identities point to the survivor. Taking back: MergeReverted
 * on both, then the identities. Every step is known by the merge's id and done once. A crash leaves the survivor's stream to
 * say what is missing: the same command sent again goes on, and so does `resume`.
 *
 * When the duplicate moved on between 1 and 2, the survivor absorbs it anew; when it may not any more (merged elsewhere,
 * further advanced now), the merge is given up on the survivor and the command refused.
 */
export class MergeProcess {
  constructor(
    private readonly decisions: LeadDecisions,
    private readonly options: MergeOptions,
  ) {}

  async merge(
    command: Given<'MergeLeads'>,
    origin: CommandOrigin,
    expectedRevision?: number,
  ): Promise<LeadCommandAnswer> {
    const { leadId } = command;
    const mergeId = derivedId('merge', origin.commandId);
    const { duplicateLeadId } = command.body;
    await this.#finishEarlier(leadId, duplicateLeadId, mergeId);
    const absorbed = await this.#absorb(command, origin, mergeId, expectedRevision);
    return joined(leadId, absorbed, [await this.#complete(leadId, mergeId, duplicateLeadId, origin)]);
  }

  async unmerge(
    command: Given<'UnmergeLeads'>,
    origin: CommandOrigin,
    expectedRevision?: number,
  ): Promise<LeadCommandAnswer> {
    const { leadId } = command;
    const reverted = await this.decisions.handle(command, origin, expectedRevision);
    const mine = (await this.#told(leadId)).events.find(
      ({ event, recorded }) => event.type === 'MergeReverted' && recorded.metadata.commandId === origin.commandId,
    );
    if (mine === undefined) return answerOf(leadId, reverted);
    const { mergeId } = mine.event.data as { mergeId: string };
    return joined(leadId, reverted, [await this.#giveBack(leadId, mergeId, origin)]);
  }

  /** Told on both leads, whichever of them suspected the other. */
  async dismiss(
    command: Given<'DismissDuplicate'>,
    origin: CommandOrigin,
    expectedRevision?: number,
  ): Promise<LeadCommandAnswer> {
    const { leadId } = command;
    const { candidateLeadId } = command.body;
    if (!(await this.#exists(candidateLeadId))) throw unknownLead(candidateLeadId, 'candidateLeadId');
    const dismissed = await this.decisions.handle(command, origin, expectedRevision);
    const echo: Given<'DismissDuplicate'> = {
      name: 'DismissDuplicate',
      leadId: candidateLeadId,
      body: { candidateLeadId: leadId },
    };
    try {
      const step = await this.#step(echo, derivedId('dismissed-too', origin.commandId), echo.body, origin);
      return joined(leadId, dismissed, [step]);
    } catch (error) {
      // Merged away meanwhile: there is no pair any more.
      if (error instanceof LeadError && error.code === 'LEAD_MERGED') return answerOf(leadId, dismissed);
      throw error;
    }
  }

  /**
   * Finishes a merge, or its taking back, that was left in the middle; nothing happens when it was finished. Whoever asked
   * for it stays its actor.
   */
  async resume(survivorLeadId: string, mergeId: string): Promise<void> {
    const merge = await this.#toldMerge(survivorLeadId, mergeId);
    if (merge === null || merge.outcome === 'given_up') return;
    const origin = originOf(merge.last);
    if (merge.outcome === 'unmerged') await this.#giveBack(survivorLeadId, mergeId, origin);
    else await this.#complete(survivorLeadId, mergeId, merge.duplicateLeadId, origin);
  }

  /** A merge of the same two by a command that never came back: it is this one's turn to finish it. */
  async #finishEarlier(leadId: string, duplicateLeadId: string, mergeId: string): Promise<void> {
    const { state } = await loadStream(this.decisions.streams.runtime, leadStream(leadId));
    const earlier = state.absorbed.find((one) => one.duplicateLeadId === duplicateLeadId && one.mergeId !== mergeId);
    if (earlier !== undefined) await this.resume(leadId, earlier.mergeId);
  }

  // ---- merge

  async #absorb(
    command: Given<'MergeLeads'>,
    origin: CommandOrigin,
    mergeId: string,
    expectedRevision?: number,
  ): Promise<CommandOutcome<LeadState>> {
    const duplicate = await this.#duplicate(command.body.duplicateLeadId, mergeId);
    const given = duplicate === null ? {} : { duplicate };
    await this.#refuseErased(command.leadId);
    return this.decisions.handle(command, origin, expectedRevision, {
      decide: (state, revision) => this.decisions.decideOn(state, revision, command, origin, given),
    });
  }

  /** Steps 2 and 3. Errors: LeadError when the merge had to be given up. */
  async #complete(
    survivorLeadId: string,
    mergeId: string,
    duplicateLeadId: string,
    origin: CommandOrigin,
  ): Promise<Step> {
    const { runtime } = this.decisions.streams;
    const commandId = derivedId('complete', mergeId);
    const body = { mergeId, survivorLeadId };
    for (let tries = 1; ; tries++) {
      const survivor = await loadStream(runtime, leadStream(survivorLeadId));
      const duplicate = await loadStream(runtime, leadStream(duplicateLeadId));
      const standing = survivor.state.absorbed.find((one) => one.mergeId === mergeId);
      if (standing === undefined && !duplicate.commands.has(commandId)) return NOTHING;
      const atMs = Math.max(standing?.atMs ?? 0, duplicate.state.lastTransitionAtMs);
      const command: Given<'CompleteMerge'> = {
        name: 'CompleteMerge',
        leadId: duplicateLeadId,
        body: { ...body, occurredAt: toIso(atMs) },
      };
      try {
        const done = await this.#step(command, commandId, body, origin, standing?.duplicateRevision);
        if (standing !== undefined) {
          const transfer = { from: duplicateLeadId, to: survivorLeadId, mergeId };
          for (const key of standing.identityKeys)
            await this.options.claims.transfer(key, transfer, this.#envelope(origin));
        }
        return done;
      } catch (error) {
        if (!(error instanceof CommandError) || error.code !== 'CONFLICT' || standing === undefined) throw error;
        if (tries >= MOST_TRIES) throw busy(duplicateLeadId);
        await this.#absorbAnew(survivorLeadId, standing, origin);
      }
    }
  }

  /** The duplicate has moved on since it was absorbed: once more, or not at all. */
  async #absorbAnew(survivorLeadId: string, standing: Absorbed, origin: CommandOrigin): Promise<void> {
    const { atMs, duplicateLeadId, mergeId } = standing;
    const duplicate = await loadStream(this.decisions.streams.runtime, leadStream(duplicateLeadId));
    const command: Given<'MergeLeads'> = {
      name: 'MergeLeads',
      leadId: survivorLeadId,
      body: { duplicateLeadId, occurredAt: toIso(atMs) },
    };
    const again = stepOrigin(command, derivedId(`absorb-${duplicate.revision}`, mergeId), { duplicateLeadId }, origin);
    try {
      const given = { duplicate: (await this.#duplicate(duplicateLeadId, mergeId)) ?? undefined };
      const asked = { ...again, actor: asSystem(origin.actor) };
      await this.decisions.handle(command, again, undefined, {
        // Taken back in the meantime: that stands.
        decide: (state, revision) =>
          state.absorbed.some((one) => one.mergeId === mergeId)
            ? this.decisions.decideOn(state, revision, command, asked, given)
            : [],
      });
    } catch (error) {
      // The survivor moved: the next round looks again.
      if (error instanceof CommandError && error.code === 'CONFLICT') return;
      if (!(error instanceof LeadError)) throw error;
      const givenUp: Given<'RevertMerge'> = {
        name: 'RevertMerge',
        leadId: survivorLeadId,
        body: { mergeId, reason: error.code },
      };
      await this.#step(givenUp, derivedId('give-up', mergeId), { mergeId }, origin);
      throw error;
    }
  }

  /** The lead to be merged away, as its stream has it now; null: there is none. */
  async #duplicate(leadId: string, mergeId: string): Promise<NonNullable<DecideContext['duplicate']> | null> {
    if (!UUID.test(leadId)) return null;
    const { events, lead } = await this.#told(leadId);
    if (lead.revision < 0) return null;
    await this.#refuseErased(leadId);
    const absorption = absorptionOf(events);
    const keys = new Map(absorption.identityKeys.map((key) => [key.keyHash, key]));
    for (const key of this.#keysOfDetails(lead)) keys.set(key.keyHash, key);
    const held: IdentityKey[] = [];
    for (const key of keys.values()) {
      const holder = await this.options.claims.holder(key);
      if (holder !== null && !holder.released && holder.leadId === leadId) held.push(key);
    }
    return { mergeId, lead, absorption: { ...absorption, identityKeys: held } };
  }

  /** An address or number that came after the capture. */
  #keysOfDetails({ details }: LeadState): IdentityKey[] {
    return (['email', 'phone'] as const).flatMap((kind) => {
      const value = details[kind];
      if (typeof value !== 'string' || value === '') return [];
      try {
        return this.options.claims[kind](value);
      } catch (error) {
        if (error instanceof PrivacyError) return [];
        throw error;
      }
    });
  }

  // ---- un-merge

  /** The duplicate is a lead of its own again, then its identities are. */
  async #giveBack(survivorLeadId: string, mergeId: string, origin: CommandOrigin): Promise<Step> {
    const merge = await this.#toldMerge(survivorLeadId, mergeId);
    if (merge === null) return NOTHING;
    const { duplicateLeadId, identityKeys, last } = merge;
    const reason = typeof last.data.reason === 'string' ? { reason: last.data.reason } : {};
    const command: Given<'RevertMerge'> = {
      name: 'RevertMerge',
      leadId: duplicateLeadId,
      body: { mergeId, ...reason },
    };
    const done = await this.#step(command, derivedId('revert', mergeId), { mergeId }, origin);
    const transfer: Transfer = { from: survivorLeadId, to: duplicateLeadId, mergeId, back: true };
    for (const key of identityKeys) await this.options.claims.transfer(key, transfer, this.#envelope(origin));
    return done;
  }

  // ---- what the streams tell

  async #told(
    leadId: string,
  ): Promise<{ lead: LeadState; events: (ToldEvent & { readonly recorded: RecordedEvent })[] }> {
    const { streams } = this.decisions;
    const stored = await streams.runtime.log.readStream(leadStream(leadId));
    const opened = await streams.open(leadId, stored);
    let lead = initialLead(leadId);
    const events = stored.map((recorded, index) => {
      const event = opened[index] as LeadEvent;
      const recordedAtMs = effectiveRecordedAtMs(recorded);
      lead = evolve(lead, event, { eventId: recorded.id, revision: recorded.revision, recordedAtMs });
      return { event, eventId: recorded.id, recordedAtMs, recorded };
    });
    return { lead, events };
  }

  async #toldMerge(survivorLeadId: string, mergeId: string): Promise<ToldMerge | null> {
    let merge = null as ToldMerge | null;
    for (const { event, recorded } of (await this.#told(survivorLeadId)).events) {
      if (event.type === 'DuplicateAbsorbed' && event.data.mergeId === mergeId) {
        const { duplicateLeadId, identityKeys } = event.data;
        merge = { duplicateLeadId, identityKeys, last: recorded, outcome: 'absorbed' };
      } else if (event.type === 'MergeReverted' && event.data.mergeId === mergeId && merge !== null) {
        merge = { ...merge, last: recorded, outcome: event.data.cause };
      }
    }
    return merge;
  }

  async #exists(leadId: string): Promise<boolean> {
    if (!UUID.test(leadId)) return false;
    return (await loadStream(this.decisions.streams.runtime, leadStream(leadId))).revision >= 0;
  }

  async #refuseErased(leadId: string): Promise<void> {
    const { streams } = this.decisions;
    const [first] = await streams.runtime.log.readStream(leadStream(leadId), { limit: 1 });
    if (first?.data.sealed === undefined || (await streams.hasKey(leadId))) return;
    throw new LeadError('LEAD_ERASED', `lead ${leadId} is erased`, { leadId });
  }

  // ---- steps

  /** One step under its own command id; `identity` of its body makes the id's repetition the same command. */
  async #step(
    command: LeadCommand,
    commandId: string,
    identity: object,
    cause: CommandOrigin,
    expectedRevision?: number,
  ): Promise<CommandOutcome<LeadState>> {
    const origin = stepOrigin(command, commandId, identity, cause);
    const asked = { ...origin, actor: asSystem(cause.actor) };
    return this.decisions.handle(command, origin, expectedRevision, {
      decide: (state, revision) => this.decisions.decideOn(state, revision, command, asked),
    });
  }

  #envelope(origin: CommandOrigin): ClaimEnvelope {
    return { occurredAt: toIso(this.options.clock.nowMs()), metadata: this.decisions.streams.metadata(origin, {}) };
  }
}

/** The ledger itself goes on; whose command it was stays written. */
const asSystem = (actor: Actor): Actor => ({ ...actor, role: 'system' });

const stepOrigin = (
  { leadId, name }: LeadCommand,
  commandId: string,
  identity: object,
  cause: CommandOrigin,
): CommandOrigin => ({
  ...cause,
  commandId,
  commandHash: hashOfCommand(name, leadId, identity),
  correlationId: cause.correlationId ?? cause.commandId,
  causationId: cause.commandId,
});

/** Who and what an earlier step was, for the steps that are missing behind it. */
function originOf({ metadata }: RecordedEvent): CommandOrigin {
  const { actor, commandHash, commandId, source, ...rest } = metadata as unknown as EventMetadata;
  const role = actor.role as Actor['role'];
  return { commandId, commandHash, actor: { ...actor, role, teams: [] }, source, correlationId: rest.$correlationId };
}

function joined(leadId: string, first: CommandOutcome<LeadState>, steps: readonly Step[]): LeadCommandAnswer {
  let { position }: { position: Position | null } = first;
  for (const step of steps) {
    if (step.position !== null && (position === null || step.position > position)) position = step.position;
  }
  const events = [...first.events, ...steps.flatMap((step) => step.events)];
  return { ...answerOf(leadId, first), position, events };
}

const busy = (duplicateLeadId: string): LeadError =>
  new LeadError('CONFLICT', 'the duplicate does not stand still; send the command again', {
    duplicateLeadId,
    retryable: true,
  });
