import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { defaultPipeline } from '#libs/policy/src/defaults.js';
import { done, HandClockedLedger } from './support/hand-clocked-ledger.js';
import type { LedgerClient, Answer } from './support/ledger-client.js';

/** Keeping at a lead, giving it up, taking it up again: over HTTP, by the test clock. Offices are open from 9 to 17, UTC. */

/** A Monday. */
const START = '2026-03-02T10:00:00.000Z';

interface Told {
  readonly type: string;
  readonly time: string;
  readonly recordedat: string;
  readonly data: Record<string, unknown>;
}

describe('contact, nurture and silence over HTTP', () => {
  let ledger: HandClockedLedger;
  let admin: LedgerClient;
  let ops: LedgerClient;
  let marketing: LedgerClient;
  let rita: LedgerClient;
  let adas: string;
  let bens: string;

  const setClock = (now: string) => ledger.setClock(now);
  /** Of the last command: lists and reports are asked for what it did. */
  let position = '';
  const act = async (by: LedgerClient, leadId: string, action: string, body: unknown = {}) => {
    const answer = await done(by.command(`/v1/leads/${leadId}/${action}`, body));
    ({ position } = answer);
    return answer;
  };
  const seen = (by: LedgerClient, path: string) =>
    done(by.get(`${path}${path.includes('?') ? '&' : '?'}after=${position}`));
  const refused = async (answer: Promise<Answer>) => {
    const { body, status } = await answer;
    return [status, body.code];
  };
  const told = async (leadId: string, type: string): Promise<Told[]> => {
    const { events } = await done(admin.get(`/v1/events?leadId=${leadId}&types=${type}&limit=1000`));
    return events;
  };
  const accepted = async (email: string): Promise<string> => {
    const captured = await done(
      marketing.command('/v1/leads', {
        person: { email },
        source: { channel: 'search' },
        consents: [{ purpose: 'email_marketing', basis: 'legitimate_interest' }],
      }),
      201,
    );
    await act(marketing, captured.leadId, 'mark-mql', { reason: 'agreed criteria' });
    await act(rita, captured.leadId, 'accept');
    return captured.leadId;
  };

  beforeAll(async () => {
    ledger = await HandClockedLedger.start(START);
    admin = ledger.admin;
    ops = await ledger.person('olga', 'ops', []);
    marketing = await ledger.person('mia', 'marketing', ['marketing']);
    rita = await ledger.person('rita', 'sales', ['sales']);
  }, 60_000);

  afterAll(async () => {
    await ledger?.stop();
  }, 30_000);

  it('breaches the promise of a next attempt 16 office hours after one that nobody answered', async () => {
    adas = await accepted('ada@example.org');
    const first = await act(rita, adas, 'contact-attempts', { channel: 'phone', outcome: 'no_answer' });
    expect(first.events.map(({ type }: { type: string }) => type)).toEqual([
      'ContactAttempted',
      'SlaClockStopped',
      'SlaClockStarted',
    ]);
    await setClock('2026-03-05T10:00:00.000Z');
    const { items } = await seen(rita, '/v1/sla/breaches?filter[clockType]=contact_cadence');
    expect(items).toMatchObject([
      { leadId: adas, dueAt: '2026-03-04T10:00:00.000Z', detectionLagS: 0, standing: true },
    ]);
  });

  it('lets an unresponsive lead go once the sequence is made to its end', async () => {
    const giveUp = { reasonCode: 'unresponsive', nurtureTrackId: 'once-more' };
    for (const [day, channel] of [
      ['05', 'email'],
      ['06', 'phone'],
      ['09', 'email'],
      ['10', 'social'],
    ]) {
      await setClock(`2026-03-${day}T10:00:00.000Z`);
      await act(rita, adas, 'contact-attempts', { channel, outcome: 'sent' });
    }
    expect(await refused(rita.command(`/v1/leads/${adas}/recycle`, giveUp))).toEqual([422, 'SEQUENCE_NOT_EXHAUSTED']);
    await setClock('2026-03-11T10:00:00.000Z');
    const last = await act(rita, adas, 'contact-attempts', { channel: 'message', outcome: 'sent' });
    expect(last.events.map(({ type }: { type: string }) => type)).toEqual([
      'ContactAttempted',
      'SlaClockStopped',
      'ContactSequenceExhausted',
    ]);
    expect((await act(rita, adas, 'recycle', giveUp)).state).toBe('RECYCLED');
    const { items } = await seen(rita, '/v1/sla/clocks?filter[clockType]=recycle_reengagement');
    expect(items).toMatchObject([{ leadId: adas, status: 'running', dueAt: '2026-03-18T10:00:00.000Z' }]);
  });

  it('takes a recycled lead up again with its enrolment', async () => {
    await setClock('2026-03-12T10:00:00.000Z');
    await act(marketing, adas, 'enrol-in-nurture', { trackId: 'once-more', trackKind: 'reengagement' });
    await act(marketing, adas, 'log-nurture-touch', {
      trackId: 'once-more',
      step: 1,
      channel: 'email',
      contentId: 'news-1',
    });
    expect((await told(adas, 'NurtureTouchSent'))[0]?.data).toMatchObject({
      step: 1,
      contentId: 'news-1',
      oneToMany: true,
    });
    const card = await done(rita.get(`/v1/leads/${adas}`));
    expect(card.nurture).toMatchObject({ trackId: 'once-more', trackKind: 'reengagement', touches: 1 });
    const clock = card.clocks.find(({ clockType }: { clockType: string }) => clockType === 'recycle_reengagement');
    expect(clock).toMatchObject({ status: 'stopped', outcome: 'met', stoppedAt: '2026-03-12T10:00:00.000Z' });
    await setClock('2026-03-13T10:00:00.000Z');
    await act(marketing, adas, 'responses', { channel: 'email' });
    expect((await told(adas, 'NurtureExited')).map(({ data }) => data.reason)).toEqual(['replied']);
    expect(await refused(marketing.command(`/v1/leads/${adas}/exit-nurture`))).toEqual([422, 'UNKNOWN_TRACK']);
  });

  it('tells once that a lead has gone stale, at the instant its limit passed', async () => {
    bens = await accepted('ben@example.org');
    await setClock('2026-03-20T10:00:00.000Z');
    expect(await told(bens, 'LeadWentStale')).toEqual([]);
    await setClock('2026-03-20T10:00:01.000Z');
    const [stale, ...others] = await told(bens, 'LeadWentStale');
    expect(others).toEqual([]);
    expect(stale).toMatchObject({
      time: '2026-03-20T10:00:00.000Z',
      recordedat: '2026-03-20T10:00:00.001Z',
      data: { state: 'SAL', since: '2026-03-13T10:00:00.000Z', limitS: 604_800 },
    });
    await done(admin.call('POST', '/v1/testing/sweep', { body: { instances: 3 } }));
    await setClock('2026-04-20T10:00:00.000Z');
    expect(await told(bens, 'LeadWentStale')).toHaveLength(1);
    await act(rita, bens, 'contact-attempts', { channel: 'phone', outcome: 'connected' });
    await setClock('2026-05-20T10:00:00.000Z');
    expect((await told(bens, 'LeadWentStale')).map(({ time }) => time)).toEqual([
      '2026-03-20T10:00:00.000Z',
      '2026-04-27T10:00:00.000Z',
    ]);
  });

  it('warns, and where the pipeline says so blocks', async () => {
    const clara = await accepted('clara@example.org');
    const call = { channel: 'phone', outcome: 'no_answer' };
    for (let n = 0; n < 4; n++) await act(rita, clara, 'contact-attempts', call);
    const warnings = (await told(clara, 'ContactAttempted')).map(({ data }) => data.policyWarnings);
    expect(warnings[0]).toEqual(['EP-14', 'ICP_THRESHOLD_FAILED']);
    expect(warnings[3]).toEqual(['EP-7', 'WRONG_CONTACT', 'EP-8', 'CONTACT_CAP_EXCEEDED']);
    const track = { trackId: 'basics', kind: 'education', allowedStates: ['LEAD'] };
    const document = { ...defaultPipeline, engagementPolicies: { 'EP-8': 'block' }, tracks: [track] };
    const { version } = await done(ops.command('/v1/config/pipelines', { id: 'default', document }), 201);
    await done(ops.command(`/v1/config/pipelines/default/versions/${version}/activate`));
    const attempt = await rita.command(`/v1/leads/${clara}/contact-attempts`, call);
    expect(attempt).toMatchObject({ status: 422, body: { code: 'CONTACT_CAP_EXCEEDED', policy: 'EP-8' } });
    const enrol = (trackId: string) => refused(marketing.command(`/v1/leads/${clara}/enrol-in-nurture`, { trackId }));
    expect(await enrol('once-more')).toEqual([422, 'UNKNOWN_TRACK']);
    expect(await enrol('basics')).toEqual([422, 'TRACK_NOT_ALLOWED']);
    const sequence = { sequenceId: 'gentle' };
    expect(await refused(rita.command(`/v1/leads/${clara}/start-contact-sequence`, sequence))).toEqual([
      422,
      'UNKNOWN_SEQUENCE',
    ]);
  });

  it('moves a promise only with a second person, by the calendar of today', async () => {
    const dora = await accepted('dora@example.org');
    const rebase = (body: object) =>
      ops.command(`/v1/leads/${dora}/rebase-clock`, { reason: 'a holiday', approvedBy: 'mara', ...body });
    const clock = async () =>
      (await done(rita.get(`/v1/leads/${dora}`))).clocks.find((one: { open: boolean }) => one.open);
    const { clockId, dueAt } = await clock();
    // Accepted on Wednesday at 10:00, to be contacted within 48 hours of weekdays.
    expect(dueAt).toBe('2026-05-22T10:00:00.000Z');
    expect(await refused(rebase({ clockId: 'none' }))).toEqual([422, 'UNKNOWN_CLOCK']);
    expect(await refused(rebase({ clockId, approvedBy: 'olga' }))).toEqual([422, 'SECOND_APPROVER_REQUIRED']);
    const weekdays = {
      timeZone: 'UTC',
      weekly: [1, 2, 3, 4, 5].map((weekday) => ({ weekday, from: '00:00', to: '24:00' })),
      holidays: ['2026-05-21'],
    };
    const { version } = await done(ops.command('/v1/config/calendars', { id: 'weekdays', document: weekdays }), 201);
    await done(ops.command(`/v1/config/calendars/weekdays/versions/${version}/activate`));
    expect((await clock()).dueAt).toBe(dueAt);
    ({ position } = await done(rebase({ clockId })));
    // Not the Thursday, nor the weekend.
    expect((await clock()).dueAt).toBe('2026-05-25T10:00:00.000Z');
    const { items } = await seen(rita, '/v1/sla/clocks?filter[clockType]=first_contact');
    expect(items).toMatchObject([{ leadId: dora, clockId, dueAt: '2026-05-25T10:00:00.000Z' }]);
  });

  it('splits figures and lists by nurture, score and challenge, and lists deals by what they may bring', async () => {
    const answered = { value: 'yes', note: 'on the phone' };
    const captured = await done(
      marketing.command('/v1/leads', {
        person: { email: 'eva@example.org' },
        source: { channel: 'search' },
        consents: [{ purpose: 'email_marketing', basis: 'legitimate_interest' }],
      }),
      201,
    );
    const evas: string = captured.leadId;
    await act(marketing, evas, 'enrol-in-nurture', { trackId: 'basics', segmentId: 'dach' });
    const { items: nurtured } = await seen(
      marketing,
      '/v1/leads?filter[leadStatus]=nurturing&filter[segment]=dach&filter[grade]=U&filter[band]=cold',
    );
    expect(nurtured).toMatchObject([{ leadId: evas, nurtureTrackId: 'basics', leadStatus: 'nurturing' }]);
    expect(await refused(marketing.get('/v1/leads?filter[band]=lukewarm'))).toEqual([400, 'VALIDATION_FAILED']);
    await act(marketing, evas, 'mark-mql', { reason: 'agreed criteria' });
    await act(rita, evas, 'accept');
    await act(rita, evas, 'contact-attempts', { channel: 'phone', outcome: 'connected' });
    await act(rita, evas, 'identify-goal', {
      goal: 'Keep customers',
      challengeCode: 'churn',
      interestedInBuying: 'yes',
    });
    const qualification = Object.fromEntries(
      ['interest', 'need', 'budget', 'authority', 'timing'].map((question) => [question, answered]),
    );
    await act(rita, evas, 'mark-sql', { qualification });
    await act(rita, evas, 'open-opportunity', {
      amount: { amountMinor: 1_000_000, currency: 'EUR' },
      dealStage: 'demo',
      expectedCloseDate: '2026-07-01',
    });
    await act(rita, evas, 'send-proposal', {
      challengesAddressed: ['costs'],
      costIncluded: true,
      implementationSteps: true,
    });
    expect((await told(evas, 'ProposalSent'))[0]?.data.policyWarnings).toEqual(['EP-6', 'PROPOSAL_INCOMPLETE']);
    expect((await done(rita.get(`/v1/leads/${evas}`))).deal.challengesLeftOut).toEqual(['churn']);

    const { rows } = await seen(rita, '/v1/reports/acceptance?by=nurtureTrack');
    const basics = rows.find((row: { dimensions: object }) => 'basics' === Object.values(row.dimensions)[0]);
    expect(basics.acceptance).toMatchObject({ numerator: 1, denominator: 1 });
    expect((await seen(rita, basics.acceptance.drill)).items).toMatchObject([{ leadId: evas }]);
    const { total } = await seen(rita, '/v1/reports/challenges');
    expect(total.challenges).toMatchObject([
      { challengeCode: 'churn', leads: { numerator: 1 }, leftOut: { count: 1 } },
    ]);
    expect(await seen(rita, '/v1/deals?filter[owner]=rita')).toMatchObject({
      currency: 'EUR',
      items: [{ leadId: evas, stage: 'demo', probability: 0.75, expectedValueMinor: 750_000 }],
    });
    const byScore = await seen(rita, '/v1/queues/rita?order=score');
    const byDue = await seen(rita, '/v1/queues/rita?order=due');
    expect(byScore.items).toHaveLength(byDue.items.length);
    expect((await seen(rita, '/v1/reports/health')).total.qualified.count).toBe(1);

    const { items } = await seen(rita, '/v1/leads?limit=1000');
    for (const { leadId, leadStatus } of items)
      expect({ leadId, leadStatus }).toMatchObject({
        leadStatus: (await done(rita.get(`/v1/leads/${leadId}`))).leadStatus,
      });
  });
});
