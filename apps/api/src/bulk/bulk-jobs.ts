import { Inject, Injectable } from '@nestjs/common';
import { type EventLog, EventLogError, type JsonObject, type Position } from '#libs/event-log/src/event-log.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { EventMetadata } from '#libs/event-log/src/metadata.js';
import { type Actor, parseLeadCommand, requireRole } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { toIso, type Clock } from '#libs/platform/src/clock.js';
import { invalid, Problem } from '#libs/platform/src/problem.js';
import { problemOf } from '#libs/platform/src/problem-filter.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { CLOCK, EVENT_LOG, SETTINGS } from '#libs/platform/src/tokens.js';
import { KeyVault } from '#libs/privacy/src/key-vault.js';
import { seal } from '#libs/privacy/src/sealed-fields.js';
import { hashOfCommand } from '../commands/canonical-json.js';
import { LeadCommands } from '../commands/lead-commands.js';
import { Figures } from '../reports/figures.js';
import { BULK_PREFIX, type BulkJob, bulkStream, isBulkStart, loadBulkJob, statusOf } from './bulk-job.js';
import type { BulkRequest } from './bulk-requests.js';
import { DryRunTokens } from './dry-run-tokens.js';

/** Spec §4.4 BulkCommand. */
const MOST_LEADS = 10_000;
const MOST_WITHOUT_DRY_RUN = 100;
const SAMPLE = 20;
const MOST_LISTED = 100;
/** Leads that a dry run looks at at the same time. */
const AT_ONCE = 16;

interface ToDo {
  readonly leadIds: readonly string[];
  readonly requestHash: string;
  readonly position: Position | null;
}

/** Bulk commands as people begin, watch and stop them; the worker carries them out (apps/worker `BulkWorker`). */
@Injectable()
export class BulkJobs {
  constructor(
    private readonly commands: LeadCommands,
    private readonly figures: Figures,
    private readonly tokens: DryRunTokens,
    private readonly vault: KeyVault,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** What each lead would answer now, counted; writes nothing. Errors: as `start`, but for DRY_RUN_REQUIRED. */
  async dryRun(request: BulkRequest, actor: Actor, after: string | undefined) {
    const { leadIds, position, requestHash } = await this.#toDo(request, actor, after);
    const wouldFail: Record<string, number> = {};
    const outcomes: ({ leadId: string; events: readonly string[] } | { leadId: string; code: string })[] = [];
    let at = 0;
    const work = async () => {
      for (let index = at++; index < leadIds.length; index = at++) {
        outcomes[index] = await this.#preview(request, leadIds[index] as string, actor);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    for (const outcome of outcomes) if ('code' in outcome) wouldFail[outcome.code] = (wouldFail[outcome.code] ?? 0) + 1;
    const refused = outcomes.filter((outcome) => 'code' in outcome);
    const accepted = outcomes.filter((outcome) => !('code' in outcome));
    const { expiresAtMs, token } = this.tokens.issue(requestHash, actor.id, this.clock.nowMs());
    return {
      dryRun: true as const,
      command: request.command,
      total: leadIds.length,
      wouldSucceed: accepted.length,
      wouldFail,
      // Some of either kind, so that what goes wrong is seen.
      sample: [...accepted.slice(0, SAMPLE), ...refused.slice(0, SAMPLE)],
      token,
      expiresAt: toIso(expiresAtMs),
      position,
    };
  }

  /**
   * Writes the job down for the worker; the same `jobId` and request again is the same job.
   * Errors: VALIDATION_FAILED, FORBIDDEN_ROLE (of the command), BULK_TOO_LARGE, DRY_RUN_REQUIRED, COMMAND_ID_REUSED.
   */
  async start(jobId: string, request: BulkRequest, actor: Actor, after: string | undefined): Promise<BulkJob> {
    const hash = requestHashOf(request);
    const known = await loadBulkJob(this.log, jobId);
    if (known !== null) return sameRequest(known, hash);
    const { leadIds, requestHash } = await this.#toDo(request, actor, after);
    const { dryRunToken = '' } = request;
    const nowMs = this.clock.nowMs();
    if (leadIds.length > MOST_WITHOUT_DRY_RUN && !this.tokens.accepts(dryRunToken, requestHash, actor.id, nowMs)) {
      throw new LeadError(
        'DRY_RUN_REQUIRED',
        `more than ${MOST_WITHOUT_DRY_RUN} leads: dry-run the same request first`,
        {
          leads: leadIds.length,
          most: MOST_WITHOUT_DRY_RUN,
        },
      );
    }
    const occurredAt = toIso(nowMs);
    const metadata = this.#metadata(jobId, hash, actor, occurredAt);
    const id = derivedId('BulkStarted', jobId);
    const plain = { occurredAt, command: request.command, leadIds, actor: { ...actor, teams: [...actor.teams] } };
    // What is written into a note is somebody's words about somebody: nothing of the body is left open.
    const key = await this.vault.keyFor(jobId, { occurredAt, metadata });
    const data = seal(plain, { body: request.body }, key, `${jobId}/${id}`);
    const started = { id, type: 'BulkStarted', data, metadata: { ...metadata, piiKeyId: key.keyId } };
    try {
      await this.log.append({ stream: bulkStream(jobId), expectedRevision: 'no_stream', events: [started] });
    } catch (error) {
      if (!(error instanceof EventLogError) || error.code !== 'WRONG_EXPECTED_REVISION') throw error;
    }
    return sameRequest(await this.job(jobId), hash);
  }

  /** @throws Problem NOT_FOUND */
  async job(jobId: string): Promise<BulkJob> {
    const job = await loadBulkJob(this.log, jobId);
    if (job === null) throw new Problem('NOT_FOUND', `there is no bulk job ${jobId}`);
    return job;
  }

  /** Newest first. */
  async list(): Promise<BulkJob[]> {
    const jobs: BulkJob[] = [];
    let after: Position | undefined;
    while (jobs.length < MOST_LISTED) {
      const { events, next } = await this.log.readAll({
        ...(after === undefined ? {} : { after }),
        direction: 'backwards',
        filter: { streamPrefixes: [BULK_PREFIX], eventTypes: ['BulkStarted'] },
        limit: MOST_LISTED,
      });
      for (const event of events) {
        if (!isBulkStart(event) || jobs.length === MOST_LISTED) continue;
        jobs.push(await this.job(event.stream.slice(BULK_PREFIX.length)));
      }
      if (next === null) break;
      after = next;
    }
    return jobs;
  }

  /** What is under way is finished, the rest is left. For who began it, ops and admin. A job that is over stays as it is. */
  async cancel(jobId: string, actor: Actor): Promise<BulkJob> {
    for (;;) {
      const job = await this.job(jobId);
      const may = actor.id === job.started.actor.id || actor.role === 'ops' || actor.role === 'admin';
      if (!may) throw new Problem('FORBIDDEN_ROLE', 'who began it, ops and admin cancel a job', { required: ['ops'] });
      if (statusOf(job) !== 'running') return job;
      const occurredAt = toIso(this.clock.nowMs());
      const id = derivedId('BulkCancelled', jobId);
      const metadata = this.#metadata(jobId, job.requestHash, actor, occurredAt);
      const event = { id, type: 'BulkCancelled', data: { occurredAt, by: actor.id }, metadata };
      try {
        await this.log.append({ stream: bulkStream(jobId), expectedRevision: job.revision, events: [event] });
      } catch (error) {
        // The worker wrote results meanwhile.
        if (!(error instanceof EventLogError) || error.code !== 'WRONG_EXPECTED_REVISION') throw error;
      }
    }
  }

  /** The request looked through, and the leads it is about. */
  async #toDo(request: BulkRequest, actor: Actor, after: string | undefined): Promise<ToDo> {
    const { body, command } = request;
    if (Object.hasOwn(body, 'expectedRevision'))
      throw invalid('body.expectedRevision', 'leads have revisions of their own');
    try {
      parseLeadCommand(command, '', body);
    } catch (error) {
      throw error instanceof LeadError ? inBody(error) : error;
    }
    requireRole(command, actor);
    const requestHash = requestHashOf(request);
    if (request.leadIds !== undefined) {
      const leadIds = [...new Set(request.leadIds)];
      requireFew(leadIds.length);
      return { leadIds, requestHash, position: await this.log.head() };
    }
    const query: Record<string, string | string[] | undefined> = { after };
    for (const [name, given] of Object.entries(request.filter ?? {}))
      query[`filter[${name}]`] = (Array.isArray(given) ? given : [given]).map((value) => value ?? '');
    const { leadIds, position } = await this.figures.ask('matchingLeads', query);
    requireFew(leadIds.length);
    return { leadIds, requestHash, position };
  }

  async #preview({ body, command }: BulkRequest, leadId: string, actor: Actor) {
    try {
      const commandId = derivedId('dry-run', leadId);
      const source = { system: 'bulk' };
      const events = await this.commands.preview({ name: command, leadId, body, commandId, actor, source });
      return { leadId, events };
    } catch (error) {
      const problem = problemOf(error);
      if (problem === null || problem.status >= 500) throw error;
      return { leadId, code: problem.code };
    }
  }

  #metadata(jobId: string, commandHash: string, actor: Actor, recordedAt: string): JsonObject {
    const { id, onBehalfOf, role, type } = actor;
    const metadata: EventMetadata = {
      schemaVersion: 1,
      commandId: jobId,
      commandHash,
      $correlationId: jobId,
      $causationId: jobId,
      actor: { type, id, role, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) },
      source: { system: 'api', bulkJobId: jobId },
      tenantId: 'ledger',
      policyRefs: {},
      ...(this.settings.testClock ? { recordedAt } : {}),
    };
    return { ...metadata };
  }
}

/** Equal for the dry run and the run of it. */
const requestHashOf = ({ body, command, filter, leadIds }: BulkRequest): string =>
  hashOfCommand('BulkCommand', null, { body, command, filter, leadIds });

function requireFew(leads: number): void {
  if (leads <= MOST_LEADS) return;
  throw new LeadError('BULK_TOO_LARGE', `${leads} leads; a bulk command takes at most ${MOST_LEADS}`, {
    leads,
    most: MOST_LEADS,
  });
}

function sameRequest(job: BulkJob, hash: string): BulkJob {
  if (job.requestHash === hash) return job;
  throw new LeadError('COMMAND_ID_REUSED', 'another bulk command was begun under this id');
}

/** The command's refusals, as fields of the request. */
function inBody({ code, facts, message }: LeadError): LeadError {
  const fields = facts.fields?.map(({ field, rule }) => ({ field: field === '' ? 'body' : `body.${field}`, rule }));
  return new LeadError(code, message, { ...facts, ...(fields === undefined ? {} : { fields }) });
}
