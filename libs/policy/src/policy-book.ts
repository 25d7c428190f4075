import { BusinessCalendar } from './business-calendar.js';
import { checkAgreement, checkPipeline } from './check-documents.js';
import {
  configEventSchemas,
  isConfigEventType,
  type Agreement,
  type CLOCK_TYPES,
  type ClockRule,
  type ConfigEvent,
  type Icp,
  type Pipeline,
  type Rep,
  type Team,
} from './documents.js';
import { PolicyError } from './errors.js';

/** The pipeline of every lead type that no other pipeline names. */
export const DEFAULT_PIPELINE_ID = 'default';
/** The ICP that accounts are judged by when none is named. */
const DEFAULT_ICP_ID = 'default';

/** The versions of one document and since when each has been in force. */
class Versions<D> {
  private readonly documents = new Map<number, D>();
  private readonly activated = new Set<number>();
  /** Ascending by `fromMs`; null = retired from then on. Of two with one `fromMs` the later recorded one holds. */
  private readonly spans: { readonly fromMs: number; readonly version: number | null }[] = [];

  define(version: number, document: D): void {
    // Immutable after activation (spec §2.4): a later definition of the number changes nothing that ran under it.
    if (!this.activated.has(version)) this.documents.set(version, document);
  }

  activate(version: number | null, fromMs: number): void {
    if (version !== null) this.activated.add(version);
    let at = this.spans.length;
    while (at > 0 && this.spans[at - 1]!.fromMs > fromMs) at--;
    this.spans.splice(at, 0, { fromMs, version });
  }

  get(version: number): D | null {
    return this.documents.get(version) ?? null;
  }

  inForce(atMs: number): D | null {
    for (let i = this.spans.length - 1; i >= 0; i--) {
      const { fromMs, version } = this.spans[i]!;
      if (fromMs <= atMs) return version === null ? null : this.get(version);
    }
    return null;
  }
}

/** What one clock of one team runs under at a moment. */
export type ClockPolicy = {
  readonly agreement: Agreement;
  readonly rule: ClockRule;
  readonly calendar: BusinessCalendar;
};

/**
 * The configuration in force at any moment: the fold of the configuration streams, in log order, without I/O or clock.
 * Every answer is effective-dated (greatest `effectiveFrom` ≤ t, spec §2.4); versions are immutable once activated.
 */
export class PolicyBook {
  private readonly calendars = new Map<string, Versions<BusinessCalendar>>();
  private readonly agreements = new Map<string, Versions<Agreement>>();
  private readonly pipelines = new Map<string, Versions<Pipeline>>();
  private readonly icps = new Map<string, Versions<Icp>>();
  private readonly teamsById = new Map<string, Team>();
  private readonly repsById = new Map<string, Rep>();

  /**
   * Folds one event of a configuration stream; other types are ignored. `stream` is `<category>-<id>`.
   * @throws ZodError for a payload that is not of its schema, PolicyError for a document that contradicts itself; the book
   *   is then unchanged, so a draft can be tried on one
   */
  apply(event: { readonly stream: string; readonly type: string; readonly data: unknown }): void {
    if (!isConfigEventType(event.type)) return;
    const data = configEventSchemas[event.type].parse(event.data);
    this.fold(event.stream.slice(event.stream.indexOf('-') + 1), { type: event.type, data } as ConfigEvent);
  }

  private fold(id: string, { type, data }: ConfigEvent): void {
    switch (type) {
      case 'CalendarDefined':
        return versionsOf(this.calendars, id).define(data.version, new BusinessCalendar(id, data.version, data));
      case 'CalendarActivated':
        return versionsOf(this.calendars, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'AgreementDrafted':
        checkAgreement(data);
        return versionsOf(this.agreements, id).define(data.version, { ...data, agreementId: id });
      case 'AgreementApproved':
        // Whether a draft may be activated is asked by the activating command; an activation in the log is a fact.
        return;
      case 'AgreementActivated':
        return versionsOf(this.agreements, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'AgreementRetired':
        return versionsOf(this.agreements, id).activate(null, Date.parse(data.occurredAt));
      case 'PipelineDefined':
        checkPipeline(data);
        return versionsOf(this.pipelines, id).define(data.version, { ...data, pipelineId: id });
      case 'PipelineActivated':
        return versionsOf(this.pipelines, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'IcpDrafted':
        return versionsOf(this.icps, id).define(data.version, { ...data, icpId: id });
      case 'IcpApproved':
        return;
      case 'IcpActivated':
        return versionsOf(this.icps, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'IcpRetired':
        return versionsOf(this.icps, id).activate(null, Date.parse(data.occurredAt));
      case 'TeamDefined':
        this.teamsById.set(id, { ...data, teamId: id });
        return;
      case 'RepJoined':
        this.repsById.set(data.repId, { ...data, active: true });
        return;
      case 'RepLeft': {
        const rep = this.repsById.get(data.repId);
        if (rep) this.repsById.set(data.repId, { ...rep, active: false, successorId: data.successorId });
        return;
      }
    }
  }

  /**
   * The pipeline of a lead type in force at `atMs`.
   * @throws PolicyError NOT_READY when neither it nor the default pipeline is active then
   */
  pipeline(leadType: string, atMs: number): Pipeline {
    for (const versions of this.pipelines.values()) {
      const pipeline = versions.inForce(atMs);
      if (pipeline?.leadTypes.includes(leadType)) return pipeline;
    }
    const fallback = this.pipelines.get(DEFAULT_PIPELINE_ID)?.inForce(atMs) ?? null;
    if (fallback === null) throw new PolicyError('NOT_READY', `no pipeline in force for lead type ${leadType}`);
    return fallback;
  }

  /** Null when the team is unknown or has no agreement in force (`NO_ACTIVE_AGREEMENT`). */
  agreementForTeam(teamId: string, atMs: number): Agreement | null {
    const team = this.teamsById.get(teamId);
    return team === undefined ? null : (this.agreements.get(team.agreementId)?.inForce(atMs) ?? null);
  }

  /** Any version ever defined, in force or not: running clocks keep the one they started with (spec §6.9). */
  agreement(agreementId: string, version: number): Agreement | null {
    return this.agreements.get(agreementId)?.get(version) ?? null;
  }

  /** Any version ever defined, compiled. */
  calendar(calendarId: string, version: number): BusinessCalendar | null {
    return this.calendars.get(calendarId)?.get(version) ?? null;
  }

  calendarInForce(calendarId: string, atMs: number): BusinessCalendar | null {
    return this.calendars.get(calendarId)?.inForce(atMs) ?? null;
  }

  /**
   * What a clock started at `atMs` for this team runs under (spec §6.2): the team's agreement, its rule for the clock type,
   * and the team's calendar for it. Null when any of them is missing: such a clock is not promised, so not started.
   */
  clockPolicy(teamId: string, clockType: (typeof CLOCK_TYPES)[number], atMs: number): ClockPolicy | null {
    const agreement = this.agreementForTeam(teamId, atMs);
    const rule = agreement?.clocks.find((clock) => clock.clockType === clockType);
    if (agreement === null || rule === undefined) return null;
    const calendarId = this.teamsById.get(teamId)?.clockCalendars?.[clockType] ?? rule.calendarId;
    const calendar = this.calendarInForce(calendarId, atMs);
    return calendar === null ? null : { agreement, rule, calendar };
  }

  /** The ICP of that name in force; without a name `default`, else the first that is in force. Null: there is none. */
  icp(atMs: number, icpId?: string): Icp | null {
    if (icpId !== undefined) return this.icps.get(icpId)?.inForce(atMs) ?? null;
    const usual = this.icps.get(DEFAULT_ICP_ID)?.inForce(atMs) ?? null;
    if (usual !== null) return usual;
    for (const versions of this.icps.values()) {
      const icp = versions.inForce(atMs);
      if (icp !== null) return icp;
    }
    return null;
  }

  team(teamId: string): Team | null {
    return this.teamsById.get(teamId) ?? null;
  }

  rep(repId: string): Rep | null {
    return this.repsById.get(repId) ?? null;
  }

  /** What is not active at `atMs` and keeps the ledger from working leads (spec §2.4); empty = ready. */
  missing(atMs: number = Number.POSITIVE_INFINITY): string[] {
    const missing = new Set<string>();
    const pipeline = this.pipelines.get(DEFAULT_PIPELINE_ID)?.inForce(atMs) ?? null;
    if (pipeline === null) missing.add(`pipeline-${DEFAULT_PIPELINE_ID}`);
    else if (!this.teamsById.has(pipeline.defaultTeamId)) missing.add(`team-${pipeline.defaultTeamId}`);
    for (const { teamId, agreementId, clockCalendars } of this.teamsById.values()) {
      const agreement = this.agreementForTeam(teamId, atMs);
      if (agreement === null) missing.add(`agreement-${agreementId}`);
      for (const { clockType, calendarId } of agreement?.clocks ?? []) {
        const asked = clockCalendars?.[clockType] ?? calendarId;
        if (this.calendarInForce(asked, atMs) === null) missing.add(`calendar-${asked}`);
      }
    }
    return [...missing].sort();
  }
}

function versionsOf<D>(all: Map<string, Versions<D>>, id: string): Versions<D> {
  let versions = all.get(id);
  if (versions === undefined) all.set(id, (versions = new Versions<D>()));
  return versions;
}
