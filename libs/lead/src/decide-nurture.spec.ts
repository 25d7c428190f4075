import { describe, expect, it } from '@jest/globals';
import type { PipelineDocument } from '#libs/policy/src/documents.js';
import { EUR, given, Scenario, ts } from './given-when-then.js';
import { standingOutcome } from './sla-clocks.js';
import { leadStatus } from './state.js';

/** Recycled on Monday at 10:00: due 40 office hours later, the next Monday at 10:00. */
const recycled = () => given('RECYCLED');
const clockOf = ({ lead }: Scenario, clockType: string) =>
  [...lead.clocks.values()].findLast((clock) => clock.clockType === clockType)!;
/** The policies that judge tracks stay out of the way. */
const QUIET = { engagementPolicies: { 'EP-4': 'off', 'EP-5': 'off', 'EP-10': 'off' } } as const;
const track = (trackId: string, kind: string, more: object = {}) =>
  ({ trackId, kind, steps: [], ...more }) as PipelineDocument['tracks'][number];

describe('a recycled lead', () => {
  it('counts as destined for its track; enrolling it keeps the promise to take it up again', () => {
    const lead = recycled().at('2026-03-09 10:00').do('EnrolInNurture');
    expect(lead.types()).toEqual(['EnrolledInNurture', 'SlaClockStopped']);
    expect(lead.data('EnrolledInNurture')).toMatchObject({ trackId: 'spring', trackKind: 'reengagement' });
    expect(lead.data('SlaClockStopped')).toMatchObject({
      outcome: 'met',
      elapsedOpenS: 40 * 3600,
      byEventId: lead.idOf('EnrolledInNurture'),
    });
    expect(leadStatus(lead.lead)).toBe('recycled_not_ready');
  });

  it('is taken up by a first touch, too', () => {
    const lead = recycled().at('2026-03-04 10:00').do('LogNurtureTouch', { contentId: 'case-7' });
    expect(lead.types()).toEqual(['NurtureTouchSent', 'SlaClockStopped']);
    expect(lead.data('NurtureTouchSent')).toMatchObject({
      trackId: 'spring',
      step: 1,
      channel: 'email',
      oneToMany: true,
    });
  });

  it('is taken up late after 40 office hours', () => {
    const lead = recycled().at('2026-03-09 10:00').sweep();
    expect(lead.types()).toEqual(['SlaBreached']);
    lead.at('2026-03-09 11:00').do('EnrolInNurture');
    expect(lead.data('SlaClockStopped')).toMatchObject({ outcome: 'late', overdueWallS: 3600 });
  });

  it('that was enrolled in time and logged late breaks no promise, swept or not', () => {
    const timely = { occurredAt: ts('2026-03-06 10:00') };
    const outcomes = [recycled(), recycled().at('2026-03-09 11:00').sweep()].map((lead) => {
      lead.at('2026-03-09 12:00').do('EnrolInNurture', timely);
      return standingOutcome(clockOf(lead, 'recycle_reengagement'));
    });
    expect(outcomes).toEqual(['met', 'met']);
  });

  it('is not taken up by what happened before it was recycled', () => {
    const lead = recycled().at('2026-03-03 10:00');
    lead.do('LogNurtureTouch', { trackId: 'news', occurredAt: ts('2026-03-01 10:00') });
    expect(lead.types()).toEqual(['NurtureTouchSent']);
    expect(clockOf(lead, 'recycle_reengagement').status).toBe('running');
  });
});

describe('nurture', () => {
  it('is what a lead’s status says while nobody has answered', () => {
    const lead = given('LEAD').do('EnrolInNurture', { trackId: 'basics' });
    expect(leadStatus(lead.lead)).toBe('nurturing');
    expect(lead.do('EnrolInNurture', { trackId: 'basics' }).types()).toEqual([]);
    expect(lead.do('ExitNurture').data('NurtureExited')).toMatchObject({ trackId: 'basics', reason: 'completed' });
    expect(leadStatus(lead.lead)).toBe('open');
  });

  it('goes on on another track when told so', () => {
    const lead = given('LEAD').do('EnrolInNurture', { trackId: 'basics' }).do('EnrolInNurture', { trackId: 'deeper' });
    expect(lead.types()).toEqual(['NurtureExited', 'EnrolledInNurture']);
    expect(lead.lead.nurture?.trackId).toBe('deeper');
  });

  it('ends with an answer, with a meeting held, and when consent to e-mail is withdrawn', () => {
    const enrolled = () => given('LEAD').do('EnrolInNurture', { trackId: 'basics' });
    const reason = (lead: Scenario) => lead.data('NurtureExited').reason;
    expect(reason(enrolled().do('LogResponse', { channel: 'email' }))).toBe('replied');
    expect(reason(enrolled().do('LogMeeting', { outcome: 'successful' }))).toBe('replied');
    expect(reason(enrolled().do('WithdrawConsent', { purpose: 'email_marketing' }))).toBe('withdrawn');
    expect(reason(enrolled().do('RecordBehaviour', { kind: 'unsubscribe' }))).toBe('withdrawn');
    expect(reason(enrolled().do('LogResponse', { channel: 'email', sentiment: 'opt_out' }))).toBe('withdrawn');
    expect(reason(enrolled().do('DisqualifyLead', { reasonCode: 'no_need' }))).toBe('withdrawn');
    expect(enrolled().do('WithdrawConsent', { purpose: 'profiling' }).types()).toEqual(['ConsentWithdrawn']);
    expect(enrolled().do('LogMeeting', { outcome: 'no_show' }).types()).toEqual(['MeetingHeld']);
  });

  it('ends at the handoff, not before: marketing may nurture a lead that it has marked', () => {
    const handedOff = given('LEAD').do('EnrolInNurture', { trackId: 'basics' }).do('MarkMQL', { reason: 'fits' });
    expect(handedOff.data('NurtureExited').reason).toBe('qualified');
    const marked = given('LEAD').underPipeline({ autoHandoff: false }).do('EnrolInNurture', { trackId: 'basics' });
    expect(marked.do('MarkMQL', { reason: 'fits' }).lead.nurture).not.toBeNull();
    expect(marked.do('HandOffToSales').data('NurtureExited').reason).toBe('qualified');
  });

  it('needs a basis to send e-mail, unless the track uses none', () => {
    const lead = new Scenario().do('CaptureLead', {
      person: { phone: '+4930123456' },
      source: { channel: 'search' },
      consents: [{ purpose: 'phone', basis: 'consent' }],
    });
    expect(lead.refused('EnrolInNurture', { trackId: 'basics' }).code).toBe('NO_CONSENT');
    expect(lead.refused('LogNurtureTouch', { trackId: 'basics' }).code).toBe('NO_CONSENT');
    expect(lead.do('LogNurtureTouch', { trackId: 'basics', channel: 'post' }).types()).toEqual(['NurtureTouchSent']);
    const letters = track('letters', 'education', { steps: [{ step: 1, channel: 'post', oneToMany: false }] });
    expect(
      lead
        .underPipeline({ tracks: [letters] })
        .do('EnrolInNurture', { trackId: 'letters' })
        .types(),
    ).toEqual(['EnrolledInNurture']);
    // A legitimate interest named at the capture is as good a basis as consent.
    const known = new Scenario().do('CaptureLead', {
      person: { email: 'bo@example.com' },
      source: { channel: 'search' },
      consents: [{ purpose: 'email_marketing', basis: 'legitimate_interest' }],
    });
    expect(known.do('EnrolInNurture', { trackId: 'basics' }).types()).toEqual(['EnrolledInNurture']);
  });

  it('is counted when the deal is lost', () => {
    const lead = given('LEAD').do('LogNurtureTouch', { trackId: 'a' }).do('LogNurtureTouch', { trackId: 'a' });
    lead
      .do('MarkMQL', { reason: 'fits' })
      .do('AcceptLead')
      .do('LogContactAttempt', { channel: 'phone', outcome: 'connected' });
    const yes = { value: 'yes', note: 'said so' };
    const qualification = { interest: yes, need: yes, budget: yes, authority: yes, timing: yes };
    lead.do('OpenOpportunity', { amount: EUR(1), expectedCloseDate: '2026-09-01', qualification });
    lead.do('LoseDeal', { reasonCode: 'price' });
    expect(lead.data('DealLost').nurtureTouches).toBe(2);
  });
});

describe('the tracks of a pipeline', () => {
  const tracks = [
    track('basics', 'education', { name: 'Basics', allowedStates: ['LEAD'], personaId: 'p', segmentId: 's' }),
    track('again', 'reengagement', { name: 'Once more' }),
  ];

  it('are the only ones once there are any', () => {
    const lead = given('LEAD').underPipeline({ ...QUIET, tracks });
    const refusal = lead.refused('EnrolInNurture', { trackId: 'spring' });
    expect([refusal.code, refusal.facts.known]).toEqual(['UNKNOWN_TRACK', ['basics', 'again']]);
    expect(lead.refused('EnrolInNurture', {}).code).toBe('VALIDATION_FAILED');
    expect(lead.refused('LogNurtureTouch', { trackId: 'spring' }).code).toBe('UNKNOWN_TRACK');
    lead.do('EnrolInNurture', { trackId: 'basics' });
    expect(lead.data('EnrolledInNurture')).toEqual({
      leadId: 'lead',
      occurredAt: ts('2026-03-02 10:00'),
      trackId: 'basics',
      trackKind: 'education',
      personaId: 'p',
      segmentId: 's',
      goal: 'Basics',
    });
    expect(lead.refused('ExitNurture', { trackId: 'again' }).code).toBe('UNKNOWN_TRACK');
    const accepted = given('SAL').underPipeline({ ...QUIET, tracks });
    expect(accepted.refused('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 'spring' }).code).toBe(
      'UNKNOWN_TRACK',
    );
  });

  it('say for which states they are', () => {
    const lead = given('PROSPECT').underPipeline({ ...QUIET, tracks });
    expect(lead.refused('EnrolInNurture', { trackId: 'basics' }).code).toBe('TRACK_NOT_ALLOWED');
    expect(given('JUNK').refused('EnrolInNurture', { trackId: 'basics' }).code).toBe('TRACK_NOT_ALLOWED');
  });

  describe('for a grade or band', () => {
    const byScore = [
      track('research', 'education', { grades: ['U'] }),
      track('warm-up', 'education', { grades: ['B', 'C'], bands: ['warm'] }),
      track('basics', 'education'),
    ];
    const lead = () => given('LEAD').underPipeline({ ...QUIET, tracks: byScore });
    const caseStudy = { behaviourId: 'b1', kind: 'case_study' };
    /** Grade C, warm. */
    const decider = () =>
      lead().do('IdentifyRole', { role: 'decision_maker', confidence: 1 }).do('RecordBehaviour', caseStudy);
    /** Grade D, warm. */
    const user = () =>
      lead()
        .do('IdentifyRole', { role: 'user', confidence: 1 })
        .do('RecordBehaviour', caseStudy)
        .do('RecordBehaviour', { behaviourId: 'b2', kind: 'product_demo_attended' });

    it('take no other lead', () => {
      expect(decider().lead.score).toMatchObject({ grade: 'C', band: 'warm' });
      expect(user().lead.score).toMatchObject({ grade: 'D', band: 'warm' });
      const refusal = user().refused('EnrolInNurture', { trackId: 'warm-up' });
      expect([refusal.code, refusal.facts.grades, refusal.facts.bands]).toEqual([
        'TRACK_NOT_ALLOWED',
        ['B', 'C'],
        ['warm'],
      ]);
      // Of the right grade, but cold.
      const cold = lead().do('IdentifyRole', { role: 'decision_maker', confidence: 1 });
      expect(cold.refused('EnrolInNurture', { trackId: 'warm-up' }).code).toBe('TRACK_NOT_ALLOWED');
      expect(cold.refused('LogNurtureTouch', { trackId: 'research' }).code).toBe('TRACK_NOT_ALLOWED');
      expect(user().do('EnrolInNurture', { trackId: 'basics' }).types()).toEqual(['EnrolledInNurture']);
    });

    it('are picked by themselves when nobody names one; whom nobody scored is U and cold', () => {
      expect(decider().do('EnrolInNurture').data('EnrolledInNurture').trackId).toBe('warm-up');
      expect(lead().do('EnrolInNurture').data('EnrolledInNurture').trackId).toBe('research');
      expect(user().refused('EnrolInNurture').code).toBe('VALIDATION_FAILED');
    });
  });

  it('take a lost lead up by themselves, and a recycled one that is sent nowhere else (EP-11)', () => {
    const lost = given('OPPORTUNITY').underPipeline({ tracks }).do('LoseDeal', { reasonCode: 'price' });
    expect(lost.types()).toEqual(['DealLost', 'EnrolledInNurture']);
    const recycle = { reasonCode: 'timing' };
    expect(
      given('SAL').underPipeline({ tracks }).do('RecycleLead', recycle).data('RecycledNotReady').nurtureTrackId,
    ).toBe('again');
    const off = { tracks, engagementPolicies: { 'EP-11': 'off' } } as const;
    expect(given('OPPORTUNITY').underPipeline(off).do('LoseDeal', { reasonCode: 'price' }).types()).toEqual([
      'DealLost',
    ]);
    expect(given('SAL').underPipeline(off).refused('RecycleLead', recycle).code).toBe('NURTURE_TRACK_REQUIRED');
    expect(given('SAL').refused('RecycleLead', recycle).code).toBe('NURTURE_TRACK_REQUIRED');
  });
});
