import { randomUUID } from 'node:crypto';
import type { Actor } from '#libs/lead/src/commands.js';

export const SWEEPER: Actor = { type: 'system', id: 'system:sweeper', role: 'system', teams: [] };

/** The command a sweeper sends; a fresh id each time, since each asks anew what is due now. */
export const settleCommand = (leadId: string) =>
  ({
    name: 'SettleClocks',
    leadId,
    body: {},
    commandId: randomUUID(),
    actor: SWEEPER,
    source: { system: 'worker' },
  }) as const;
