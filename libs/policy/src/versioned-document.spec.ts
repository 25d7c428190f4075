import { describe, expect, it } from '@jest/globals';
import { defaultConfigEvents, defaultPipeline, standardAgreement } from './defaults.js';
import { type ConfigDocument, type DocumentKind, documentKinds } from './document-kinds.js';
import { PolicyError } from './errors.js';
import { PolicyBook } from './policy-book.js';
import type { OpenDeals } from './stages-in-use.js';
import { decideDocument, type DocumentCommand, evolveDocument, noVersions } from './versioned-document.js';

const NOW = '2026-11-22T18:00:00.000Z';

/** One stream under test beside the seeded configuration; what it refuses is told as its code. */
class Desk {
  readonly policies = new PolicyBook();
  state = noVersions;
  nowMs = Date.parse(NOW);
  openDeals: OpenDeals = [];

  constructor(
    readonly kind: DocumentKind,
    readonly id: string,
  ) {
    const stream = `${documentKinds[kind].category}-${id}`;
    for (const event of defaultConfigEvents(this.nowMs)) {
      this.policies.apply(event);
      if (event.stream === stream)
        this.state = evolveDocument(kind, this.state, { ...event, data: { ...event.data } }, 'seed');
    }
  }

  do(command: DocumentCommand): string {
    const { id, kind, nowMs, openDeals, policies } = this;
    const checkModel = (document: unknown) => document as ConfigDocument;
    try {
      const events = decideDocument(this.state, command, {
        id,
        kind,
        nowMs,
        openDeals,
        policies,
        checkModel,
        by: 'olga',
      });
      for (const event of events) {
        this.state = evolveDocument(kind, this.state, event, 'event');
        policies.apply({ stream: `${documentKinds[kind].category}-${id}`, ...event });
      }
      return events.map(({ type }) => type).join(' ') || 'nothing';
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      this.refusal = error;
      return error.code;
    }
  }
  refusal: PolicyError | null = null;

  draft = (document: object) => this.do({ act: 'draft', document: { ...document } });
  approve = (version: number, party: 'marketing' | 'sales') => this.do({ act: 'approve', version, party });
  activate = (version: number, more: object = {}) => this.do({ act: 'activate', version, ...more });
  retire = (version: number) => this.do({ act: 'retire', version });
  approveBoth(version: number): void {
    this.approve(version, 'marketing');
    this.approve(version, 'sales');
  }
}

describe('A service agreement', () => {
  const stricter = { ...standardAgreement, acceptanceTarget: 0.95 };

  it('comes into force once both teams have approved it, and its predecessor was in force until then', () => {
    const desk = new Desk('agreements', 'standard');
    expect(desk.draft(stricter)).toBe('AgreementDrafted');
    expect(desk.activate(2)).toBe('AGREEMENT_NOT_COUNTERSIGNED');
    expect(desk.refusal?.facts).toEqual({ missing: ['marketing', 'sales'] });
    expect(desk.approve(2, 'marketing')).toBe('AgreementApproved');
    expect(desk.activate(2)).toBe('AGREEMENT_NOT_COUNTERSIGNED');
    expect(desk.refusal?.facts).toEqual({ missing: ['sales'] });
    expect(desk.policies.agreementForTeam('sales', desk.nowMs)?.version).toBe(1);
    expect(desk.approve(2, 'sales')).toBe('AgreementApproved');
    expect(desk.activate(2)).toBe('AgreementActivated');
    expect(desk.policies.agreementForTeam('sales', desk.nowMs)?.acceptanceTarget).toBe(0.95);
    expect(desk.policies.agreementForTeam('sales', desk.nowMs - 1)?.acceptanceTarget).toBe(0.9);
  });

  it('is not changed once it was activated', () => {
    const desk = new Desk('agreements', 'standard');
    expect(desk.activate(1)).toBe('VERSION_IMMUTABLE');
    expect(desk.do({ act: 'draft', document: stricter, version: 1 })).toBe('VERSION_IMMUTABLE');
    expect(desk.do({ act: 'draft', document: stricter, version: 3 })).toBe('VALIDATION_FAILED');
    expect(desk.do({ act: 'draft', document: stricter, version: 2 })).toBe('AgreementDrafted');
  });

  it('is approved once by each party; asking again changes nothing', () => {
    const desk = new Desk('agreements', 'standard');
    desk.draft(stricter);
    expect(desk.approve(2, 'sales')).toBe('AgreementApproved');
    expect(desk.approve(2, 'sales')).toBe('nothing');
    expect(desk.approve(7, 'sales')).toBe('UNKNOWN_VERSION');
  });

  it('replaces a draft nobody wants by a new one, which both must approve anew', () => {
    const desk = new Desk('agreements', 'standard');
    desk.draft(stricter);
    desk.approveBoth(2);
    desk.draft({ ...stricter, acceptanceTarget: 0.8 });
    expect(desk.activate(3)).toBe('AGREEMENT_NOT_COUNTERSIGNED');
    desk.approveBoth(3);
    expect(desk.activate(3)).toBe('AgreementActivated');
  });

  it('must define the ten terms', () => {
    const desk = new Desk('agreements', 'standard');
    const definitions = standardAgreement.definitions.filter(({ term }) => term !== 'SAL' && term !== 'deal stages');
    desk.draft({ ...stricter, definitions, goals: [] });
    desk.approveBoth(2);
    expect(desk.activate(2)).toBe('AGREEMENT_INCOMPLETE');
    expect(desk.refusal?.facts).toEqual({ missing: ['goals', 'deal stages', 'SAL'] });
  });

  it('promises no clock on a calendar that is not in force', () => {
    const desk = new Desk('agreements', 'standard');
    const [clock] = standardAgreement.clocks;
    desk.draft({ ...stricter, clocks: [{ ...clock!, calendarId: 'nights' }] });
    desk.approveBoth(2);
    expect(desk.activate(2)).toBe('UNKNOWN_CALENDAR');
  });
});

describe('The time from which a version is in force', () => {
  const open = (from: string) => ({ timeZone: 'UTC', weekly: [{ weekday: 1, from, to: '17:00' }] });

  it('may lie ahead; until then the one before is in force', () => {
    const desk = new Desk('calendars', 'office');
    desk.draft(open('08:00'));
    expect(desk.activate(2, { effectiveFrom: '2027-01-01T00:00:00.000Z' })).toBe('CalendarActivated');
    const at = (iso: string) => desk.policies.calendarInForce('office', Date.parse(iso))?.version;
    expect(at('2026-12-31T23:59:59.999Z')).toBe(1);
    expect(at('2027-01-01T00:00:00.000Z')).toBe(2);
  });

  it('may lie back, so that history is imported under it, but not before its predecessor', () => {
    const desk = new Desk('calendars', 'office');
    desk.draft(open('08:00'));
    desk.draft(open('07:00'));
    expect(desk.activate(2, { effectiveFrom: '2018-01-01T00:00:00.000Z' })).toBe('CalendarActivated');
    expect(desk.activate(3, { effectiveFrom: '2017-12-31T00:00:00.000Z' })).toBe('OUT_OF_ORDER');
    expect(desk.activate(3, { effectiveFrom: '2018-01-01T00:00:00.000Z' })).toBe('CalendarActivated');
    expect(desk.policies.calendarInForce('office', Date.parse('2018-06-01T00:00:00.000Z'))?.version).toBe(3);
  });

  it('lies at most ten years back', () => {
    const desk = new Desk('calendars', 'office');
    desk.draft(open('08:00'));
    expect(desk.activate(2, { effectiveFrom: '2010-01-01T00:00:00.000Z' })).toBe('BACKDATE_LIMIT_EXCEEDED');
  });

  it('ends with its retirement; a version that was yet to come never does', () => {
    const desk = new Desk('calendars', 'office');
    desk.draft(open('08:00'));
    desk.activate(2, { effectiveFrom: '2027-01-01T00:00:00.000Z' });
    const next = Date.parse('2027-01-02T00:00:00.000Z');
    expect(desk.retire(2)).toBe('CalendarRetired');
    expect(desk.policies.calendarInForce('office', next)?.version).toBe(1);
    expect(desk.retire(1)).toBe('CalendarRetired');
    expect(desk.policies.calendarInForce('office', next)).toBeNull();
    expect(desk.retire(1)).toBe('nothing');
    desk.draft(open('07:00'));
    expect(desk.retire(3)).toBe('VALIDATION_FAILED');
  });
});

describe('A calendar', () => {
  it('needs no approval and is refused when its hours overlap or its zone does not exist', () => {
    const desk = new Desk('calendars', 'berlin');
    const hours = (from: string, to: string) => ({ weekday: 1, from, to });
    const zoned = (timeZone: string, weekly: object[]) => desk.draft({ timeZone, weekly });
    expect(zoned('Europe/Berlin', [hours('09:00', '12:00'), hours('11:00', '17:00')])).toBe('CALENDAR_INVALID');
    expect(zoned('Europe/Berlin', [hours('17:00', '09:00')])).toBe('CALENDAR_INVALID');
    expect(zoned('Europe/Atlantis', [hours('09:00', '17:00')])).toBe('TIME_ZONE_INVALID');
    expect(zoned('Europe/Berlin', [hours('09:00', '17:00')])).toBe('CalendarDefined');
    expect(desk.state.drafts).toHaveLength(1);
    expect(desk.approve(1, 'sales')).toBe('nothing');
    expect(desk.activate(1)).toBe('CalendarActivated');
  });
});

describe('A pipeline', () => {
  const [booked, demo, ...later] = defaultPipeline.dealStages;
  const withoutDemo = { ...defaultPipeline, dealStages: [booked!, ...later] };
  const inDemo = { leadType: 'new_business', stage: 'demo', deals: 3 };

  it('does not lose a stage in which deals stand, unless it says where they go', () => {
    const desk = new Desk('pipelines', 'default');
    desk.openDeals = [inDemo, { leadType: 'new_business', stage: 'negotiation', deals: 1 }];
    desk.draft(withoutDemo);
    expect(desk.activate(2)).toBe('STAGE_IN_USE');
    expect(desk.refusal?.facts).toEqual({ stages: [{ stage: 'demo', deals: 3 }] });
    expect(desk.activate(2, { stageMapping: { demo: 'nowhere' } })).toBe('VALIDATION_FAILED');
    expect(desk.activate(2, { stageMapping: { negotiation: 'meeting_booked' } })).toBe('VALIDATION_FAILED');
    expect(desk.activate(2, { stageMapping: { demo: 'quote_development' } })).toBe('PipelineActivated');
    expect(desk.policies.stageNow('demo', 'new_business', desk.nowMs)).toBe('quote_development');
    expect(desk.policies.stageNow('demo', 'new_business', desk.nowMs - 1)).toBe('demo');
  });

  it('may lose a stage in which no deal stands, at once but not at a later time', () => {
    const desk = new Desk('pipelines', 'default');
    desk.draft(withoutDemo);
    expect(desk.activate(2, { effectiveFrom: '2027-01-01T00:00:00.000Z' })).toBe('STAGE_IN_USE');
    expect(desk.activate(2)).toBe('PipelineActivated');
    expect(desk.policies.stageNow('demo', 'new_business', desk.nowMs)).toBeNull();
  });

  it('that takes over a lead type is judged by the deals of that type', () => {
    const desk = new Desk('pipelines', 'upsell');
    desk.openDeals = [inDemo, { leadType: 'existing_customer', stage: 'demo', deals: 1 }];
    desk.draft({ ...withoutDemo, leadTypes: ['existing_customer'] });
    expect(desk.activate(1)).toBe('STAGE_IN_USE');
    expect(desk.refusal?.facts).toEqual({ stages: [{ stage: 'demo', deals: 1 }] });
    expect(desk.activate(1, { stageMapping: { demo: 'negotiation' } })).toBe('PipelineActivated');
    expect(desk.policies.stageNow('demo', 'existing_customer', desk.nowMs)).toBe('negotiation');
    expect(desk.policies.stageNow('demo', 'new_business', desk.nowMs)).toBe('demo');
  });

  it('follows mappings through several versions', () => {
    const desk = new Desk('pipelines', 'default');
    desk.draft(withoutDemo);
    desk.activate(2, { stageMapping: { demo: 'quote_development' } });
    desk.draft({ ...defaultPipeline, dealStages: [booked!, { ...demo!, code: 'offer', winProbability: 0.8 }] });
    const stageMapping = Object.fromEntries(later.map(({ code }) => [code, 'offer']));
    desk.nowMs += 1;
    expect(desk.activate(3, { stageMapping })).toBe('PipelineActivated');
    expect(desk.policies.stageNow('demo', 'new_business', desk.nowMs)).toBe('offer');
  });

  it('is refused with probabilities that fall, and for a lead type or a team it cannot have', () => {
    const desk = new Desk('pipelines', 'upsell');
    expect(desk.draft({ ...defaultPipeline, dealStages: [{ ...booked!, winProbability: 0.99 }, demo!] })).toBe(
      'PROBABILITY_NOT_MONOTONE',
    );
    desk.draft({ ...defaultPipeline, defaultTeamId: 'nobody' });
    expect(desk.activate(1)).toBe('UNKNOWN_TEAM');
    expect(new Desk('pipelines', 'default').retire(1)).toBe('PIPELINE_IN_USE');
  });
});

describe('An ICP and a persona', () => {
  it('need both approvals like the agreement', () => {
    const icp = new Desk('icps', 'default');
    expect(icp.draft({ industries: ['energy'], hardCriteria: ['industry'] })).toBe('IcpDrafted');
    expect(icp.activate(2)).toBe('AGREEMENT_NOT_COUNTERSIGNED');
    icp.approveBoth(2);
    expect(icp.activate(2)).toBe('IcpActivated');
    expect(icp.policies.icp(icp.nowMs)?.industries).toEqual(['energy']);
    expect(icp.policies.icp(icp.nowMs - 1)?.industries).toEqual([]);
  });

  it('are refused when a hard criterion asks for nothing, or the ICP is not in force', () => {
    expect(new Desk('icps', 'default').draft({ hardCriteria: ['industry'] })).toBe('VALIDATION_FAILED');
    expect(new Desk('icps', 'default').draft({ employees: { min: 9, max: 3 } })).toBe('VALIDATION_FAILED');
    const persona = new Desk('personas', 'pia');
    persona.draft({ name: 'Pia', icpId: 'other' });
    persona.approveBoth(1);
    expect(persona.activate(1)).toBe('UNKNOWN_ICP');
    persona.draft({ name: 'Pia', goals: ['less downtime'] });
    persona.approveBoth(2);
    expect(persona.activate(2)).toBe('PersonaActivated');
    expect(persona.policies.personas(persona.nowMs)).toMatchObject([{ personaId: 'pia', version: 2, name: 'Pia' }]);
  });
});
