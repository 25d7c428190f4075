import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { EventLog, JsonObject } from '#libs/event-log/src/event-log.js';
import { type WhatIfCompleted, whatIfEventSchemas, type WhatIfKind, type WhatIfRequested } from './what-if-events.js';

export type WhatIfStatus = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';

/** One what-if run as its `whatif-<id>` stream tells it. */
export interface WhatIfRun {
  readonly id: string;
  readonly kind: WhatIfKind;
  readonly requested: WhatIfRequested;
  readonly commandHash: string;
  readonly completed: WhatIfCompleted | null;
  readonly forgotten: boolean;
  readonly revision: number;
}

export const WHAT_IF_PREFIX = 'whatif-';
export const whatIfStream = (id: string): string => `${WHAT_IF_PREFIX}${id}`;

/** As the log has it; null: there is no run of that id. Errors: EventLogError. */
export async function loadWhatIf(log: EventLog, id: string): Promise<WhatIfRun | null> {
  let run = null as WhatIfRun | null;
  for (const { data, metadata, revision, type } of await log.readStream(whatIfStream(id))) {
    if (type === 'WhatIfRequested') {
      const requested = whatIfEventSchemas.WhatIfRequested.parse(data);
      const commandHash = String(metadata.commandHash);
      run ??= { id, kind: requested.kind, requested, commandHash, completed: null, forgotten: false, revision };
    } else if (run !== null && type === 'WhatIfCompleted') {
      run = { ...run, completed: run.completed ?? whatIfEventSchemas.WhatIfCompleted.parse(data), revision };
    } else if (run !== null && type === 'WhatIfForgotten') run = { ...run, forgotten: true, revision };
  }
  return run;
}

const packed = promisify(gzip);
const unpacked = promisify(gunzip);

export async function packResult(result: JsonObject): Promise<NonNullable<WhatIfCompleted['result']>> {
  const json = JSON.stringify(result);
  const sha256 = createHash('sha256').update(json).digest('hex');
  return { sha256, gzip: (await packed(json)).toString('base64') };
}

export async function resultOf({ completed }: WhatIfRun): Promise<JsonObject | null> {
  if (completed?.result === undefined) return null;
  const json = await unpacked(Buffer.from(completed.result.gzip, 'base64'));
  return JSON.parse(json.toString()) as JsonObject;
}
