import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { AccountCommands } from '#apps/api/src/accounts/account-commands.js';
import { Accounts } from '#apps/api/src/accounts/accounts.js';
import { LeadCommands, type LeadCommandAnswer, type LeadCommandInput } from '#apps/api/src/commands/lead-commands.js';
import { leadStream } from '#apps/api/src/commands/lead-streams.js';
import { Alerts } from '#apps/api/src/alerts/alerts.js';
import { ConfigCommands } from '#apps/api/src/config/config-commands.js';
import { Policies } from '#apps/api/src/policies.js';
import { RepProcess } from '#apps/worker/src/rep-process.js';
import { Rescoring } from '#apps/worker/src/rescoring.js';
import { SWEEPER } from '#apps/worker/src/settle-command.js';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { Turns } from '#libs/event-log/src/handle-command.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { mayGoStale } from '#libs/lead/src/silence.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import { TestClock } from '#libs/platform/src/clock.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { IdentityClaims } from '#libs/privacy/src/identity-claims.js';
import { KeyVault } from '#libs/privacy/src/key-vault.js';
import type { MasterKey } from '#libs/privacy/src/master-key.js';
import type { Act, Done } from './act.js';
import { LEADS_PER_DAY } from './company.js';
import { companyLife } from './company-life.js';
import { DueLeads } from './due-leads.js';
import { Random } from './random.js';
import { type Doors, Staff } from './staff.js';
import { ToldAccounts } from './told-accounts.js';
import { DAY_MS, World } from './world.js';
import { WriteBehindLog } from './write-behind-log.js';

export interface HistoryOptions {
  /** Of the ledger; its log must not exist yet. */
  readonly dataDir: string;
  readonly seed: string;
  readonly master: MasterKey;
  /** The present. */
  readonly untilMs: number;
  readonly days: number;
  /** New leads a day in a common week; default: LEADS_PER_DAY. */
  readonly leadsPerDay?: number;
  readonly onProgress?: (doneDays: number, days: number) => void;
}

export interface History {
  /** Goes on with everything that is under way; its doors are those of a log that is closed by now. */
  readonly staff: Staff;
  readonly world: World;
  readonly commands: number;
  /** By command and outcome: `AcceptLead ok` → how often. */
  readonly outcomes: ReadonlyMap<string, number>;
}

/** Namespace of the ids of everything that a seed makes. */
export const seedId = (seed: string): string =>
  createHash('sha256').update(`lead-ledger demo ${seed}`).digest('hex').slice(0, 32);

/** Every command of a lead, and the ones that are sent in its wake: what falls due then is noted. */
class NotedLeads extends LeadCommands {
  onDone: (leadId: string) => void = () => undefined;

  override async execute(input: LeadCommandInput): Promise<LeadCommandAnswer> {
    try {
      const answer = await super.execute(input);
      this.onDone(answer.leadId);
      return answer;
    } catch (error) {
      // What was due is settled by a refused command too (spec §4.5).
      if (error instanceof LeadError && input.leadId !== undefined) this.onDone(input.leadId);
      throw error;
    }
  }
}

/**
 * Lives through the company's history on a hand-driven clock: everybody gives commands, and on the way everything is settled when it
 * falls due, as a running worker would. The same seed and `untilMs` always make the same log: streams, event ids, payloads, positions;
 * only what privacy draws anew each time differs (data keys, what they seal, the ids of identity claims).
 */
export async function simulateHistory(options: HistoryOptions): Promise<History> {
  const { dataDir, days, master, onProgress, seed, untilMs } = options;
  const fromMs = untilMs - days * DAY_MS;
  const clock = new TestClock(fromMs);
  const log = await WriteBehindLog.on(await EmbeddedLog.open({ dir: join(dataDir, 'log'), clock }));
  try {
    const policies = new Policies({ log, clock, testClock: true });
    await policies.load();
    const accounts = new Accounts({ log, clock, testClock: true });
    const leads = new NotedLeads({
      log,
      clock,
      claims: new IdentityClaims(log, master),
      vault: new KeyVault(log, master),
      policies: policies.book,
      models: policies.models,
      campaigns: policies.campaigns,
      accounts,
      testClock: true,
    });
    const accountCommands = new AccountCommands(accounts, policies, log, clock, { testClock: true } as Settings);
    // No version of the demo's pipeline takes a stage away, so no deal ever moves by it.
    const noDeals = () => Promise.resolve([]);
    const config = new ConfigCommands({
      log,
      clock,
      policies,
      openDeals: noDeals,
      moveDeals: noDeals,
      testClock: true,
    });

    const random = new Random(seed);
    const world = new World(random, fromMs);
    const due = new DueLeads(policies.book);
    /** Open leads by owner, as the read models of a running ledger have them. */
    const owners = new Map<string, string>();
    leads.onDone = (leadId) => {
      const lead = leads.streams.runtime.cache.get(leadStream(leadId))?.state;
      if (lead === undefined) return;
      due.note(lead, clock.nowMs());
      const { onHold, silence, state, teamId } = lead;
      if (state !== null) world.states.set(leadId, state);
      if (silence?.wentStale === true && onHold === null && teamId !== null && state !== null && mayGoStale(state))
        world.stale.set(leadId, { teamId, state });
      else world.stale.delete(leadId);
      if (lead.ownerId !== null && lead.state !== null && !CLOSED.has(lead.state)) owners.set(leadId, lead.ownerId);
      else owners.delete(leadId);
    };
    const alerts = new Alerts(log, clock, makeLogger('error', 'demo'), { testClock: true });
    const review: Doors['review'] = async (reviewId, command, by, commandId) => {
      const about = command.name === 'CompleteReview' ? (alerts.reviews.get(reviewId).teamId ?? '') : '';
      const staleLeads = world.staleOf(about).map(({ leadId }) => leadId);
      const knowsTeam = (teamId: string) => policies.book.team(teamId) !== null;
      return alerts.review(reviewId, command, by, commandId, { knowsTeam, staleLeads });
    };
    const staff = new Staff({ leads, accounts: accountCommands, config, review }, seedId(seed));
    staff.begin('company', companyLife(random.fork('company'), world, options.leadsPerDay ?? LEADS_PER_DAY));

    // Whatever works through many leads at once works through them one after the other here: the order stays the same.
    const turns = new Turns();
    const execute = (command: LeadCommandInput) => turns.take('one', () => leads.execute(command));
    const told = new ToldAccounts({
      log,
      clock,
      testClock: true,
      leadsOf: (accountId) => Promise.resolve(world.leadsOfAccount.get(accountId) ?? []),
      accountsWithLeads: () => Promise.resolve([...world.leadsOfAccount.keys()]),
      assessAccount: (id, commandId) =>
        accountCommands.account({
          name: 'AssessAccountIcp',
          id,
          body: {},
          commandId,
          actor: { type: 'system', id: 'system:icp', role: 'system', teams: [] },
        }),
      execute: (command) => execute({ ...command, source: { system: 'worker' } }),
    });
    const rescoring = new Rescoring({
      log,
      models: policies.models,
      nowMs: () => clock.nowMs(),
      testClock: true,
      execute,
    });

    const reps = new RepProcess({
      log,
      nowMs: () => clock.nowMs(),
      testClock: true,
      policies: () => Promise.resolve(policies.book),
      leadsOf: (ownerId) =>
        Promise.resolve([...owners].flatMap(([leadId, owner]) => (owner === ownerId ? leadId : [])).sort()),
      execute,
    });

    /** What the ledger's own processes do about a command. */
    const follow = async (act: Act | null, { events, refused }: Done): Promise<void> => {
      if (act === null || refused !== null) return;
      if (act.of === 'document' && act.kind === 'scoring-models' && act.command.act === 'activate')
        await rescoring.round();
      if (act.of === 'setting' && act.command.act === 'leave') await reps.round();
      if (act.of !== 'account' || !world.leadsOfAccount.has(act.accountId)) return;
      const written = await log.readStream(`account-${act.accountId}`, {
        direction: 'backwards',
        limit: events.length + 1,
      });
      for (const event of written.toReversed())
        if (FOLLOWED.has(event.type) && events.some(({ eventId }) => eventId === event.id)) await told.tell(event);
    };

    let settled = 0;
    for (
      let entry = staff.agenda.first;
      entry !== undefined && entry.step.atMs <= untilMs;
      entry = staff.agenda.first
    ) {
      const overdue = due.take(entry.step.atMs);
      if (overdue !== null) {
        clock.set(Math.max(clock.nowMs(), overdue.atMs));
        const commandId = derivedId(`settle ${settled++}`, seedId(seed));
        const { leadId } = overdue;
        await leads.execute({
          name: 'SettleClocks',
          leadId,
          body: {},
          commandId,
          actor: SWEEPER,
          source: { system: 'worker' },
        });
        continue;
      }
      staff.agenda.take();
      clock.set(Math.max(clock.nowMs(), entry.step.atMs));
      await follow(entry.step.act, await staff.carryOut(entry));
      onProgress?.(Math.floor((clock.nowMs() - fromMs) / DAY_MS), days);
    }
    await told.close();
    onProgress?.(days, days);
    return { staff, world, commands: staff.commands + settled, outcomes: staff.outcomes };
  } finally {
    await log.close();
  }
}

/** Nobody works on these any more. */
const CLOSED: ReadonlySet<LeadStateName> = new Set<LeadStateName>(['LOST', 'DISQUALIFIED', 'JUNK', 'MERGED']);

/** Of which the account process tells leads. */
const FOLLOWED: ReadonlySet<string> = new Set(['AccountIcpAssessed', 'DecisionMakerLeft', 'AccountMerged']);
