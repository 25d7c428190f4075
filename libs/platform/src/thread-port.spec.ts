import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EventLogError } from '#libs/event-log/src/event-log.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { Problem } from './problem.js';
import { problemOf } from './problem-filter.js';
import { ThreadPort } from './thread-port.js';

const told: unknown[] = [];
const serves = {
  sum: (a: number, b: number) => a + b,
  async later(ms: number) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return ms;
  },
  refuse(how: string): never {
    if (how === 'problem') throw new Problem('PROJECTION_BEHIND', 'not there yet', { position: '0007' });
    if (how === 'log') throw new EventLogError('WRONG_EXPECTED_REVISION', 'moved', 3);
    if (how === 'lead') throw new LeadError('NOT_READY', 'no model', { missing: ['scoringmodel'] });
    // oxlint-disable-next-line no-throw-literal -- other people's code does
    if (how === 'text') throw 'just a text';
    throw new RangeError('a defect');
  },
  uncloneable: () => () => 1,
  never: () => new Promise<never>(() => undefined),
  note: (what: string) => void told.push(what),
};

describe('calls between threads', () => {
  const { port1, port2 } = new MessageChannel();
  const here = new ThreadPort<typeof serves>(port1, {}, [Problem, EventLogError, LeadError]);
  ThreadPort.serve(port2, serves);
  afterEach(() => void told.splice(0));

  it('come back with what the other side answers, in the order in which that is done', async () => {
    const done: number[] = [];
    await Promise.all([20, 0, 10].map(async (ms) => done.push(await here.call('later', ms))));
    expect(done).toEqual([0, 10, 20]);
    expect(await here.call('sum', 2, 3)).toBe(5);
  });

  it('bring back an error as what it was', async () => {
    const problem = await here.call('refuse', 'problem').catch((error: unknown) => error);
    expect(problem).toBeInstanceOf(Problem);
    expect(problemOf(problem)).toEqual(new Problem('PROJECTION_BEHIND', 'not there yet', { position: '0007' }).body());
    const moved = await here.call('refuse', 'log').catch((error: unknown) => error);
    expect(moved).toBeInstanceOf(EventLogError);
    expect(moved).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', actualRevision: 3, message: 'moved' });
    const lead = await here.call('refuse', 'lead').catch((error: unknown) => error);
    expect(problemOf(lead)).toMatchObject({ code: 'NOT_READY', status: 422, missing: ['scoringmodel'] });
  });

  it('bring back what nobody foresaw with the place where it happened', async () => {
    const defect = (await here.call('refuse', 'defect').catch((error: unknown) => error)) as Error;
    expect(defect).toMatchObject({ name: 'RangeError', message: 'a defect' });
    expect(defect.stack).toContain('thread-port.spec');
    expect(problemOf(defect)).toBeNull();
    await expect(here.call('refuse', 'text')).rejects.toThrow('just a text');
    await expect(here.call('uncloneable')).rejects.toThrow(/could not be cloned/);
    await expect(here.call('nothing' as 'sum', 1, 2)).rejects.toThrow('nothing is called nothing here');
  });

  it('arrive in the order in which they were sent, answered or not', async () => {
    here.tell('note', 'first');
    here.tell('note', 'second');
    await here.call('note', 'third');
    expect(told).toEqual(['first', 'second', 'third']);
  });

  it('fail once the other side is gone, those under way too', async () => {
    const waiting = here.call('never');
    here.fail(new EventLogError('STORE_UNAVAILABLE', 'gone'));
    await expect(waiting).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(here.call('sum', 1, 1)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    port1.close();
  });
});
