import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { nextDueMs } from '#libs/lead/src/sla-clocks.js';
import { CHECKS, PlayedPast } from '../../../test/oracle/reports/checks.js';
import { dealSteps, playDeals } from '../../../test/oracle/reports/deal-histories.js';
import { BEGIN, DAY, HOUR, iso, playAll, policies, steps } from '../../../test/oracle/reports/lead-histories.js';
import { mergeLeavesNoTrace, pairs } from '../../../test/oracle/reports/merges.js';
import { question, type Question } from '../../../test/oracle/reports/question.js';
import type { Any } from '../../../test/oracle/reports/told-leads.js';
import { hasRedis, startRedis } from '../../../test/support/redis-server.js';
import { foldBatch, Past, viewOf } from './given-when-then.js';
import { funnelProjection } from './funnel-projection.js';
import { listLeads, REPORT_NAMES, type ReportName, runReport } from './reports.js';
import { ReportError } from './report-error.js';
import { MemoryStore } from './store/memory-store.js';
import type { ReadView } from './store/read-store.js';
import { RedisStore } from './store/redis-store.js';
import { DUE_SET } from './sla.js';

/**
 * Every report against slow and obvious code that reads the plain events, on a few random histories: skips, returns, recycles, voids,
 * corrections, holds, late breaches and late evidence, merges and merges taken back, folded in random batches. The oracles
 * lie in test/oracle/reports; `npm run oracle:reports -- 10000` asks them about many.
 */

/** `ORACLE_RUNS=2000` for a long look. */
const RUNS = Number(process.env.ORACLE_RUNS ?? 40);
jest.setTimeout(60_000 + 500 * RUNS);

const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 });

describe('reports against plain events', () => {
  it.each(CHECKS)('$name: as a reader of the events of leads would have it', async ({ judge }) => {
    await fc.assert(
      fc.asyncProperty(steps, sizes, question, async (history, batches, asked) =>
        judge(await PlayedPast.of(playAll(history), batches), asked),
      ),
      { numRuns: RUNS },
    );
  });

  it('says the same as a reader of the events of many deals', async () => {
    await fc.assert(
      fc.asyncProperty(dealSteps, sizes, question, async (history, batches, asked) => {
        const past = await PlayedPast.of(playDeals(history), batches);
        for (const { judge } of CHECKS) await judge(past, asked);
      }),
      { numRuns: RUNS },
    );
  });

  it('is as it was after a merge that is taken back, to the last byte', async () => {
    await fc.assert(
      fc.asyncProperty(steps, pairs, async (history, pair) => fc.pre(await mergeLeavesNoTrace(history, pair))),
      { numRuns: RUNS },
    );
  });

  /** Asks a report whatever of a question it takes. */
  const asker = (asked: Question) => {
    const day = (offset: number): string => iso(BEGIN + offset * DAY).slice(0, 10);
    const split = { tz: asked.tz, ...(asked.by.length === 0 ? {} : { by: asked.by.join(',') }) };
    const period = {
      ...(asked.from === null ? {} : { from: day(asked.from) }),
      ...(asked.days === null ? {} : { to: day((asked.from ?? 0) + asked.days) }),
    };
    const unit = asked.groupBy === null ? {} : { groupBy: asked.groupBy };
    const queries = [{ ...split, ...period, ...unit }, { ...split, ...period }, split, {}];
    return async (view: ReadView, name: ReportName, nowMs: number, asOfMs = nowMs): Promise<Any> => {
      const context = { nowMs, defaultTz: 'UTC', policies, position: null };
      for (const query of queries) {
        try {
          return await runReport(view, name, { ...query, asOf: iso(asOfMs) }, context);
        } catch (error) {
          if (!(error instanceof ReportError)) throw error;
        }
      }
      return null;
    };
  };

  it('answers as of any instant, whichever it was asked for before', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        question,
        fc.array(fc.integer({ min: -60 * 24, max: 300 * 24 }), { minLength: 2, maxLength: 4 }),
        fc.array(fc.constantFrom(...REPORT_NAMES), { minLength: 1, maxLength: 4 }),
        async (history, asked, hours, names) => {
          const { past, nowMs } = playAll(history);
          const answer = asker(asked);
          const view = await viewOf(past);
          for (const name of names) {
            for (const hour of hours) {
              const atMs = nowMs + hour * HOUR;
              // Another object is another view to whoever remembers answers.
              const unasked = Object.create(view) as ReadView;
              expect(await answer(view, name, atMs)).toEqual(await answer(unasked, name, atMs));
            }
          }
        },
      ),
      { numRuns: RUNS },
    );
  });

  /** A view that is asked again and again while it is filled, beside one that nobody has asked before. */
  const askedBefore = (open: () => ReadView, numRuns: number) =>
    fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
        question,
        fc.array(fc.constantFrom(...REPORT_NAMES), { minLength: 1, maxLength: 4 }),
        async (history, sizes, asked, names) => {
          const { past, nowMs } = playAll(history);
          const answer = asker(asked);
          const view = open();
          const soFar = new Past();
          for (let turn = 0; soFar.events.length < past.events.length; turn += 1) {
            const size = sizes[turn % sizes.length] as number;
            const batch = past.events.slice(soFar.events.length, soFar.events.length + size);
            await foldBatch(view, batch);
            soFar.events.push(...batch);
            // Before everything has happened, when the batch was recorded, and later: what was to come has come.
            const instants = [nowMs, batch.at(-1)?.recordedAtMs ?? nowMs, nowMs + 45 * DAY];
            const fresh = await viewOf(soFar);
            for (const name of names) {
              const atMs = instants[turn % instants.length] as number;
              const asOfMs = asked.asOf === null ? atMs : Math.min(atMs, BEGIN + asked.asOf * HOUR);
              expect(await answer(view, name, atMs, asOfMs)).toEqual(await answer(fresh, name, atMs, asOfMs));
            }
          }
        },
      ),
      { numRuns },
    );

  it('answers whoever asked before a change as it answers whoever never did', async () => {
    let views = 0;
    const store = new MemoryStore();
    await askedBefore(() => store.open('asked', (views += 1)), 2 * RUNS);
  });

  (hasRedis() ? it : it.skip)('answers so from Redis too', async () => {
    const server = await startRedis();
    const store = new RedisStore({ url: server.url });
    try {
      let views = 0;
      await askedBefore(() => store.open('asked', (views += 1)), RUNS);
    } finally {
      await store.close();
      await server.stop();
    }
  });

  it('holds the same whatever the batches, to the last byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
        async (history, sizes) => {
          const { past } = playAll(history);
          expect(await (await viewOf(past, sizes)).digest()).toBe(await (await viewOf(past)).digest());
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('keeps each lead in the due set at the instant libs/lead would act next', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const { past, players } = playAll(history);
        const expected = players.flatMap(({ clocks, lead }) => {
          const due = [...clocks.values()].map(nextDueMs).filter((ms) => ms !== null);
          return due.length === 0 ? [] : [[lead.leadId, Math.min(...due)]];
        });
        const found = await (await viewOf(past, [5])).scored(DUE_SET);
        expect(new Map(found)).toEqual(new Map(expected as [string, number][]));
      }),
      { numRuns: RUNS },
    );
  });

  it('packs a row and reads it back unchanged', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const { past, players } = playAll(history);
        for (const { lead } of players) {
          let row = funnelProjection.load(null, lead.leadId);
          for (const event of past.events) {
            if (funnelProjection.entityOf(event) === lead.leadId) row = funnelProjection.evolve(row, event);
          }
          const again = funnelProjection.load(funnelProjection.pack(row), lead.leadId);
          expect({ ...again, memo: null }).toEqual({ ...row, memo: null });
          expect(funnelProjection.facts(again)).toEqual(funnelProjection.facts(row));
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('lists every lead once, in its present state', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const { past, players, nowMs } = playAll(history);
        const context = { nowMs, defaultTz: 'UTC', policies, position: null };
        const { items } = await listLeads(await viewOf(past, [7]), {}, context);
        const captured = players.filter(({ lead }) => lead.state !== null && lead.state !== 'MERGED');
        const merged = players.filter(({ lead }) => lead.state === 'MERGED').map(({ lead }) => lead.leadId);
        const away = await listLeads(await viewOf(past, [7]), { 'filter[state]': 'MERGED' }, context);
        expect(away.items.map(({ leadId }) => leadId).sort()).toEqual(merged.sort());
        expect(new Map(items.map((item) => [item.leadId, item.state]))).toEqual(
          new Map(captured.map(({ lead }) => [lead.leadId, lead.state])),
        );
        expect(items).toHaveLength(captured.length);
      }),
      { numRuns: RUNS },
    );
  });
});
