import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LeadCommands } from '#apps/api/src/commands/lead-commands.js';
import { LeadHistoryWriter } from '#apps/api/src/imports/lead-history-writer.js';
import { Policies } from '#apps/api/src/policies.js';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { EventLog, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { Imports } from '#libs/import/src/imports.js';
import { TestClock } from '#libs/platform/src/clock.js';
import { IdentityClaims } from '#libs/privacy/src/identity-claims.js';
import { KeyVault } from '#libs/privacy/src/key-vault.js';
import { masterKeyOf } from '#libs/privacy/src/master-key.js';

export const IMPORT_NOW = '2026-11-22T12:00:00.000Z';
export const IMPORTER = { type: 'user', id: 'ops-1', role: 'ops' } as const;

/** An embedded log in a directory of its own with everything an import needs on top of it, without HTTP. */
export interface ImportBed {
  readonly log: EmbeddedLog;
  readonly clock: TestClock;
  readonly commands: LeadCommands;
  readonly writer: LeadHistoryWriter;
  readonly imports: Imports;
  /** Uploads the contents as files and waits until the import is through. */
  run(mapping: unknown, contents: Record<string, string>): ReturnType<Imports['card']>;
  /** Everything in the log. */
  events(): Promise<RecordedEvent[]>;
  /** A second set of everything on the same log, as after a restart. */
  restarted(log?: EventLog): Pick<ImportBed, 'imports' | 'run'>;
  close(): Promise<void>;
}

export async function importBed(): Promise<ImportBed> {
  const directory = await mkdtemp(join(tmpdir(), 'import-bed-'));
  const clock = new TestClock(Date.parse(IMPORT_NOW));
  const log = await EmbeddedLog.open({ dir: join(directory, 'log'), clock });
  const policies = new Policies({ log, clock });
  await policies.load();
  const master = masterKeyOf(Buffer.alloc(32, 7));

  const over = (log: EventLog) => {
    const vault = new KeyVault(log, master);
    const claims = new IdentityClaims(log, master);
    const commands = new LeadCommands({ log, clock, vault, claims, policies: policies.book, models: policies.models });
    const { streams } = commands;
    const writer = new LeadHistoryWriter({
      log,
      clock,
      streams,
      claims,
      vault,
      policies: policies.book,
      models: policies.models,
    });
    const failures: unknown[] = [];
    const imports = new Imports({
      log,
      writer,
      nowMs: () => clock.nowMs(),
      directory: join(directory, 'imports'),
      onFailure: (_, error) => failures.push(error),
    });
    const run: ImportBed['run'] = async (mapping, contents) => {
      const files = Object.entries(contents).map(([name, content]) => ({ name, content }));
      const { id } = await imports.takeAll(mapping, files, IMPORTER);
      const card = await imports.settled(id, 60_000);
      if (failures.length > 0) throw failures[0];
      return card;
    };
    return { commands, writer, imports, run };
  };
  const first = over(log);
  return {
    log,
    clock,
    ...first,
    async events() {
      const events: RecordedEvent[] = [];
      for (let after: string | null | undefined; after !== null;) {
        const page = await log.readAll({ ...(after !== undefined && { after }), limit: 5000 });
        events.push(...page.events);
        after = page.next;
      }
      return events;
    },
    restarted: (other = log) => over(other),
    async close() {
      await first.imports.close();
      await log.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
