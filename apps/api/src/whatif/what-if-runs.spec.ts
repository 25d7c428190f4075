import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { SystemClock } from '#libs/platform/src/clock.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { invalid } from '#libs/platform/src/problem.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { actor } from '../../../../test/support/command-path.js';
import { type WhatIfStart, WhatIfRuns, type WhatIfWork } from './what-if-runs.js';

const ana = actor('analyst', 'ana');
const answered: WhatIfWork = () => Promise.resolve({ summary: { n: 1 }, result: { figures: [1, 2, 3] }, datasetPosition: null }); // prettier-ignore
/** Goes on until it is told to stop. */
const endless: WhatIfWork = ({ progress, signal }) =>
  new Promise((_, reject) => {
    progress(0.4);
    signal.addEventListener('abort', () => reject(new Error('stopped')));
  });

let dir: string;
let log: EmbeddedLog;
let runs: WhatIfRuns;
const process = () =>
  new WhatIfRuns(log, new SystemClock(), parseSettings({ DATA_DIR: dir }), makeLogger('silent', 'runs'));
const asked = (changed: Partial<WhatIfStart> = {}): WhatIfStart => ({ id: randomUUID(), kind: 'replay', name: 'a try', request: { models: ['active'] }, actor: ana, ...changed }); // prettier-ignore
const settled = (id: string) => runs.settled('replay', id, 10_000);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'what-if-'));
  log = await EmbeddedLog.open({ dir: join(dir, 'log'), clock: new SystemClock() });
  runs = process();
});
afterEach(async () => {
  await runs.beforeApplicationShutdown();
  await log.close();
  await rm(dir, { recursive: true, force: true });
});

describe('a what-if run', () => {
  test('is begun, carried out, told with all of its result, and listed without', async () => {
    const { id } = await runs.start(asked(), answered);
    const told = await settled(id);
    expect(told).toMatchObject({ id, name: 'a try', status: 'done', progress: 1, requestedBy: 'ana', request: { models: ['active'] }, summary: { n: 1 }, result: { figures: [1, 2, 3] } }); // prettier-ignore
    expect(told.resultSha256).toMatch(/^[0-9a-f]{64}$/);
    const [listed] = await runs.list('replay');
    expect([listed?.id, Object.hasOwn(listed!, 'result')]).toEqual([id, false]);
    expect(await runs.list('tuning')).toEqual([]);
    expect((await log.readStream(`whatif-${id}`)).map(({ type }) => type)).toEqual([
      'WhatIfRequested',
      'WhatIfCompleted',
    ]);
  });

  test('is the same run when it is asked for again, and no other may take its id', async () => {
    const start = asked();
    await runs.start(start, answered);
    await settled(start.id);
    expect((await runs.start(start, endless)).status).toBe('done');
    await expect(runs.start({ ...start, request: { models: [] } }, answered)).rejects.toMatchObject({
      code: 'COMMAND_ID_REUSED',
    });
  });

  test('is cancelled while it runs or waits, by whoever asked for it', async () => {
    const [first, second] = [await runs.start(asked(), endless), await runs.start(asked(), endless)];
    await new Promise((resolve) => setImmediate(resolve));
    expect(await runs.settled('replay', first.id, 20)).toMatchObject({ status: 'running', progress: 0.4 });
    expect(second.status).toBe('queued');
    await expect(runs.remove('replay', first.id, actor('analyst', 'bea'))).rejects.toMatchObject({
      code: 'FORBIDDEN_ROLE',
    });
    // The one that waits does not wait for the other to be told off.
    expect((await runs.remove('replay', second.id, actor('ops'))).status).toBe('cancelled');
    expect((await runs.remove('replay', first.id, ana)).status).toBe('cancelled');
    const third = await runs.start(asked(), answered);
    expect((await settled(third.id)).status).toBe('done');
    expect((await settled(second.id)).status).toBe('cancelled');
  });

  test('is forgotten when it is over: told nowhere, but in the log', async () => {
    const { id } = await runs.start(asked(), answered);
    await settled(id);
    await runs.remove('replay', id, ana);
    await expect(settled(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await runs.list('replay')).toEqual([]);
    expect(await log.readStream(`whatif-${id}`)).toHaveLength(3);
  });

  test('that fails says why, and lets the next one run', async () => {
    const { id } = await runs.start(asked(), () => Promise.reject(invalid('position', 'not there yet')));
    expect(await settled(id)).toMatchObject({ status: 'failed', error: { code: 'VALIDATION_FAILED' }, result: null });
    const broken = await runs.start(asked(), () => Promise.reject(new TypeError('a defect')));
    expect((await settled(broken.id)).error).toEqual({ code: 'INTERNAL_ERROR', detail: expect.not.stringContaining('defect') }); // prettier-ignore
    const next = await runs.start(asked(), answered);
    expect((await settled(next.id)).status).toBe('done');
  });

  test('is interrupted when the process ends; what was done before is still there after a restart', async () => {
    const done = await runs.start(asked(), answered);
    await settled(done.id);
    const { id } = await runs.start(asked(), endless);
    await runs.beforeApplicationShutdown();
    runs = process();
    expect(await settled(id)).toMatchObject({ status: 'interrupted', result: null });
    expect(await settled(done.id)).toMatchObject({ status: 'done', result: { figures: [1, 2, 3] } });
    expect((await runs.list('replay')).map(({ status }) => status)).toEqual(['interrupted', 'done']);
  });

  test('that was interrupted is carried out when the same request is sent again', async () => {
    const start = asked();
    await runs.start(start, endless);
    await runs.beforeApplicationShutdown();
    runs = process();
    expect((await runs.start(start, answered)).status).toBe('queued');
    expect(await settled(start.id)).toMatchObject({ status: 'done', result: { figures: [1, 2, 3] } });
    expect(await log.readStream(`whatif-${start.id}`)).toHaveLength(2);
  });

  test('waits no more when there are too many of them', async () => {
    for (let n = 0; n < 20; n++) await runs.start(asked(), endless);
    await expect(runs.start(asked(), endless)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  });

  test('waits no more when too many are sent at once', async () => {
    const sent = await Promise.allSettled(Array.from({ length: 30 }, () => runs.start(asked(), endless)));
    expect(sent.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  });
});
