import { BusinessCalendar } from './business-calendar.js';
import { checkAgreement, checkIcp, checkPipeline } from './check-documents.js';
import {
  configEventSchemas,
  isConfigEventType,
  type Agreement,
  type CLOCK_TYPES,
  type ClockRule,
  type ConfigEvent,
  type Icp,
  type Pipeline,
  type Team,
} from './documents.js';
import { PolicyError } from './errors.js';
import type { Persona } from './persona.js';
import { type Rep, repAt, type RepEvent } from './rep.js';
import type { RoutingDocument } from './routing.js';
import { type BenchmarkDocument, benchmarkId, type TargetDocument, targetId } from './target.js';
import { Settings, Versions } from './versions.js';

/** The pipeline of every lead type that no other pipeline names. */
export const DEFAULT_PIPELINE_ID = 'default';
/** The ICP that accounts are judged by when none is named. */
const DEFAULT_ICP_ID = 'default';

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
  private readonly personasById = new Map<string, Versions<Persona>>();
  /** Only which versions there are: libs/scoring reads the models. */
  private readonly scoringModels = new Map<string, Versions<number>>();
  private readonly teamsById = new Map<string, Settings<Team>>();
  private readonly routings = new Map<string, Settings<Readonly<RoutingDocument>>>();
  private readonly repsById = new Map<string, RepEvent[]>();
  private readonly targets = new Map<string, Settings<Readonly<TargetDocument>>>();
  private readonly benchmarks = new Map<string, Settings<Readonly<BenchmarkDocument>>>();
  /** By pipeline: what became of stages that a version removed, with the instant it did. */
  private readonly stageMappings = new Map<string, Map<number, Readonly<Record<string, string>>>>();
  private changes = 0;

  /** Another number whenever the book may say something else about the same instant. */
  get revision(): number {
    return this.changes;
  }

  /**
   * Folds one event of a configuration stream; other types are ignored. `stream` is `<category>-<id>`.
   * @throws ZodError for a payload that is not of its schema, PolicyError for a document that contradicts itself; the book
   *   is then unchanged, so a draft can be tried on one
   */
  apply(event: { readonly stream: string; readonly type: string; readonly data: unknown }): void {
    if (!isConfigEventType(event.type)) return;
    const data = configEventSchemas[event.type].parse(event.data);
    this.changes += 1;
    this.fold(event.stream.slice(event.stream.indexOf('-') + 1), { type: event.type, data } as ConfigEvent);
  }

  private fold(id: string, event: ConfigEvent): void {
    const { type, data } = event;
    const atMs = Date.parse(data.occurredAt);
    switch (type) {
      case 'CalendarDefined':
        return versionsOf(this.calendars, id).define(data.version, new BusinessCalendar(id, data.version, data));
      case 'CalendarActivated':
        return versionsOf(this.calendars, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'CalendarRetired':
        return versionsOf(this.calendars, id).retire(data.version, atMs);
      case 'AgreementDrafted':
        checkAgreement(data);
        return versionsOf(this.agreements, id).define(data.version, { ...data, agreementId: id });
      case 'AgreementActivated':
        return versionsOf(this.agreements, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'AgreementRetired':
        return versionsOf(this.agreements, id).retire(data.version, atMs);
      case 'ScoringModelDrafted':
        return versionsOf(this.scoringModels, id).define(data.version, data.version);
      case 'ScoringModelActivated':
        return versionsOf(this.scoringModels, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'ScoringModelRetired':
        return versionsOf(this.scoringModels, id).retire(data.version, atMs);
      case 'PipelineDefined':
        checkPipeline(data);
        return versionsOf(this.pipelines, id).define(data.version, { ...data, pipelineId: id });
      case 'PipelineActivated':
        if (data.stageMapping !== undefined) {
          const mappings = this.stageMappings.get(id) ?? new Map<number, Readonly<Record<string, string>>>();
          this.stageMappings.set(id, mappings.set(data.version, data.stageMapping));
        }
        return versionsOf(this.pipelines, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'PipelineRetired':
        return versionsOf(this.pipelines, id).retire(data.version, atMs);
      case 'IcpDrafted':
        checkIcp(data);
        return versionsOf(this.icps, id).define(data.version, { ...data, icpId: id });
      case 'IcpActivated':
        return versionsOf(this.icps, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'IcpRetired':
        return versionsOf(this.icps, id).retire(data.version, atMs);
      case 'PersonaDrafted':
        return versionsOf(this.personasById, id).define(data.version, { ...data, personaId: id });
      case 'PersonaActivated':
        return versionsOf(this.personasById, id).activate(data.version, Date.parse(data.effectiveFrom));
      case 'PersonaRetired':
        return versionsOf(this.personasById, id).retire(data.version, atMs);
      case 'AgreementApproved':
      case 'ScoringModelValidated':
      case 'ScoringModelApproved':
      case 'IcpApproved':
      case 'PersonaApproved':
        // Whether a draft may be activated is asked by the activating command; an activation in the log is a fact.
        return;
      case 'TeamDefined':
        return settingsOf(this.teamsById, id).set({ ...data, teamId: id }, atMs);
      case 'RoutingRuleSet':
        return settingsOf(this.routings, id).set(data, atMs);
      case 'RepJoined':
      case 'RepCapacityChanged':
      case 'RepTrained':
      case 'RepLeft':
        this.repsById.set(data.repId, [...(this.repsById.get(data.repId) ?? []), { type, data } as RepEvent]);
        return;
      case 'RevenueTargetSet':
        return settingsOf(this.targets, id).set(data, atMs);
      case 'RevenueTargetChanged':
        return settingsOf(this.targets, id).set({ period: data.period, scope: data.scope, amount: data.new }, atMs);
      case 'BenchmarkSet':
        return settingsOf(this.benchmarks, id).set(data, atMs);
    }
  }

  /**
   * The pipeline of a lead type in force at `atMs`.
   * @throws PolicyError NOT_READY when neither it nor the default pipeline is active then
   */
  pipeline(leadType: string, atMs: number): Pipeline {
    const pipeline = this.#servingPipeline(leadType, atMs);
    if (pipeline === null) throw new PolicyError('NOT_READY', `no pipeline in force for lead type ${leadType}`);
    return pipeline;
  }

  #servingPipeline(leadType: string, atMs: number): Pipeline | null {
    for (const versions of this.pipelines.values()) {
      const pipeline = versions.inForce(atMs);
      if (pipeline?.leadTypes.includes(leadType)) return pipeline;
    }
    return this.pipelineById(DEFAULT_PIPELINE_ID, atMs);
  }

  /** Id of the pipeline that names the lead type; null: the default one serves it. */
  pipelineNaming(leadType: string, atMs: number): string | null {
    const pipeline = this.#servingPipeline(leadType, atMs);
    return pipeline?.leadTypes.includes(leadType) === true ? pipeline.pipelineId : null;
  }

  /** Which version of each pipeline is in force, as one text: another one when any other version comes into force. */
  pipelinesInForce(atMs: number): string {
    return [...this.pipelines].map(([id, versions]) => `${id}@${versions.inForce(atMs)?.version ?? ''}`).join(' ');
  }

  /** Every pipeline in force at `atMs`, with the deal stages it has or once had: deals may still stand in those. */
  pipelinesWithStages(atMs: number): { readonly pipeline: Pipeline; readonly stages: readonly string[] }[] {
    return [...this.pipelines.values()].flatMap((versions) => {
      const pipeline = versions.inForce(atMs);
      if (pipeline === null) return [];
      const ever = versions.until(atMs).flatMap((version) => version?.dealStages.map(({ code }) => code) ?? []);
      return { pipeline, stages: [...new Set(ever)] };
    });
  }

  /** Whether any version of an agreement or a calendar was ever drafted. */
  knows(kind: 'agreement' | 'calendar', id: string): boolean {
    return (kind === 'agreement' ? this.agreements : this.calendars).has(id);
  }

  pipelineById(pipelineId: string, atMs: number): Pipeline | null {
    return this.pipelines.get(pipelineId)?.inForce(atMs) ?? null;
  }

  /** Null when the team is unknown or has no agreement in force (`NO_ACTIVE_AGREEMENT`). */
  agreementForTeam(teamId: string, atMs: number): Agreement | null {
    const team = this.team(teamId, atMs);
    return team === null ? null : (this.agreements.get(team.agreementId)?.inForce(atMs) ?? null);
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
    const calendarId = this.team(teamId, atMs)?.clockCalendars?.[clockType] ?? rule.calendarId;
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

  persona(personaId: string, atMs: number): Persona | null {
    return this.personasById.get(personaId)?.inForce(atMs) ?? null;
  }

  /** Those in force, in the order in which they were first drafted. */
  personas(atMs: number): Persona[] {
    return [...this.personasById.values()].flatMap((versions) => versions.inForce(atMs) ?? []);
  }

  /** As defined at `atMs`; its first definition counts since ever, so that history can name it. */
  team(teamId: string, atMs = Number.POSITIVE_INFINITY): Team | null {
    return this.teamsById.get(teamId)?.at(atMs) ?? null;
  }

  teams(atMs = Number.POSITIVE_INFINITY): Team[] {
    return [...this.teamsById.values()].flatMap((settings) => settings.at(atMs) ?? []);
  }

  routing(teamId: string, atMs = Number.POSITIVE_INFINITY): Readonly<RoutingDocument> | null {
    return this.routings.get(teamId)?.at(atMs) ?? null;
  }

  /** Of all teams that have any. */
  routingRules(atMs = Number.POSITIVE_INFINITY): Readonly<RoutingDocument>[] {
    return [...this.routings.values()].flatMap((settings) => settings.at(atMs) ?? []);
  }

  rep(repId: string, atMs = Number.POSITIVE_INFINITY): Rep | null {
    return repAt(this.repsById.get(repId) ?? [], atMs);
  }

  /** When somebody who is gone at `atMs` left; null: is here, or was never known. */
  departureMs(repId: string, atMs: number): number | null {
    const events = this.repsById.get(repId) ?? [];
    if (repAt(events, atMs)?.active !== false) return null;
    const left = events.findLast(({ data, type }) => type === 'RepLeft' && Date.parse(data.occurredAt) <= atMs);
    return left === undefined ? null : Date.parse(left.data.occurredAt);
  }

  /** Who is in the team at `atMs`, with the capacity of then; those who left are not. */
  reps(teamId: string, atMs: number): Rep[] {
    return [...this.repsById.values()].flatMap((events) => {
      const rep = repAt(events, atMs);
      return rep?.active === true && rep.teamId === teamId ? rep : [];
    });
  }

  /** What was to be won in the period, as set at `atMs`; `scope` `all` or `team:<id>`. Null: nobody said. */
  target(period: string, scope: string, atMs: number): Readonly<TargetDocument> | null {
    return this.targets.get(targetId({ period, scope }))?.at(atMs) ?? null;
  }

  /** The figure to compare a metric with, as set at `atMs`; of the metric as a whole where the stage has none. */
  benchmark(metric: string, stage: string | undefined, atMs: number): number | null {
    const own = this.benchmarks.get(benchmarkId({ metric, stage }))?.at(atMs);
    const whole = stage === undefined ? null : this.benchmarks.get(benchmarkId({ metric }))?.at(atMs);
    return own?.value ?? whole?.value ?? null;
  }

  /** Whether anything is to be won by all or by the team in the year, quarter or month (UTC) that `atMs` lies in. */
  hasTarget(teamId: string, atMs: number): boolean {
    const [year, month] = new Date(atMs).toISOString().split('-') as [string, string];
    const periods = [year, `${year}-Q${Math.ceil(Number(month) / 3)}`, `${year}-${month}`];
    const scopes = ['all', `team:${teamId}`];
    return periods.some((period) => scopes.some((scope) => this.target(period, scope, atMs) !== null));
  }

  /** Of whichever model came into force last; null: none is. */
  scoringModelVersion(atMs: number): number | null {
    const [latest] = [...this.scoringModels.values()].sort((a, b) => b.sinceMs(atMs) - a.sinceMs(atMs));
    return latest?.inForce(atMs) ?? null;
  }

  /**
   * Where a deal stands by the pipeline in force at `atMs`: the stage itself, or what the versions that removed it have
   * mapped it to. Null: no version says.
   */
  stageNow(stage: string, leadType: string, atMs: number): string | null {
    const pipeline = this.#servingPipeline(leadType, atMs);
    if (pipeline === null) return null;
    const has = (version: Pipeline | null, code: string) =>
      version?.dealStages.some((one) => one.code === code) === true;
    if (has(pipeline, stage)) return stage;
    const history = this.pipelines.get(pipeline.pipelineId)?.until(atMs) ?? [];
    const mappings = this.stageMappings.get(pipeline.pipelineId);
    let now = stage;
    for (const version of history.slice(history.findLastIndex((one) => has(one, stage)) + 1)) {
      if (version !== null && !has(version, now)) now = mappings?.get(version.version)?.[now] ?? now;
    }
    return has(pipeline, now) ? now : null;
  }

  /**
   * What is not active at `atMs` and keeps the team from receiving handoffs (spec §2.4); empty = ready. Without a team: the one
   * of the default pipeline. A missing revenue target is no obstacle.
   */
  missing(atMs: number = Number.POSITIVE_INFINITY, teamId?: string): string[] {
    const missing = new Set<string>();
    const pipeline = this.pipelineById(DEFAULT_PIPELINE_ID, atMs);
    if (pipeline === null) missing.add(`pipeline-${DEFAULT_PIPELINE_ID}`);
    if (this.icp(atMs) === null) missing.add(`icp-${DEFAULT_ICP_ID}`);
    // A book that was never told of any model belongs to somebody who does not score.
    if (this.scoringModels.size > 0 && this.scoringModelVersion(atMs) === null) missing.add('scoringmodel-default');
    const asked = teamId ?? pipeline?.defaultTeamId;
    if (asked !== undefined) for (const name of this.#missingOfTeam(asked, atMs)) missing.add(name);
    return [...missing].sort();
  }

  #missingOfTeam(teamId: string, atMs: number): string[] {
    const team = this.team(teamId, atMs);
    if (team === null) return [`team-${teamId}`];
    const agreement = this.agreementForTeam(teamId, atMs);
    if (agreement === null) return [`agreement-${team.agreementId}`];
    const promised = agreement.clocks.map(
      ({ clockType, calendarId }) => team.clockCalendars?.[clockType] ?? calendarId,
    );
    return [team.calendarId, ...promised]
      .filter((calendarId) => this.calendarInForce(calendarId, atMs) === null)
      .map((calendarId) => `calendar-${calendarId}`);
  }
}

function versionsOf<D>(all: Map<string, Versions<D>>, id: string): Versions<D> {
  let versions = all.get(id);
  if (versions === undefined) all.set(id, (versions = new Versions<D>()));
  return versions;
}

function settingsOf<D>(all: Map<string, Settings<D>>, id: string): Settings<D> {
  let settings = all.get(id);
  if (settings === undefined) all.set(id, (settings = new Settings<D>()));
  return settings;
}
