import { describe, expect, it } from '@jest/globals';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { byStream, scoringInForceOf } from '../../../test/support/company-history.js';
import { RandomCompany } from '../../../test/support/random-company.js';
import { scoringInForce } from './scoring-in-force.js';

describe('the models that were in force', () => {
  it('give every score and every mark that the log has, and none that it has not', async () => {
    const sum = { leads: 0, evaluations: 0, scores: 0, consequences: 0 };
    for (let seed = 1; seed <= 20; seed++) {
      const { differences, ...found } = await scoringInForceOf(new RandomCompany(seed).log);
      expect([seed, differences]).toEqual([seed, []]);
      for (const name of ['leads', 'evaluations', 'scores', 'consequences'] as const) sum[name] += found[name];
    }
    expect(sum.leads).toBe(60);
    expect(sum.evaluations).toBeGreaterThan(800);
    expect(sum.scores).toBeGreaterThan(200);
    expect(sum.consequences).toBeGreaterThan(25);
  }, 120_000);

  describe('are found out when the log says otherwise', () => {
    const log = (): RecordedEvent[] => structuredClone(new RandomCompany(3).log);
    /** Of the first company that has such an event. */
    const logWith = (isOne: (event: RecordedEvent) => boolean): RecordedEvent[] => {
      for (let seed = 1; ; seed++) {
        const { log: events } = new RandomCompany(seed);
        if (events.some(isOne)) return structuredClone(events);
      }
    };
    const differencesOf = async (events: readonly RecordedEvent[]) =>
      (await scoringInForceOf(events)).differences.map(({ what }) => what);

    it('one milli-point off', async () => {
      const events = log();
      const scored = events.find(({ type }) => type === 'LeadScored')!;
      (scored.data as { total: number }).total += 1;
      expect(await differencesOf(events)).toEqual(['score']);
    });

    it('under another model', async () => {
      const events = log();
      const scored = events.find(({ type }) => type === 'LeadScored')!;
      (scored.data as { modelVersion: number }).modelVersion += 1;
      expect(await differencesOf(events)).toEqual(['score']);
    });

    it('a mark that was made up', async () => {
      const isManual = ({ metadata, type }: RecordedEvent) =>
        type === 'MarkedMQL' && idOf(metadata.actor) !== 'system:scoring';
      const events = logWith(isManual);
      const marked = events.find(isManual)!;
      (marked.metadata as { actor: object }).actor = { type: 'system', id: 'system:scoring', role: 'system' };
      expect(await differencesOf(events)).toContain('consequence');
    });

    it('a mark that went missing', async () => {
      const isOwn = ({ metadata, type }: RecordedEvent) =>
        type.startsWith('Marked') && idOf(metadata.actor) === 'system:scoring';
      const events = logWith(isOwn);
      const marked = events.find(isOwn)!;
      (marked.metadata as { actor: object }).actor = { type: 'user', id: 'somebody', role: 'marketing' };
      expect(await differencesOf(events)).toContain('consequence');
    });

    it('a behaviour that the history has not', async () => {
      const events = log();
      const lost = events.findIndex(({ type }) => type === 'BehaviourRecorded');
      const { history } = await scoringInForceOf(events.filter((_, n) => n !== lost));
      const { configuration, leads } = byStream(events);
      const { differenceCount } = await scoringInForce({ history, configuration, streams: leads.values() });
      expect(differenceCount).toBeGreaterThan(0);
    });

    it('a lead that the history has not', async () => {
      const events = log();
      const [first] = byStream(events).leads.keys();
      const { history } = await scoringInForceOf(events.filter(({ stream }) => stream !== first));
      const { configuration, leads } = byStream(events);
      const { differences } = await scoringInForce({ history, configuration, streams: leads.values() });
      expect(differences.map(({ what }) => what)).toEqual(['lead']);
    });
  });
});

const idOf = (actor: unknown): string => (actor as { readonly id: string }).id;
