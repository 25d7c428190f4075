import { describe, expect, it } from '@jest/globals';
import { given, type Scenario } from './given-when-then.js';

const AT = '2026-03-03T12:00:00.000Z';

/** A deal in its first stage, and a pipeline without that stage as of `AT`. */
function renamed(effectiveFrom = AT): Scenario {
  const lead = given('OPPORTUNITY');
  const { pipelineId: _, version: __, ...document } = lead.policies.pipeline('new_business', lead.nowMs);
  const [first, ...others] = document.dealStages;
  const dealStages = [{ ...first!, code: 'discovery' }, ...others];
  lead.configured('pipeline-default', 'PipelineDefined', { ...document, dealStages, version: 2, occurredAt: AT });
  const stageMapping = { meeting_booked: 'discovery' };
  return lead.configured('pipeline-default', 'PipelineActivated', {
    version: 2,
    effectiveFrom,
    stageMapping,
    occurredAt: AT,
  });
}

describe('A deal in a stage that a new pipeline version has removed', () => {
  it('moves with the first command under that version to where it was mapped', () => {
    const lead = renamed();
    lead.at('2026-03-03 11:59').do('ChangeCloseDate', { expectedCloseDate: '2026-07-01', reason: 'asked for' });
    expect(lead.lead.deal?.stage).toBe('meeting_booked');
    lead.at('2026-03-03 12:00').do('ChangeDealStage', { to: 'demo' });
    expect(lead.types()).toEqual(['DealStageChanged', 'DealStageChanged']);
    expect(lead.latest.map(({ data }) => data)).toMatchObject([
      { from: 'meeting_booked', to: 'discovery', reason: 'pipeline_version', skipped: [] },
      { from: 'discovery', to: 'demo', direction: 'forward', skipped: [] },
    ]);
  });

  it('moves once, also when nobody works on it', () => {
    const lead = renamed();
    lead.at('2026-03-03 13:00').sweep();
    expect(lead.lead.deal?.stage).toBe('discovery');
    lead.sweep();
    expect(lead.all('DealStageChanged')).toHaveLength(1);
  });

  it('moves although the command that came first is refused', () => {
    const lead = renamed();
    lead.at('2026-03-03 13:00').refused('ChangeDealStage', { to: 'nowhere' });
    expect(lead.lead.deal?.stage).toBe('discovery');
  });
});

describe('Readiness for handoffs', () => {
  it('is asked of everything that a handoff is judged by', () => {
    const lead = given('LEAD');
    lead.configured('icp-default', 'IcpRetired', { occurredAt: '2026-03-01T00:00:00.000Z', version: 1 });
    expect(lead.refused('MarkMQL', { reason: 'agreed criteria' })).toMatchObject({
      code: 'NOT_READY',
      facts: { missing: ['icp-default'] },
    });
  });
});
