import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Accounts } from '#apps/api/src/accounts/accounts.js';
import { LeadCommands, type LeadCommandAnswer } from '#apps/api/src/commands/lead-commands.js';
import { LeadReader } from '#apps/api/src/commands/lead-reader.js';
import { Policies } from '#apps/api/src/policies.js';
import { RepLoads } from '#apps/api/src/routing/rep-loads.js';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import type { Actor, CommandName, Role } from '#libs/lead/src/commands.js';
import { TestClock } from '#libs/platform/src/clock.js';
import { IdentityClaims } from '#libs/privacy/src/identity-claims.js';
import { KeyVault } from '#libs/privacy/src/key-vault.js';
import { masterKeyOf } from '#libs/privacy/src/master-key.js';

export const MASTER = masterKeyOf(Buffer.alloc(32, 7));

export const actor = (role: Role, id: string = role, teams: string[] = ['sales', 'marketing']): Actor => ({
  type: 'user',
  id,
  role,
  teams,
});

export const captureBody = (email: string, more: object = {}) => ({
  person: { givenName: 'Ada', familyName: 'Lovelace', email },
  captureMethod: 'form',
  interest: { kind: 'passive' },
  source: { channel: 'search' },
  consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
  ...more,
});

/** One process's command side on some log, with the shortest way to send it a command. */
export class CommandSide {
  readonly commands: LeadCommands;
  readonly claims: IdentityClaims;
  readonly vault: KeyVault;
  readonly accounts: Accounts;
  readonly reader: LeadReader;

  constructor(
    readonly log: EventLog,
    readonly clock: TestClock,
    readonly policies: Policies,
  ) {
    this.claims = new IdentityClaims(log, MASTER);
    this.vault = new KeyVault(log, MASTER);
    this.accounts = new Accounts({ log, clock, testClock: true });
    const { claims, vault } = this;
    this.commands = new LeadCommands({
      log,
      clock,
      claims,
      vault,
      policies: policies.book,
      models: policies.models,
      accounts: this.accounts,
      campaigns: policies.campaigns,
      repLoads: new RepLoads({ log, nowMs: () => clock.nowMs() }),
      testClock: true,
    });
    this.reader = new LeadReader(log, this.commands.streams);
  }

  send(
    name: CommandName,
    leadId: string | undefined,
    body: object = {},
    more: { by?: Actor; commandId?: string; ifMatch?: number } = {},
  ): Promise<LeadCommandAnswer> {
    const { by = actor('admin'), commandId = randomUUID(), ifMatch } = more;
    return this.commands.execute({
      name,
      body,
      commandId,
      actor: by,
      source: { system: 'test' },
      ...(leadId === undefined ? {} : { leadId }),
      ...(ifMatch === undefined ? {} : { ifMatch }),
    });
  }

  capture(email: string, more: object = {}, options: { by?: Actor; commandId?: string } = {}) {
    return this.send('CaptureLead', undefined, captureBody(email, more), options);
  }
}

/** An embedded log in a directory of its own with the default configuration, and any number of processes on it. */
export class CommandWorld {
  private constructor(
    readonly dir: string,
    readonly log: EmbeddedLog,
    readonly clock: TestClock,
    readonly policies: Policies,
  ) {}

  static async open(now = '2026-03-02T09:00:00.000Z'): Promise<CommandWorld> {
    const dir = mkdtempSync(join(tmpdir(), 'command-world-'));
    const clock = new TestClock(Date.parse(now));
    const log = await EmbeddedLog.open({ dir, clock });
    const policies = new Policies({ log, clock, testClock: true });
    await policies.load();
    return new CommandWorld(dir, log, clock, policies);
  }

  process(log: EventLog = this.log): CommandSide {
    return new CommandSide(log, this.clock, this.policies);
  }

  async close(): Promise<void> {
    await this.log.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
