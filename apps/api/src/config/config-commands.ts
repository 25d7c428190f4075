import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { EventLog, NewEvent, Position } from '#libs/event-log/src/event-log.js';
import {
  type CommandOutcome,
  type CommandRuntime,
  type FoldedStream,
  handleCommand,
  Turns,
} from '#libs/event-log/src/handle-command.js';
import { derivedId, eventId } from '#libs/event-log/src/ids.js';
import { LruMap } from '#libs/event-log/src/lru-map.js';
import type { EventMetadata } from '#libs/event-log/src/metadata.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { modelDigest } from '#libs/history/src/replay.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import { invalid, Problem } from '#libs/platform/src/problem.js';
import { fieldsOf } from '#libs/platform/src/zod-pipe.js';
import { type ConfigDocument, type DocumentKind, documentKinds } from '#libs/policy/src/document-kinds.js';
import { configEventSchemas } from '#libs/policy/src/documents.js';
import { PolicyError } from '#libs/policy/src/errors.js';
import { decideSetting, type SettingCommand } from '#libs/policy/src/setting.js';
import type { OpenDeals } from '#libs/policy/src/stages-in-use.js';
import { type DecidedEvent, decideDocument, type DocumentCommand } from '#libs/policy/src/versioned-document.js';
import type { OpenDealOfLead } from '#libs/read-models/src/open-deals.js';
import { checkScoringModel } from '#libs/scoring/src/model.js';
import { ScoringError } from '#libs/scoring/src/errors.js';
import { hashOfCommand } from '../commands/canonical-json.js';
import type { Policies } from '../policies.js';
import { loadWhatIf, type WhatIfRun } from '../whatif/what-if-run.js';
import { settingIn } from './config-history.js';
import { configFold, type ConfigStream } from './config-streams.js';

/** One act on configuration, authenticated and of the right shape. */
export interface ConfigOrigin {
  readonly commandId: string;
  readonly actor: Actor;
  /** Revision of the stream that the client has seen. */
  readonly ifMatch?: number | undefined;
}

export interface ConfigAnswer {
  readonly id: string;
  readonly version: number | null;
  readonly revision: number;
  readonly position: Position | null;
  readonly events: readonly { readonly type: string; readonly eventId: string }[];
  readonly replayed: boolean;
}

export interface ConfigCommandsOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly policies: Policies;
  /** Every deal that is open in what the log holds now. */
  readonly openDeals: () => Promise<readonly OpenDealOfLead[]>;
  /** Moves deals out of stages that are gone now. */
  readonly moveDeals: () => Promise<unknown>;
  readonly testClock?: boolean;
}

/** Deals move behind the answer when there are so many that it takes longer. */
const MOVING_MS = 2000;

/**
 * Every act on configuration: decide (libs/policy) → one append → the configuration of this process is the new one. A client that
 * has an answer finds his next command decided under it.
 * Errors: PolicyError, CommandError, Problem, EventLogError; then nothing was appended.
 */
export class ConfigCommands {
  readonly #runtime: CommandRuntime<ConfigStream, DecidedEvent>;

  constructor(private readonly options: ConfigCommandsOptions) {
    const { clock, log } = options;
    this.#runtime = {
      log,
      fold: configFold as CommandRuntime<ConfigStream, DecidedEvent>['fold'],
      cache: new LruMap<string, FoldedStream<ConfigStream>>(1000),
      turns: new Turns(),
      nowMs: () => clock.nowMs(),
    };
  }

  /** A draft, approval, activation or retirement of a document with versions. */
  async document(
    kind: DocumentKind,
    id: string,
    command: DocumentCommand,
    origin: ConfigOrigin,
  ): Promise<ConfigAnswer> {
    const { clock, policies } = this.options;
    const changesStages = kind === 'pipelines' && (command.act === 'activate' || command.act === 'retire');
    const openDeals = changesStages ? counted(await this.options.openDeals()) : [];
    const run = command.act === 'validate' ? await loadWhatIf(this.options.log, command.whatIfId) : null;
    const outcome = await this.#handle(`${documentKinds[kind].category}-${id}`, command, origin, (state, revision) => {
      if (revision < 0 && command.act !== 'draft')
        throw new Problem('NOT_FOUND', `there is no ${id} among the ${kind}`);
      const draft = state.document.drafts.find(
        (one) => one.version === (command.act === 'draft' ? null : command.version),
      );
      const judged =
        command.act === 'validate' && draft !== undefined
          ? { ...command, summary: triedBy(run, draft.document) }
          : command;
      return decideDocument(state.document, judged, {
        kind,
        id,
        nowMs: clock.nowMs(),
        by: origin.actor.id,
        policies: policies.book,
        checkModel,
        openDeals,
      });
    });
    if (changesStages) await this.#moveDeals();
    const { drafts } = outcome.state.document;
    const drafted = drafts.find((draft) => outcome.events.some((event) => event.eventId === draft.eventId));
    const version = command.act === 'draft' ? (drafted?.version ?? null) : command.version;
    return answerOf(id, version, outcome);
  }

  /** A team, a person, a target or a benchmark; `id` is what the answer calls it. */
  async setting(stream: string, id: string, command: SettingCommand, origin: ConfigOrigin): Promise<ConfigAnswer> {
    const { clock, policies } = this.options;
    const outcome = await this.#handle(stream, command, origin, ({ events }) =>
      decideSetting(events, command, { policies: policies.book, nowMs: clock.nowMs(), by: origin.actor.id }),
    );
    const settings = outcome.state.events.filter((event) => settingIn(event) !== null);
    const index = settings.findIndex((event) => outcome.events.some((one) => one.eventId === event.eventId));
    const isSetting =
      command.act === 'define-team' || command.act.startsWith('set-t') || command.act === 'set-benchmark';
    return answerOf(id, isSetting ? (index < 0 ? settings.length : index + 1) : null, outcome);
  }

  async #handle(
    stream: string,
    command: DocumentCommand | SettingCommand,
    { actor, commandId, ifMatch }: ConfigOrigin,
    decide: (state: ConfigStream, revision: number) => readonly DecidedEvent[],
  ): Promise<CommandOutcome<ConfigStream>> {
    const { policies } = this.options;
    const commandHash = hashOfCommand(command.act, stream, command);
    try {
      // What the document refers to may have been configured by another process.
      await policies.catchUp();
      return await handleCommand(this.#runtime, {
        stream,
        commandId,
        commandHash,
        ...(ifMatch === undefined ? {} : { expectedRevision: ifMatch }),
        commutes: false,
        decide,
        write: (events) => this.#write(events, commandId, commandHash, actor),
      });
    } catch (error) {
      if (!(error instanceof z.ZodError)) throw error;
      const fields = fieldsOf(error);
      const [{ field, rule } = { field: '', rule: 'invalid' }] = fields;
      throw new Problem('VALIDATION_FAILED', field === '' ? rule : `${field}: ${rule}`, { fields });
    } finally {
      await policies.catchUp();
    }
  }

  #write(events: readonly DecidedEvent[], commandId: string, commandHash: string, actor: Actor): NewEvent[] {
    const { clock, testClock } = this.options;
    const metadata: EventMetadata = {
      schemaVersion: 1,
      commandId,
      commandHash,
      $correlationId: commandId,
      $causationId: commandId,
      actor: { type: actor.type, id: actor.id, role: actor.role },
      source: { system: 'api' },
      tenantId: 'ledger',
      policyRefs: {},
      ...(testClock === true ? { recordedAt: toIso(clock.nowMs()) } : {}),
    };
    return events.map(({ data, type }, ordinal) => ({
      id: eventId(commandId, ordinal),
      type,
      // Never written in a form that the book could not read again.
      data: { ...configEventSchemas[type].parse(data) },
      metadata: { ...metadata },
    }));
  }

  async #moveDeals(): Promise<void> {
    const waiting = new AbortController();
    const late = sleep(MOVING_MS, undefined, { signal: waiting.signal, ref: false }).catch(() => undefined);
    // What is not moved now, the worker moves: it asks by itself.
    const moved = this.options.moveDeals().catch(() => undefined);
    await Promise.race([moved, late]);
    waiting.abort();
  }
}

/** Id of a new document that was given none: the same for the same command. */
export const newConfigId = (commandId: string): string => derivedId('document', commandId);

function answerOf(id: string, version: number | null, outcome: CommandOutcome<ConfigStream>): ConfigAnswer {
  const { events, position, replayed, revision } = outcome;
  return { id, version, revision, position, events, replayed };
}

function counted(deals: readonly OpenDealOfLead[]): OpenDeals {
  const counts = new Map<string, { leadType: string; stage: string; deals: number }>();
  for (const { leadType, stage } of deals) {
    const key = `${leadType}\n${stage}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { leadType, stage, deals: 1 });
    else known.deals += 1;
  }
  return [...counts.values()];
}

/** What a finished run says of this very document. @throws Problem VALIDATION_FAILED: it says nothing */
function triedBy(run: WhatIfRun | null, document: ConfigDocument): Readonly<Record<string, unknown>> {
  if (run === null || run.forgotten || run.completed?.outcome !== 'done')
    throw invalid('whatIfId', 'there is no finished what-if of this id');
  const candidates: unknown = run.completed.summary?.candidates;
  const digest = modelDigest(checkScoringModel(document));
  const tried = (Array.isArray(candidates) ? candidates : []).find((one) => one?.digest === digest);
  if (tried === undefined) throw invalid('whatIfId', 'this what-if tried other models than this version');
  return tried;
}

/** Name and version come from the stream, wherever the document repeats them. */
function checkModel(document: unknown): ConfigDocument {
  try {
    const { id: _id, version: _version, ...model } = checkScoringModel(document);
    return model;
  } catch (error) {
    if (error instanceof ScoringError) throw new PolicyError(error.code, error.detail, error.field);
    throw error;
  }
}
