import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { TestClock } from '#libs/platform/src/clock.js';
import { Policies } from '../policies.js';
import { ConfigCommands } from './config-commands.js';

const OLGA: Actor = { type: 'user', id: 'olga', role: 'ops', teams: [] };
const open = (from: string) => ({ timeZone: 'UTC', weekly: [{ weekday: 1, from, to: '17:00' }] });

describe('configuring from several processes', () => {
  const clock = new TestClock(Date.parse('2026-03-02T09:00:00.000Z'));
  let dir: string;
  let log: EmbeddedLog;

  /** An API of its own on the shared log. */
  const newProcess = async () => {
    const policies = new Policies({ log, clock });
    await policies.load();
    const openDeals = async () => [];
    const commands = new ConfigCommands({ log, clock, policies, openDeals, moveDeals: async () => undefined });
    return { policies, commands };
  };
  const origin = (ifMatch?: number, commandId: string = randomUUID()) => ({ commandId, actor: OLGA, ifMatch });

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'config-commands-'));
    log = await EmbeddedLog.open({ dir, clock });
  });
  afterEach(async () => {
    await log.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('lets one of two who saw the same version draft the next', async () => {
    const both = [await newProcess(), await newProcess()];
    const outcomes = await Promise.allSettled(
      both.map(({ commands }, n) =>
        commands.document('calendars', 'office', { act: 'draft', document: open(`0${n}:00`) }, origin(1)),
      ),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused.map(({ reason }) => reason.code)).toEqual(['CONFLICT']);
    expect((await log.readStream('calendar-office')).filter(({ type }) => type === 'CalendarDefined')).toHaveLength(2);
  });

  it('knows what another process configured a moment ago, and a command that it carried out', async () => {
    const [one, other] = [await newProcess(), await newProcess()];
    const drafting = origin();
    const draft = { act: 'draft' as const, document: open('08:00') };
    await one.commands.document('calendars', 'early', draft, drafting);
    const team = { name: 'Early', function: 'sales', agreementId: 'standard', calendarId: 'early', timeZone: 'UTC' };
    const defined = other.commands.setting('team-early', 'early', { act: 'define-team', document: team }, origin());
    expect(await defined).toMatchObject({ id: 'early', version: 1 });
    expect(other.policies.book.team('early')?.calendarId).toBe('early');
    expect(await other.commands.document('calendars', 'early', draft, drafting)).toMatchObject({
      version: 1,
      replayed: true,
    });
  });
});
