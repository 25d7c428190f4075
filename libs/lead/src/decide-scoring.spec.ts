import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { wholeSeconds } from '#libs/scoring/src/behaviours.js';
import { evaluate } from '#libs/scoring/src/score.js';
import { given, person, Scenario, ts } from './given-when-then.js';
import type { LeadEvent } from './events.js';
import { evolve } from './evolve.js';
import { factsOf } from './scored-facts.js';
import { initialLead } from './state.js';

const DECIDER = { role: 'decision_maker' };
const behaviour = (kind: string, more: object = {}) => ({ kind, ...more });
/** Grade C by role alone, and 40 points: 20 short of the threshold. */
const nearly = (stage: 'SUBSCRIBER' | 'LEAD' | 'PROSPECT' = 'LEAD') =>
  given(stage).do('IdentifyRole', DECIDER).do('RecordBehaviour', behaviour('email_click', { count: 5 })).do('RecordBehaviour', behaviour('webinar_registered')); // prettier-ignore
const byOf = (lead: Scenario, type: string) => lead.latest.find((event) => event.type === type)?.by;

describe('crossing the MQL threshold', () => {
  it('marks, hands off and starts the clock in the append of the behaviour, in the name of the policy', () => {
    const lead = nearly().at('2026-03-02 11:30').do('RecordBehaviour', behaviour('demo_request'));
    expect(lead.types()).toEqual([
      'BehaviourRecorded',
      'LeadScored',
      'MarkedMQL',
      'HandedOffToSales',
      'SlaClockStarted',
    ]);
    const scored = lead.data('LeadScored');
    expect(scored).toMatchObject({ cause: 'event', causeEventId: lead.idOf('BehaviourRecorded'), modelId: 'default', modelVersion: 1, grade: 'C', fit: 20_000 }); // prettier-ignore
    expect(lead.data('MarkedMQL')).toMatchObject({
      mode: 'auto',
      basis: 'marketing',
      fromState: 'LEAD',
      toState: 'MQL',
      modelVersion: 1,
      total: scored.total,
      grade: 'C',
      occurredAt: ts('2026-03-02 11:30'),
    });
    expect(lead.data('MarkedMQL').topContributions?.slice(0, 2)).toEqual([
      { ruleId: 'demo_request', mp: 30_000 },
      { ruleId: 'role_decision_maker', mp: 20_000 },
    ]);
    expect(lead.data('HandedOffToSales').summary).toMatch(
      /^Score 69\.9, grade C: Asked for a demo \+30, Decision maker \+20, /,
    );
    expect(lead.latest.map(({ by }) => by)).toEqual([undefined, ...Array<string>(4).fill('system:scoring')]);
    expect(lead.lead).toMatchObject({ state: 'MQL', score: { grade: 'C', band: 'hot' } });
  });

  it('happens at now, though the behaviour is dated back; what is late is decayed already', () => {
    const late = behaviour('demo_request', { occurredAt: ts('2026-03-02 10:00') });
    const lead = nearly().at('2026-03-05 10:00').do('RecordBehaviour', late);
    expect(lead.data('MarkedMQL').occurredAt).toBe(ts('2026-03-05 10:00'));
    expect(lead.data('LeadScored').occurredAt).toBe(ts('2026-03-05 10:00'));
    expect(lead.data('BehaviourRecorded')).toMatchObject({
      occurredAt: ts('2026-03-02 10:00'),
      availableAt: ts('2026-03-05 10:00'),
    });
    expect(lead.data('HandedOffToSales').occurredAt).toBe(ts('2026-03-05 10:00'));
  });

  it('needs the grade: unknown role and company never cross by behaviour, and do once the role is known', () => {
    const lead = given('LEAD').do('RecordBehaviour', behaviour('contact_sales_request')).do('RecordBehaviour', behaviour('demo_request')); // prettier-ignore
    expect(lead.lead).toMatchObject({ state: 'LEAD', score: { grade: 'U', band: 'hot' } });
    lead.do('IdentifyRole', DECIDER);
    expect(lead.types()).toEqual(['RoleIdentified', 'LeadScored', 'MarkedMQL', 'HandedOffToSales', 'SlaClockStarted']);
  });

  it.each(['SUBSCRIBER', 'PROSPECT'] as const)('from %s too', (stage) => {
    const lead = nearly(stage).do('RecordBehaviour', behaviour('demo_request'));
    expect(lead.lead.state).toBe('MQL');
  });

  it('at capture, when a person says enough at once', () => {
    const lead = new Scenario().do('CaptureLead', {
      person: { email: 'ann@example.com' },
      ...DECIDER,
      source: { channel: 'search' },
      consents: [{ purpose: 'email_marketing', basis: 'consent' }],
      interest: { kind: 'active', request: 'contact' },
    });
    expect(lead.types()).toEqual(['LeadCaptured', 'BehaviourRecorded', 'LeadScored', 'MarkedMQL', 'HandedOffToSales', 'SlaClockStarted']); // prettier-ignore
    expect(lead.data('MarkedMQL').total).toBe(60_000);
  });

  it('a single milli-point below marks nothing', () => {
    const lead = given('LEAD').do('IdentifyRole', DECIDER).do('RecordBehaviour', behaviour('demo_request'));
    lead.at('2026-03-02 10:01').do('RecordBehaviour', behaviour('webinar_attended'));
    expect(lead.types()).toEqual(['BehaviourRecorded']);
    expect(lead.lead.state).toBe('LEAD');
  });

  it('marks once: a lead above that marketing took back is not marked again by more of the same', () => {
    const lead = nearly()
      .do('RecordBehaviour', behaviour('demo_request'))
      .do('WithdrawQualification', { reason: 'manual' });
    lead.do('RecordBehaviour', behaviour('case_study'));
    expect(lead.types()).toEqual(['BehaviourRecorded']);
    expect(lead.lead.state).toBe('LEAD');
  });

  it('marks a recycled lead anew once it has cooled down below and risen again, and its re-engagement is met', () => {
    const lead = nearly().do('RecordBehaviour', behaviour('demo_request')).do('AcceptLead').do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 'spring' }); // prettier-ignore
    lead.do('RecordBehaviour', behaviour('guide'));
    expect(lead.lead.state).toBe('RECYCLED');
    lead.at('2026-04-02 10:00').do('RecordBehaviour', behaviour('demo_request'));
    expect(lead.types()).toContain('MarkedMQL');
    expect(lead.data('MarkedMQL')).toMatchObject({ fromState: 'RECYCLED', cycleNo: 2, mode: 'auto' });
    expect(lead.data('SlaClockStopped').clockId).toBe(lead.data('MarkedMQL').clocks?.stopped?.[0]);
  });

  it('leaves a recycled lead alone during its cool-down', () => {
    const lead = nearly().underPipeline({ recycleCooldownDays: 60 }).do('RecordBehaviour', behaviour('demo_request')).do('AcceptLead').do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 'spring' }); // prettier-ignore
    lead.at('2026-04-02 10:00').do('RecordBehaviour', behaviour('demo_request'));
    expect(lead.lead.state).toBe('RECYCLED');
  });

  it('starts engagement anew for a recycled lead where the model says so', () => {
    const lead = nearly().underModel({ onRecycled: 'reset_engagement' }).do('RecordBehaviour', behaviour('demo_request')).do('AcceptLead').do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 'spring' }); // prettier-ignore
    lead.do('RecordBehaviour', behaviour('guide'));
    expect(lead.data('LeadScored')).toMatchObject({ total: 28_000, band: 'cold' });
    lead.do('RecordBehaviour', behaviour('demo_request')).do('RecordBehaviour', behaviour('guide'));
    expect(lead.lead.state).toBe('MQL');
  });

  it('leaves people alone who withdrew every consent, and scores nobody who withdrew it to profiling', () => {
    const suppressed = nearly()
      .do('WithdrawConsent', { purpose: 'email_marketing' })
      .do('RecordBehaviour', behaviour('demo_request'));
    expect(suppressed.types()).toEqual(['BehaviourRecorded', 'LeadScored']);
    const unprofiled = nearly()
      .do('WithdrawConsent', { purpose: 'profiling' })
      .do('RecordBehaviour', behaviour('demo_request'));
    expect(unprofiled.types()).toEqual(['BehaviourRecorded']);
    expect(suppressed.do('RecordConsent', { purpose: 'phone', basis: 'consent' }).lead.state).toBe('MQL');
  });

  it('never fails the behaviour over the handoff: without an agreement the mark stands by itself', () => {
    const lead = nearly().configured('agreement-standard', 'AgreementRetired', { occurredAt: ts('2026-03-02 10:00') });
    lead.at('2026-03-02 10:30').do('RecordBehaviour', behaviour('demo_request'));
    expect(lead.types()).toEqual(['BehaviourRecorded', 'LeadScored', 'MarkedMQL']);
    expect(lead.refused('HandOffToSales').code).toBe('NO_ACTIVE_AGREEMENT');
  });

  it('marks without offering where the pipeline does not hand off by itself', () => {
    const lead = nearly().underPipeline({ autoHandoff: false }).do('RecordBehaviour', behaviour('demo_request'));
    expect(lead.types()).toEqual(['BehaviourRecorded', 'LeadScored', 'MarkedMQL']);
  });

  it('takes penalties off at once', () => {
    const lead = nearly().do('RecordBehaviour', behaviour('bounce')).do('RecordBehaviour', behaviour('demo_request'));
    expect(lead.lead.state).toBe('LEAD');
    expect(lead.lead.score).toMatchObject({ band: 'warm' });
  });
});

describe('the record of a score', () => {
  it('is written only when grade or band becomes another one', () => {
    const lead = given('LEAD').do('RecordBehaviour', behaviour('guide'));
    expect(lead.types()).toEqual(['BehaviourRecorded']);
    expect(lead.lead.score).toBeNull();
    expect(lead.do('RecordBehaviour', behaviour('trial_started')).types()).toEqual(['BehaviourRecorded', 'LeadScored']);
    expect(lead.data('LeadScored')).toMatchObject({
      band: 'warm',
      grade: 'U',
      total: 33_000,
      engagement: 33_000,
      fit: 0,
      penalties: 0,
    });
    expect(lead.do('RecordBehaviour', behaviour('guide')).types()).toEqual(['BehaviourRecorded']);
    expect(lead.do('IdentifyRole', { role: 'gatekeeper' }).types()).toEqual(['RoleIdentified', 'LeadScored']);
  });

  it('counts budget and need once they are confirmed', () => {
    const lead = given('SAL').do('AnswerQualification', {
      answers: { budget: 'yes', need: { value: 'yes', note: 'now' } },
    });
    expect(lead.lead.score).toBeNull();
    lead.do('IdentifyRole', DECIDER);
    expect(lead.data('LeadScored')).toMatchObject({ fit: 40_000, grade: 'B' });
  });

  it('knows a free mailbox from a company’s, also after a change of address', () => {
    const lead = given('LEAD').do('IdentifyRole', DECIDER);
    expect(lead.lead.scoredFields.emailKind).toBe('company');
    lead.do('UpdateLeadDetails', { changes: { email: 'ann@gmail.com', segment: 'student' } });
    expect(lead.data('LeadDetailsUpdated').scoredFields).toEqual({ emailKind: 'free', segment: 'student' });
    expect(lead.data('LeadScored')).toMatchObject({ fit: -15_000, grade: 'D' });
  });

  it('is not made for history, whose behaviours still count afterwards', () => {
    const importer = person('integration', 'importer', []);
    const lead = new Scenario({ jobId: 'job', outOfOrder: 'refuse' });
    lead.do('CaptureLead', { occurredAt: ts('2026-02-16 10:00'), ...DECIDER }, importer);
    lead.do('RecordBehaviour', { kind: 'demo_request', occurredAt: ts('2026-02-16 10:00'), count: 3 }, importer);
    expect(lead.types()).toEqual(['BehaviourRecorded']);
    expect(lead.data('BehaviourRecorded').availableAt).toBeUndefined();
    const { behaviours } = lead.lead;
    const model = lead.models.inForce(lead.nowMs)!;
    expect(evaluate(model, { facts: factsOf(lead.lead), behaviours }, wholeSeconds(lead.nowMs)).total).toBe(65_000);
  });
});

describe('product qualification', () => {
  it('crosses with a trial and the third use in 14 days', () => {
    const lead = given('LEAD').do('RecordBehaviour', behaviour('trial_started')).do('RecordBehaviour', behaviour('product_action', { count: 2 })); // prettier-ignore
    expect(lead.lead.state).toBe('LEAD');
    lead.do('RecordBehaviour', behaviour('product_action'));
    expect(lead.types()).toEqual([
      'BehaviourRecorded',
      'LeadScored',
      'MarkedPQL',
      'HandedOffToSales',
      'SlaClockStarted',
    ]);
    expect(lead.data('MarkedPQL')).toMatchObject({ basis: 'product', mode: 'auto', keyActions: ['trial_started', 'product_action'], grade: 'U', total: 55_000 }); // prettier-ignore
  });

  it('does not when the uses are further apart', () => {
    const lead = given('LEAD').do('RecordBehaviour', behaviour('trial_started')).do('RecordBehaviour', behaviour('product_action', { count: 2 })); // prettier-ignore
    lead.at('2026-03-16 10:00').do('RecordBehaviour', behaviour('product_action'));
    expect(lead.lead.state).toBe('LEAD');
  });

  it('leaves customers who use what they bought alone', () => {
    const lead = given('CUSTOMER').do('RecordBehaviour', behaviour('trial_started')).do('RecordBehaviour', behaviour('product_action', { count: 9 })); // prettier-ignore
    expect(lead.lead.state).toBe('CUSTOMER');
  });
});

describe('SQL by score', () => {
  const autoSql = { enabled: true, minTotal: 80, minGrade: 'C' as const, requiresActiveRequest: true };
  const thresholds = { mql: { minTotal: 60, minGrade: 'C' as const }, autoSql };

  it('is off until both the pipeline and the model switch it on', () => {
    const lead = nearly().do('RecordBehaviour', behaviour('contact_sales_request'));
    expect(lead.lead.state).toBe('MQL');
    const half = nearly().underModel({ thresholds }).do('RecordBehaviour', behaviour('contact_sales_request'));
    expect(half.lead.state).toBe('MQL');
  });

  it('skips acceptance visibly and cancels an open offer, which so never counts as accepted', () => {
    const lead = nearly().underModel({ thresholds }).underPipeline({ autoSql: true });
    lead.do('RecordBehaviour', behaviour('case_study')).do('RecordBehaviour', behaviour('guide', { count: 3 }));
    expect(lead.lead.state).toBe('MQL');
    lead.do('RecordBehaviour', behaviour('demo_request'));
    expect(lead.types().filter((type) => !type.startsWith('Sla'))).toEqual([
      'BehaviourRecorded',
      'LeadScored',
      'MarkedSQL',
    ]);
    expect(lead.data('MarkedSQL')).toMatchObject({
      mode: 'auto',
      skipRule: 'auto_sql_score',
      skippedStages: ['SAL'],
      implicitAcceptance: false,
      modelVersion: 2,
      grade: 'C',
    });
    expect(lead.data('SlaClockCancelled').reason).toBe('withdrawn');
    expect(byOf(lead, 'MarkedSQL')).toBe('system:scoring');
  });

  it('asks for an active request where the model does', () => {
    const lead = nearly().underModel({ thresholds }).underPipeline({ autoSql: true });
    lead.do('RecordBehaviour', behaviour('product_demo_attended', { count: 4 }));
    expect(lead.lead.state).toBe('MQL');
  });

  it('is not for people to ask for', () => {
    const lead = nearly().underModel({ thresholds }).underPipeline({ autoSql: true });
    expect(lead.refused('MarkSQL', { skipRule: 'auto_sql_score' }).code).toBe('STAGE_SKIP_NOT_ALLOWED');
  });
});

describe('withdrawal by decay', () => {
  const decaying = () => nearly().underPipeline({ decayWithdrawal: { enabled: true, hysteresis: 20 } });

  it('is off by default', () => {
    const lead = nearly()
      .do('RecordBehaviour', behaviour('demo_request'))
      .at('2026-06-02 10:00')
      .do('RecordBehaviour', behaviour('page_view'));
    expect(lead.lead.state).toBe('MQL');
  });

  it('takes a mark of the score back below threshold minus hysteresis, before acceptance', () => {
    const lead = decaying().do('RecordBehaviour', behaviour('demo_request'));
    lead.at('2026-03-09 10:00').do('RecordBehaviour', behaviour('page_view'));
    expect(lead.lead.state).toBe('MQL');
    lead.at('2026-04-20 10:00').do('RecordBehaviour', behaviour('page_view'));
    expect(lead.data('QualificationWithdrawn')).toMatchObject({
      reason: 'score_decay',
      fromState: 'MQL',
      toState: 'LEAD',
    });
    expect(lead.lead.openHandoff).toBeNull();
  });

  it('leaves marks of people and accepted leads alone', () => {
    const marked = given('LEAD').underPipeline({ decayWithdrawal: { enabled: true, hysteresis: 20 } }).do('MarkMQL', { reason: 'met at the fair' }); // prettier-ignore
    expect(marked.do('RecordBehaviour', behaviour('page_view')).lead.state).toBe('MQL');
    const accepted = decaying().do('RecordBehaviour', behaviour('demo_request')).do('AcceptLead');
    expect(accepted.at('2026-04-20 10:00').do('RecordBehaviour', behaviour('page_view')).lead.state).toBe('SAL');
  });
});

describe('marking by hand', () => {
  it('needs no reason above the threshold and records what the score was', () => {
    const lead = nearly()
      .do('RecordBehaviour', behaviour('demo_request'))
      .do('WithdrawQualification', { reason: 'manual' });
    lead.do('MarkMQL', {});
    expect(lead.data('MarkedMQL')).toMatchObject({ mode: 'manual', grade: 'C', modelVersion: 1 });
    expect(lead.data('MarkedMQL').total).toBeGreaterThanOrEqual(60_000);
    expect(lead.data('MarkedMQL').topContributions).toHaveLength(4);
  });

  it('below it says why, and the refusal says how much is missing', () => {
    const error = nearly().refused('MarkMQL', {});
    expect(error).toMatchObject({ code: 'SCORE_BELOW_THRESHOLD', facts: { field: 'reason', total: 40_000, grade: 'C', minTotal: 60_000, minGrade: 'C' } }); // prettier-ignore
    const lead = nearly().do('MarkMQL', { reason: 'met at the fair' });
    expect(lead.data('MarkedMQL')).toMatchObject({
      mode: 'manual',
      total: 40_000,
      grade: 'C',
      reason: 'met at the fair',
    });
  });

  it('by product needs no more than the model’s own use of it', () => {
    const lead = given('LEAD').do('RecordBehaviour', behaviour('trial_started')).do('RecordBehaviour', behaviour('product_action', { count: 3 })); // prettier-ignore
    lead.do('WithdrawQualification', { reason: 'manual' }).do('MarkPQL', {});
    expect(lead.data('MarkedPQL')).toMatchObject({ mode: 'manual', total: 55_000 });
  });
});

describe('another model', () => {
  const easier = { thresholds: { mql: { minTotal: 40, minGrade: 'C' as const } } };
  const rescore = (lead: Scenario) => lead.do('RescoreLead');

  it('scores again at its activation, and marks who crosses by it', () => {
    const lead = rescore(nearly().underModel(easier));
    expect(lead.types()).toEqual(['LeadScored', 'MarkedMQL', 'HandedOffToSales', 'SlaClockStarted']);
    expect(lead.data('LeadScored')).toMatchObject({ cause: 'model_activated', modelVersion: 2 });
  });

  it('does so once, and not after something else has been scored under it', () => {
    expect(rescore(rescore(nearly().underModel(easier))).types()).toEqual([]);
  });

  it('marks nobody who was above before as well', () => {
    const lead = nearly()
      .do('RecordBehaviour', behaviour('demo_request'))
      .do('WithdrawQualification', { reason: 'manual' });
    expect(rescore(lead.underModel(easier)).types()).toEqual(['LeadScored']);
  });

  it('is the system’s to apply', () => {
    expect(nearly().underModel(easier).refused('RescoreLead', {}, person('ops')).code).toBe('FORBIDDEN_ROLE');
  });
});

describe('a replay of what is stored', () => {
  const kinds = ['page_view', 'guide', 'demo_request', 'pricing_page', 'product_action', 'trial_started', 'unsubscribe', 'case_study'] as const; // prettier-ignore
  const step = fc.record({
    kind: fc.constantFrom(...kinds),
    waitS: fc.integer({ min: 0, max: 20 * 86_400 }),
    lateS: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 6 * 86_400 })),
    other: fc.constantFrom<[] | ['IdentifyRole' | 'LogResponse' | 'RecycleLead', object]>([], [], ['IdentifyRole', DECIDER], ['LogResponse', { channel: 'email' }], ['RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' }]), // prettier-ignore
  });

  it('reproduces every recorded score and every mark exactly', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 3, maxLength: 25 }), (steps) => {
        const lead = given('LEAD');
        // Not on a whole second, as clocks are.
        lead.nowMs += 731;
        for (const { kind, lateS, other, waitS } of steps) {
          lead.nowMs += waitS * 1000 + 137;
          const occurredAt = lateS === 0 ? {} : { occurredAt: new Date(lead.nowMs - lateS * 1000).toISOString() };
          lead.do('RecordBehaviour', { kind, ...occurredAt });
          if (other[0] === 'RecycleLead' && lead.lead.state === 'MQL') lead.do('AcceptLead');
          if (other[0] === 'RecycleLead' ? lead.lead.state === 'SAL' : other[0] !== undefined)
            lead.do(other[0]!, other[1]);
        }
        let state = initialLead('lead');
        for (const [revision, { event, eventId }] of lead.stored.entries()) {
          const stored = JSON.parse(JSON.stringify(event)) as LeadEvent;
          if (stored.type === 'LeadScored') {
            const { modelId, modelVersion, occurredAt, ...recorded } = stored.data;
            const model = lead.models.get(modelId, modelVersion)!;
            const scored = { facts: factsOf(state), behaviours: state.behaviours };
            expect(recorded).toMatchObject(evaluate(model, scored, wholeSeconds(Date.parse(occurredAt))));
          }
          // When the store took it is of no account.
          state = evolve(state, stored, { eventId, revision, recordedAtMs: Date.now() });
        }
        expect(state.behaviours).toEqual(lead.lead.behaviours);
      }),
      { numRuns: 60 },
    );
  });
});
