import { describe, expect, it } from '@jest/globals';
import { absorptionOf, consentsOf, effectiveCapturedAtMs, handRaisesOf, MOST_CARRIED } from './absorption.js';
import { possibleCommands } from './decide.js';
import { given, instant, person, Scenario, ts, YES, type Stage } from './given-when-then.js';
import { initialLead, type LeadState } from './state.js';

/** The survivor is told what the merge process would tell it. */
const about = (survivor: Scenario, duplicate: Scenario, mergeId = 'm1'): Scenario => {
  survivor.duplicate = { mergeId, lead: duplicate.lead, absorption: absorptionOf(duplicate.stored) };
  return survivor;
};
const duplicateLeadId = 'dup';
const merge = (survivor: Scenario, duplicate: Scenario, mergeId = 'm1'): void => {
  about(survivor, duplicate, mergeId).do('MergeLeads', { duplicateLeadId: duplicate.lead.leadId });
  duplicate.do('CompleteMerge', { mergeId, survivorLeadId: survivor.lead.leadId });
};
const unmerge = (survivor: Scenario, duplicate: Scenario, mergeId = 'm1'): void => {
  survivor.do('UnmergeLeads', { mergeId });
  duplicate.do('RevertMerge', { mergeId });
};
/** All but the trace that every event leaves. */
const seen = ({ history: _, revision: __, ...lead }: LeadState) => lead;

describe('merging a duplicate', () => {
  it('gives the survivor what the duplicate knew, without anything personal', () => {
    const duplicate = given('LEAD', 'dup')
      .do('RecordBehaviour', {
        kind: 'demo_request',
        url: 'https://secret.example/ann',
        topicCode: 'pricing',
        count: 2,
      })
      .do('RecordBehaviour', { kind: 'email_click', campaignId: 'spring' })
      .do('LogResponse', { channel: 'email', note: 'secret words' })
      .do('LogContactAttempt', { channel: 'phone', outcome: 'voicemail' });
    const survivor = given('MQL');
    merge(survivor, duplicate);
    const data = survivor.data('DuplicateAbsorbed');
    expect(data).toMatchObject({
      duplicateLeadId,
      duplicateRevision: duplicate.stored.findIndex(({ event }) => event.type === 'MergedInto') - 1,
      touches: [
        { kind: 'capture', channel: 'search' },
        { kind: 'behaviour', campaignId: 'spring' },
      ],
      behaviours: [
        { kind: 'demo_request', count: 2, topicCode: 'pricing' },
        { kind: 'email_click', campaignId: 'spring' },
        { kind: 'reply', count: 1 },
      ],
      contact: { attempts: 1, responses: 1, lastContactAt: ts('2026-03-02 10:00') },
    });
    expect(JSON.stringify(data)).not.toMatch(/secret|ann@/);
  });

  it('leaves the survivor its state and history', () => {
    const survivor = given('SAL');
    const { absorbed: _, ...before } = seen(survivor.lead);
    merge(survivor, given('LEAD', 'dup'));
    const { absorbed, ...after } = seen(survivor.lead);
    expect(after).toEqual(before);
    expect(absorbed).toMatchObject([{ mergeId: 'm1', duplicateLeadId }]);
  });

  it('ends the duplicate as a lead: merged, off hold, without offer or running promise', () => {
    const held = given('SAL', 'dup').do('PutOnHold', { reasonCode: 'legal_review' });
    merge(given('SQL'), held);
    expect(held.lead).toMatchObject({
      state: 'MERGED',
      onHold: null,
      deal: null,
      mergedInto: { survivorLeadId: 'lead' },
    });
    expect(held.data('SlaClockCancelled')).toMatchObject({ reason: 'merged' });
    expect(held.data('MergedInto')).toMatchObject({ fromState: 'SAL', toState: 'MERGED', cycleNo: 1, stageVisitNo: 4 });

    const offered = given('MQL', 'dup');
    expect(offered.lead.openHandoff).not.toBeNull();
    merge(given('MQL'), offered);
    expect(offered.lead.openHandoff).toBeNull();
    expect([...offered.lead.clocks.values()].map(({ status }) => status)).toEqual(['cancelled']);
  });

  it('settles what the duplicate had broken before', () => {
    const duplicate = given('MQL', 'dup').at('2026-03-03 12:00');
    const survivor = given('MQL').at('2026-03-03 12:00');
    merge(survivor, duplicate);
    expect(duplicate.types()).toEqual(['SlaBreached', 'MergedInto', 'SlaClockCancelled']);
  });

  it('lets no later command reach the duplicate and says where to go', () => {
    const duplicate = given('LEAD', 'dup');
    merge(given('LEAD'), duplicate);
    for (const [name, body] of [
      ['RecordBehaviour', { kind: 'page_view' }],
      ['MarkMQL', { reason: 'r' }],
      ['UnmergeLeads', {}],
      ['MergeLeads', { duplicateLeadId: 'x' }],
      ['DisqualifyLead', { reasonCode: 'no_need' }],
    ] as const) {
      const refusal = duplicate.refused(name, body, person('admin'));
      expect(refusal).toMatchObject({
        code: 'LEAD_MERGED',
        status: 409,
        facts: { survivorLeadId: 'lead', leadId: 'dup' },
      });
    }
    expect(duplicate.sweep().types()).toEqual([]);
  });

  it('dates the person back to whichever capture was first', () => {
    const earlier = new Scenario();
    earlier.lead = initialLead('dup');
    earlier.at('2026-02-20 08:00').do('CaptureLead', { person: { email: 'a@example.com' }, source: { channel: 'social' }, consents: [{ purpose: 'phone', basis: 'consent' }] }); // prettier-ignore
    const survivor = given('LEAD');
    merge(survivor, earlier.at('2026-03-02 10:00'));
    expect(survivor.data('DuplicateAbsorbed').effectiveCapturedAt).toBe(ts('2026-02-20 08:00'));
    expect(effectiveCapturedAtMs(survivor.lead)).toBe(instant('2026-02-20 08:00'));

    const other = given('LEAD');
    const later = given('LEAD', 'dup');
    other.at('2026-03-03 10:00');
    merge(other, later.at('2026-03-03 10:00'));
    expect(effectiveCapturedAtMs(other.lead)).toBe(instant('2026-03-02 10:00'));
  });

  it('counts a hand-raise that reached the duplicate as the person’s', () => {
    const survivor = given('LEAD');
    expect(survivor.refused('MarkSQL', { qualification: YES, skipRule: 'inbound_hand_raise' }).code).toBe(
      'STAGE_SKIP_NOT_ALLOWED',
    );
    merge(survivor, given('LEAD', 'dup').do('RecordBehaviour', { kind: 'pricing_request' }));
    expect(handRaisesOf(survivor.lead)).toHaveLength(1);
    survivor.do('MarkSQL', { qualification: YES, skipRule: 'inbound_hand_raise' });
    expect(survivor.lead.state).toBe('SQL');
  });

  it('takes over what the duplicate had absorbed itself', () => {
    const first = given('LEAD', 'first').do('RecordBehaviour', { kind: 'guide' });
    const second = given('LEAD', 'second').do('RecordBehaviour', { kind: 'webinar_attended' });
    merge(second, first, 'm0');
    const survivor = given('LEAD');
    merge(survivor, second, 'm1');
    const { behaviours, touches } = survivor.data('DuplicateAbsorbed');
    expect(behaviours.map(({ kind }) => kind).sort()).toEqual(['guide', 'webinar_attended']);
    expect(touches).toHaveLength(2);
  });

  it('carries the newest facts of a very long life and says how many it left out', () => {
    const duplicate = given('LEAD', 'dup');
    for (let n = 0; n < MOST_CARRIED + 3; n += 1)
      duplicate.do('RecordBehaviour', { kind: 'page_view', topicCode: `t${n}` });
    const { behaviours, omitted } = absorptionOf(duplicate.stored);
    expect([behaviours.length, behaviours[0]?.topicCode, omitted]).toEqual([MOST_CARRIED, 't3', 3]);
  });

  it('is no second absorption when the process repeats its step, and a fuller one when the duplicate moved on', () => {
    const survivor = given('LEAD');
    const duplicate = given('LEAD', 'dup');
    about(survivor, duplicate).do('MergeLeads', { duplicateLeadId });
    about(survivor, duplicate).do('MergeLeads', { duplicateLeadId });
    expect(survivor.types()).toEqual([]);
    duplicate.do('RecordBehaviour', { kind: 'guide' });
    about(survivor, duplicate).do('MergeLeads', { duplicateLeadId });
    expect(survivor.lead.absorbed).toHaveLength(1);
    expect(survivor.lead.absorbed[0]).toMatchObject({ duplicateRevision: 1, behaviours: [{ kind: 'guide' }] });
  });
});

describe('what the person has forbidden', () => {
  const unsubscribed = () => given('LEAD', 'dup').do('WithdrawConsent', { purpose: 'email_marketing' });
  const mail = { channel: 'email', outcome: 'sent', oneToOne: false, automated: true };

  it('on the duplicate is forbidden on the survivor, until it is allowed anew', () => {
    const survivor = given('LEAD').do('LogContactAttempt', mail);
    merge(survivor, unsubscribed());
    expect(consentsOf(survivor.lead).get('email_marketing')).toBe('withdrawn');
    expect(survivor.refused('LogContactAttempt', mail).code).toBe('NO_CONSENT');
    survivor.do('RecordConsent', { purpose: 'email_marketing', basis: 'consent' }).do('LogContactAttempt', mail);
  });

  it('goes back with the duplicate, unless the survivor was told so too', () => {
    const [told, untold] = [given('LEAD'), given('LEAD')];
    for (const survivor of [told, untold]) {
      const duplicate = unsubscribed();
      merge(survivor, duplicate);
      if (survivor === told) survivor.do('RecordBehaviour', { kind: 'unsubscribe' });
      unmerge(survivor, duplicate);
    }
    expect(untold.lead.consents.get('email_marketing')).toBe('granted');
    expect(told.lead.consents.get('email_marketing')).toBe('withdrawn');
  });

  it('and allowed again before the merge is allowed, also on a lead absorbed earlier', () => {
    const again = unsubscribed().do('RecordConsent', { purpose: 'email_marketing', basis: 'consent' });
    expect(absorptionOf(again.stored).withdrawnConsents).toBeUndefined();
    const middle = given('LEAD', 'middle');
    merge(middle, unsubscribed(), 'm0');
    expect(absorptionOf(middle.stored).withdrawnConsents).toEqual(['email_marketing']);
    middle.do('RecordConsent', { purpose: 'email_marketing', basis: 'consent' });
    expect(absorptionOf(middle.stored).withdrawnConsents).toBeUndefined();
  });
});

describe('a merge is refused', () => {
  const refusal = (survivor: Scenario, duplicate: Scenario, body: object = {}, by = person('ops')) =>
    about(survivor, duplicate).refused('MergeLeads', { duplicateLeadId: duplicate.lead.leadId, ...body }, by);

  it.each(['marketing', 'sales_manager', 'integration', 'analyst'] as const)('to role %s', (role) => {
    expect(refusal(given('LEAD'), given('LEAD', 'dup'), {}, person(role)).code).toBe('FORBIDDEN_ROLE');
  });

  it('of a lead with itself', () => {
    expect(refusal(given('LEAD'), given('LEAD')).code).toBe('MERGE_SAME_LEAD');
  });

  it('of a lead that there is not', () => {
    expect(given('LEAD').refused('MergeLeads', { duplicateLeadId: 'nobody' })).toMatchObject({
      code: 'LEAD_NOT_FOUND',
      status: 404,
      facts: { leadId: 'nobody' },
    });
  });

  it('when the body names another survivor than the path', () => {
    expect(refusal(given('LEAD'), given('LEAD', 'dup'), { survivorLeadId: 'dup' })).toMatchObject({
      code: 'VALIDATION_FAILED',
      facts: { fields: [{ field: 'survivorLeadId' }] },
    });
  });

  it.each<[Stage, Stage]>([
    ['SUBSCRIBER', 'LEAD'],
    ['MQL', 'SAL'],
    ['RECYCLED', 'LEAD'],
    ['LOST', 'MQL'],
  ])('when the survivor is %s and the duplicate %s', (survivor, duplicate) => {
    expect(refusal(given(survivor), given(duplicate, 'dup')).code).toBe('MERGE_SURVIVOR_LESS_ADVANCED');
  });

  it.each<[Stage, Stage]>([
    ['SUBSCRIBER', 'LOST'],
    ['LEAD', 'RECYCLED'],
    ['JUNK', 'DISQUALIFIED'],
    ['CUSTOMER', 'OPPORTUNITY'],
    ['SQL', 'SQL'],
  ])('not when the survivor is %s and the duplicate %s', (survivor, duplicate) => {
    const dup = given(duplicate, 'dup');
    merge(given(survivor), dup);
    expect(dup.lead.state).toBe('MERGED');
  });

  it('while both have an open deal, also one that is back in qualification', () => {
    expect(refusal(given('OPPORTUNITY'), given('OPPORTUNITY', 'dup')).code).toBe('MERGE_BOTH_HAVE_OPEN_DEALS');
    const back = given('OPPORTUNITY', 'dup').do('ReturnToQualification', { reasonCode: 'budget_lost' });
    expect(refusal(given('OPPORTUNITY'), back).code).toBe('MERGE_BOTH_HAVE_OPEN_DEALS');
  });

  it('when the duplicate is merged already', () => {
    const duplicate = given('LEAD', 'dup');
    merge(given('LEAD', 'first'), duplicate, 'm0');
    expect(refusal(given('LEAD'), duplicate)).toMatchObject({
      code: 'LEAD_MERGED',
      facts: { survivorLeadId: 'first' },
    });
  });

  it('while another command merges the two, whichever way round', () => {
    const survivor = given('LEAD');
    const duplicate = given('LEAD', 'dup');
    about(survivor, duplicate, 'm1').do('MergeLeads', { duplicateLeadId });
    about(survivor, duplicate, 'm2');
    expect(survivor.refused('MergeLeads', { duplicateLeadId }).code).toBe('CONFLICT');
    expect(refusal(duplicate, survivor).code).toBe('CONFLICT');
  });
});

describe('taking a merge back', () => {
  it.each<[Stage, Stage]>([
    ['LEAD', 'SUBSCRIBER'],
    ['MQL', 'MQL'],
    ['SQL', 'SAL'],
    ['CUSTOMER', 'OPPORTUNITY'],
    ['OPPORTUNITY', 'RECYCLED'],
  ])('makes a %s survivor and a %s duplicate what they were', (a, b) => {
    const [survivor, duplicate] = [given(a), given(b, 'dup')];
    const before = [seen(survivor.lead), seen(duplicate.lead)];
    merge(survivor, duplicate);
    unmerge(survivor, duplicate);
    expect([seen(survivor.lead), seen(duplicate.lead)]).toEqual(before);
    expect([seen(survivor.refold()), seen(duplicate.refold())]).toEqual(before);
  });

  it('gives the duplicate its hold, its offer and its clocks back, paused ones paused', () => {
    const duplicate = given('SAL', 'dup').do('PutOnHold', { reasonCode: 'legal_review' });
    const survivor = given('SAL');
    const before = seen(duplicate.lead);
    merge(survivor, duplicate);
    unmerge(survivor, duplicate);
    expect(seen(duplicate.lead)).toEqual(before);
    expect(duplicate.data('MergeReverted')).toMatchObject({ restoredState: 'SAL', cause: 'unmerged' });
    duplicate.do('ResumeFromHold');
    expect(duplicate.types()).toContain('SlaClockResumed');
  });

  it('breaks the promises that ran out while the duplicate was merged', () => {
    const [survivor, duplicate] = [given('MQL'), given('MQL', 'dup')];
    merge(survivor, duplicate);
    for (const lead of [survivor, duplicate]) lead.at('2026-03-09 10:00');
    unmerge(survivor, duplicate);
    expect(duplicate.sweep().data('SlaBreached').dueAt).toBe(ts('2026-03-03 10:00'));
  });

  it('keeps what happened on the survivor since', () => {
    const [survivor, duplicate] = [given('LEAD'), given('LEAD', 'dup')];
    const alone = given('LEAD');
    merge(survivor, duplicate);
    for (const lead of [survivor, alone]) lead.at('2026-03-04 10:00').do('RecordConsent', { purpose: 'phone', basis: 'consent' }).do('MarkMQL', { reason: 'fits' }); // prettier-ignore
    unmerge(survivor, duplicate.at('2026-03-04 10:00'));
    expect(survivor.lead).toMatchObject({ state: alone.lead.state, absorbed: [], cycleNo: 1 });
    expect(survivor.lead.consents).toEqual(alone.lead.consents);
    expect(survivor.lead.visits.map(({ state }) => state)).toEqual(['LEAD', 'MQL']);
  });

  it('of one of two duplicates leaves the other', () => {
    const survivor = given('LEAD');
    const [one, two] = [given('LEAD', 'one'), given('LEAD', 'two').do('RecordBehaviour', { kind: 'guide' })];
    merge(survivor, one, 'm1');
    merge(survivor, two, 'm2');
    expect(survivor.refused('UnmergeLeads').code).toBe('VALIDATION_FAILED');
    survivor.do('UnmergeLeads', { duplicateLeadId: 'one' });
    expect(survivor.lead.absorbed.map(({ mergeId }) => mergeId)).toEqual(['m2']);
  });

  it('is possible for 30 days, and only while there is a merge', () => {
    const [survivor, duplicate] = [given('LEAD'), given('LEAD', 'dup')];
    expect(survivor.refused('UnmergeLeads').code).toBe('NOT_MERGED');
    merge(survivor, duplicate);
    expect(survivor.at('2026-04-01 10:01').refused('UnmergeLeads', { duplicateLeadId })).toMatchObject({
      code: 'UNMERGE_TOO_LATE',
      status: 422,
    });
    survivor.at('2026-04-01 10:00').do('UnmergeLeads', { duplicateLeadId });
    expect(survivor.refused('UnmergeLeads', { duplicateLeadId }).code).toBe('NOT_MERGED');
  });

  it('lets the two be merged again, the other way round too', () => {
    const [survivor, duplicate] = [given('LEAD'), given('LEAD', 'dup')];
    merge(survivor, duplicate);
    unmerge(survivor, duplicate);
    merge(duplicate, survivor, 'm2');
    expect([survivor.lead.state, duplicate.lead.state]).toEqual(['MERGED', 'LEAD']);
  });

  it('that was never completed only touches the survivor', () => {
    const survivor = given('LEAD');
    const before = seen(survivor.lead);
    about(survivor, given('LEAD', 'dup')).do('MergeLeads', { duplicateLeadId });
    survivor.do('RevertMerge', { mergeId: 'm1', reason: 'merged elsewhere' });
    expect(survivor.data('MergeReverted').cause).toBe('given_up');
    expect(seen(survivor.lead)).toEqual(before);
  });
});

describe('two people held for one', () => {
  it('once told apart are not suspected again', () => {
    const lead = given('LEAD').do('SuspectDuplicate', { candidateLeadId: 'dup', basis: ['same_phone'] });
    lead.do('DismissDuplicate', { candidateLeadId: 'DUP' });
    expect(lead.types()).toEqual(['DuplicateDismissed']);
    for (const name of ['DismissDuplicate', 'SuspectDuplicate'] as const) {
      lead.do(name, { candidateLeadId: 'dup', ...(name === 'SuspectDuplicate' ? { basis: ['same_phone'] } : {}) });
      expect(lead.types()).toEqual([]);
    }
    expect(lead.refused('DismissDuplicate', { candidateLeadId: 'lead' }).code).toBe('MERGE_SAME_LEAD');
  });

  it('are offered to be merged or told apart until they are', () => {
    const names = ['MergeLeads', 'DismissDuplicate', 'UnmergeLeads'] as const;
    const offered = ({ lead }: Scenario) => names.filter((name) => possibleCommands(lead).includes(name));
    const lead = given('LEAD');
    expect(offered(lead)).toEqual([]);
    lead.do('SuspectDuplicate', { candidateLeadId: 'dup', basis: ['same_phone'] });
    expect(offered(lead)).toEqual(['MergeLeads', 'DismissDuplicate']);
    merge(lead, given('LEAD', 'dup'));
    expect(offered(lead)).toEqual(['UnmergeLeads']);
  });
});
