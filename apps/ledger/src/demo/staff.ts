import type { AccountCommands } from '#apps/api/src/accounts/account-commands.js';
import type { LeadCommands } from '#apps/api/src/commands/lead-commands.js';
import { leadStream } from '#apps/api/src/commands/lead-streams.js';
import type { ConfigCommands } from '#apps/api/src/config/config-commands.js';
import type { ReviewCommand } from '#libs/alert/src/review.js';
import { CommandError } from '#libs/event-log/src/handle-command.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { LeadState } from '#libs/lead/src/state.js';
import { Problem } from '#libs/platform/src/problem.js';
import { PolicyError } from '#libs/policy/src/errors.js';
import type { Act, Done, Life } from './act.js';
import { Agenda, type Entry } from './agenda.js';

const SOURCE = { system: 'demo' };

/** The doors of the ledger through which the simulated people come: those that the API has. */
export interface Doors {
  readonly leads: LeadCommands;
  readonly accounts: Pick<AccountCommands, 'account' | 'campaign'>;
  readonly config: Pick<ConfigCommands, 'document' | 'setting'>;
  /** Absent: nobody holds reviews. */
  readonly review?: (
    reviewId: string,
    command: ReviewCommand,
    by: Actor,
    commandId: string,
  ) => Promise<{ readonly events: Done['events'] }>;
}

/** Gives the commands of all lives, one after the other. Ids follow from `seed`, the life's name and the step. */
export class Staff {
  readonly agenda = new Agenda();
  /** By command and code; `ok` for those carried out. */
  readonly outcomes = new Map<string, number>();
  commands = 0;

  constructor(
    /** Another ledger's once this one has stopped. */
    public doors: Doors,
    private readonly seed: string,
  ) {}

  /** A life of this name has its first step; names are distinct. */
  begin(name: string, life: Life): void {
    const first = life.next();
    if (first.done !== true) this.agenda.add({ name, life, step: first.value, count: 0 });
  }

  /** Carries the step out and enters the next one of that life. */
  async carryOut({ count, life, name, step }: Entry): Promise<Done> {
    const commandId = derivedId(`${name} ${count}`, this.seed);
    const done = step.act === null ? NOTHING : await this.#give(step.act, commandId, name);
    const next = life.next(done);
    if (next.done !== true) this.agenda.add({ name, life, step: next.value, count: count + 1 });
    return done;
  }

  /** As it was after the lead's last command here; undefined: not held in memory. */
  leadState(leadId: string): LeadState | undefined {
    return this.doors.leads.streams.runtime.cache.get(leadStream(leadId))?.state;
  }

  async #give(act: Act, commandId: string, parent: string): Promise<Done> {
    if (act.of === 'birth') {
      this.begin(`${parent}/${act.name}`, act.life);
      return NOTHING;
    }
    this.commands += 1;
    try {
      const done = await this.#send(act, commandId);
      this.#count(`${nameOf(act)} ok`);
      return done;
    } catch (error) {
      const code = refusalOf(error);
      if (code === null) throw error;
      this.#count(`${nameOf(act)} ${code}`);
      const leadId = act.of === 'lead' ? (act.leadId ?? '') : '';
      return { leadId, state: this.leadState(leadId)?.state ?? null, events: [], refused: code };
    }
  }

  async #send(act: Exclude<Act, { of: 'birth' }>, commandId: string): Promise<Done> {
    const { accounts, config, leads } = this.doors;
    const actor = act.by;
    switch (act.of) {
      case 'lead': {
        const { body, leadId, name } = act;
        const input = { name, body, commandId, actor, source: SOURCE, ...(leadId === undefined ? {} : { leadId }) };
        const answer = await leads.execute(input);
        return { leadId: answer.leadId, state: answer.state, events: answer.events, refused: null };
      }
      case 'account': {
        const { accountId, body, name } = act;
        const id = name === 'RegisterAccount' ? {} : { id: accountId };
        const { events } = await accounts.account({ name, body, commandId, actor, ...id });
        return { ...NOTHING, events };
      }
      case 'campaign': {
        const { body, campaignId, name } = act;
        const id = name === 'PlanCampaign' ? {} : { id: campaignId };
        const { events } = await accounts.campaign({ name, body, commandId, actor, ...id });
        return { ...NOTHING, events };
      }
      case 'document': {
        const { events } = await config.document(act.kind, act.id, act.command, { commandId, actor });
        return { ...NOTHING, events };
      }
      case 'review': {
        const { events } = (await this.doors.review?.(act.reviewId, act.command, actor, commandId)) ?? NOTHING;
        return { ...NOTHING, events };
      }
      case 'setting': {
        const { events } = await config.setting(act.stream, act.id, act.command, { commandId, actor });
        return { ...NOTHING, events };
      }
    }
  }

  #count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}

const NOTHING: Done = { leadId: '', state: null, events: [], refused: null };

function nameOf(act: Exclude<Act, { of: 'birth' }>): string {
  if (act.of === 'document' || act.of === 'setting') return act.command.act;
  return act.of === 'review' ? act.command.name : act.name;
}

/** Null: no refusal but a failure. */
function refusalOf(error: unknown): string | null {
  if (error instanceof LeadError || error instanceof PolicyError || error instanceof Problem) return error.code;
  return error instanceof CommandError ? error.code : null;
}
