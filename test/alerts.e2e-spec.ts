import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { done, HandClockedLedger } from './support/hand-clocked-ledger.js';
import type { LedgerClient } from './support/ledger-client.js';

/** What the ledger warns of, over HTTP, by the test clock (spec §8.5). */

/** A Monday. */
const START = '2026-03-02T10:00:00.000Z';

describe('alerts over HTTP', () => {
  let ledger: HandClockedLedger;
  let admin: LedgerClient;
  let marketing: LedgerClient;
  let rita: LedgerClient;
  let people = 0;

  const setClock = (now: string) => ledger.setClock(now);
  const handedOver = async (): Promise<string> => {
    people += 1;
    const { leadId } = await done(
      marketing.command('/v1/leads', {
        person: { email: `lead${people}@example.org` },
        source: { channel: 'search' },
        consents: [{ purpose: 'email_marketing', basis: 'legitimate_interest' }],
      }),
      201,
    );
    await done(marketing.command(`/v1/leads/${leadId}/mark-mql`, { reason: 'agreed criteria' }));
    return leadId;
  };
  const accept = async (times: number) => {
    for (let n = 0; n < times; n += 1) await done(rita.command(`/v1/leads/${await handedOver()}/accept`));
  };
  const reject = async (reasonCode: string, failedCriteria: string[] = []) =>
    done(rita.command(`/v1/leads/${await handedOver()}/reject`, { reasonCode, failedCriteria }));
  const alert = async (key: string) => done(rita.get(`/v1/alerts/${key}`));
  const raisedEvents = async (key: string) =>
    (await ledger.ledger.log.readStream(`alert-${key}`)).map(({ data, type }) => [
      type,
      (data as { occurredAt: string }).occurredAt,
    ]);

  beforeAll(async () => {
    ledger = await HandClockedLedger.start(START);
    admin = ledger.admin;
    marketing = await ledger.person('mia', 'marketing', ['marketing']);
    rita = await ledger.person('rita', 'sales', ['sales']);
  }, 60_000);

  afterAll(async () => {
    await ledger?.stop();
  }, 30_000);

  it('says nothing of acceptance while fewer than ten handoffs are decided', async () => {
    await accept(7);
    await reject('bad_data');
    await reject('icp_mismatch', ['industry']);
    await setClock('2026-03-02T11:00:00.000Z');
    expect((await done(rita.get('/v1/alerts?condition=acceptance&status=all'))).items).toEqual([]);
  });

  it('raises acceptance below target once, with its reasons and exactly its leads', async () => {
    await reject('bad_data', ['company_size']);
    await setClock('2026-03-02T12:00:00.000Z');
    await setClock('2026-03-02T13:00:00.000Z');
    const standing = await alert('acceptance');
    expect(standing).toMatchObject({
      condition: 'acceptance',
      status: 'open',
      value: 0.7,
      threshold: 0.9,
      n: 10,
      window: 'P30D',
      times: 1,
    });
    expect(standing.text).toContain('miscommunication or conflict');
    expect(standing.text).toContain('bad_data (2), icp_mismatch (1)');
    expect(standing.text).toContain('company_size (1), industry (1)');
    expect((await done(rita.get(standing.drill))).items).toHaveLength(10);
    expect((await raisedEvents('acceptance')).map(([type]) => type)).toEqual(['AlertRaised']);
  });

  it('keeps an acknowledged alert standing, and acknowledges it once', async () => {
    await done(rita.command('/v1/alerts/acceptance/acknowledge', { note: 'we talk on Thursday' }));
    await done(rita.command('/v1/alerts/acceptance/acknowledge'));
    expect(await alert('acceptance')).toMatchObject({
      status: 'acknowledged',
      acknowledged: { by: 'rita', note: 'we talk on Thursday' },
    });
    expect((await done(rita.get('/v1/alerts?condition=acceptance'))).items).toHaveLength(1);
    const { status, body } = await rita.command('/v1/alerts/no-such-thing/acknowledge');
    expect([status, body.code]).toEqual([404, 'ALERT_NOT_FOUND']);
  });

  it('clears once acceptance is back at the target, the target itself included', async () => {
    await accept(19);
    await setClock('2026-03-02T14:00:00.000Z');
    expect(await alert('acceptance')).toMatchObject({ status: 'acknowledged' });
    await accept(1);
    await setClock('2026-03-02T15:00:00.000Z');
    await setClock('2026-03-02T16:00:00.000Z');
    expect(await alert('acceptance')).toMatchObject({ status: 'cleared', cleared: { value: 0.9 } });
    expect((await raisedEvents('acceptance')).map(([type]) => type)).toEqual([
      'AlertRaised',
      'AlertAcknowledged',
      'AlertCleared',
    ]);
    const { status, body } = await rita.command('/v1/alerts/acceptance/acknowledge');
    expect([status, body.code]).toEqual([409, 'ALERT_CLEARED']);
  });

  it('raises it again when it falls again, without any move of the clock', async () => {
    await reject('territory');
    let again = await alert('acceptance');
    for (let tries = 0; again.status === 'cleared' && tries < 100; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      again = await alert('acceptance');
    }
    expect(again).toMatchObject({ status: 'open', times: 2, n: 31 });
  });

  it('raises and clears a gap in the inflow as time goes by', async () => {
    await setClock('2026-03-04T15:00:00.000Z');
    expect((await done(rita.get('/v1/alerts?condition=inflow_gap&status=all'))).items).toEqual([]);
    await setClock('2026-03-04T16:00:00.000Z');
    expect(await alert('inflow_gap')).toMatchObject({ status: 'open', value: 2, threshold: 2 });
    await handedOver();
    await setClock('2026-03-04T16:30:00.000Z');
    expect(await alert('inflow_gap')).toMatchObject({ status: 'cleared' });
    expect(await raisedEvents('inflow_gap')).toHaveLength(2);
  });

  it('obeys thresholds that are configured', async () => {
    await done(admin.call('POST', '/v1/config/benchmarks', { body: { metric: 'alert.inflow_gap', value: 1 } }), 201);
    await setClock('2026-03-05T15:59:00.000Z');
    expect(await alert('inflow_gap')).toMatchObject({ status: 'cleared' });
    await setClock('2026-03-05T16:00:00.000Z');
    expect(await alert('inflow_gap')).toMatchObject({ status: 'open', threshold: 1, times: 2 });
  });

  describe('reviews and alignment meetings', () => {
    let reviewId: string;
    let staleLead: string;

    it('alarm when a team has not reviewed for a week, and marketing and sales have not met for thirty days', async () => {
      staleLead = await handedOver();
      await setClock('2026-03-09T10:00:00.000Z');
      expect((await done(rita.get('/v1/alerts?condition=review_overdue&status=all'))).items).toEqual([]);
      await setClock('2026-03-13T10:00:00.000Z');
      expect(await alert('review_overdue.sales')).toMatchObject({ status: 'open', threshold: 7 });
      expect((await done(rita.get('/v1/alerts?condition=alignment_overdue&status=all'))).items).toEqual([]);
    });

    it('hold a review until every stale lead of the team is decided about', async () => {
      ({ reviewId } = await done(rita.command('/v1/reviews', { teamId: 'sales' }), 201));
      const { agenda } = await done(rita.get(`/v1/reviews/${reviewId}`));
      expect(agenda.stale.length).toBeGreaterThan(0);
      expect(agenda.stale.map(({ leadId }: { leadId: string }) => leadId)).toContain(staleLead);
      const early = await rita.command(`/v1/reviews/${reviewId}/complete`);
      expect([early.status, early.body.code, early.body.undecidedCount]).toEqual([
        422,
        'REVIEW_INCOMPLETE',
        agenda.stale.length,
      ]);
      for (const { leadId } of agenda.stale) {
        const finding = { leadId, finding: 'stale', decision: 're_engage' };
        await done(rita.command(`/v1/reviews/${reviewId}/findings`, finding), 201);
      }
      const completed = await done(rita.command(`/v1/reviews/${reviewId}/complete`));
      expect(completed).toMatchObject({ status: 'completed', completed: { itemsReviewed: agenda.stale.length } });
      await setClock('2026-03-13T11:00:00.000Z');
      expect(await alert('review_overdue.sales')).toMatchObject({ status: 'cleared' });
      expect((await done(rita.get('/v1/reviews?status=completed&teamId=sales'))).items).toMatchObject([{ reviewId }]);
      expect(
        (await rita.command(`/v1/reviews/${reviewId}/findings`, { finding: 'data', decision: 'keep' })).status,
      ).toBe(422);
    });

    it('clear the overdue meeting once it is held', async () => {
      await setClock('2026-04-02T10:00:00.000Z');
      expect(await alert('alignment_overdue')).toMatchObject({ status: 'open', threshold: 30 });
      const meeting = {
        attendees: ['marketing', 'sales_manager'],
        topics: ['rejections'],
        agreementChangesProposed: 1,
      };
      await done(marketing.command('/v1/alignment-meetings', meeting), 201);
      await setClock('2026-04-02T11:00:00.000Z');
      expect(await alert('alignment_overdue')).toMatchObject({ status: 'cleared' });
      expect((await done(rita.get('/v1/alignment-meetings'))).items).toMatchObject([meeting]);
    });

    it('are refused for what is not there', async () => {
      const unknownTeam = await rita.command('/v1/reviews', { teamId: 'nobody' });
      expect([unknownTeam.status, unknownTeam.body.code]).toEqual([422, 'UNKNOWN_TEAM']);
      const unknown = await rita.get('/v1/reviews/00000000-0000-4000-8000-000000000000');
      expect([unknown.status, unknown.body.code]).toEqual([404, 'REVIEW_NOT_FOUND']);
      const twice = await rita.command('/v1/reviews', { teamId: 'sales', reviewId });
      expect([twice.status, twice.body.code]).toEqual([409, 'REVIEW_EXISTS']);
    });
  });

  it('answers the reports of this part', async () => {
    for (const name of ['attribution', 'contact-effort', 'score-quality', 'data-quality', 'continuity']) {
      const body = await done(rita.get(`/v1/reports/${name}?by=source`));
      expect(body).toMatchObject({ report: name, by: ['source'] });
      expect(body.rows.length).toBeGreaterThan(0);
    }
    const { total } = await done(rita.get('/v1/reports/attribution'));
    expect(total.touches).toMatchObject([{ touch: 'source:search', mql: { rate: 1 } }]);
    expect((await done(rita.get(`${total.touches[0].mql.drill}&limit=1000`))).items).toHaveLength(total.mql.count);
  });
});
