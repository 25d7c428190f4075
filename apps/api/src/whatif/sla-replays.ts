import { setImmediate } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { clockHistoryOf } from '#libs/history/src/clock-history.js';
import type { SlaCandidate } from '#libs/history/src/sla-terms.js';
import { replaySla } from '#libs/history/src/sla-replay.js';
import type { HistoryTables, Table } from '#libs/history/src/table.js';
import { clockFacts, clockPromises } from '#libs/history/src/tables-clocks.js';
import type { JsonObject } from '#libs/event-log/src/event-log.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import { Problem } from '#libs/platform/src/problem.js';
import { CLOCK } from '#libs/platform/src/tokens.js';
import { fieldsOf } from '#libs/platform/src/zod-pipe.js';
import { BusinessCalendar } from '#libs/policy/src/business-calendar.js';
import { documentKinds, type DocumentKind } from '#libs/policy/src/document-kinds.js';
import { agreementDocument, type CalendarDocument } from '#libs/policy/src/documents.js';
import { PolicyError } from '#libs/policy/src/errors.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { z } from 'zod';
import { hashOfCommand } from '../commands/canonical-json.js';
import { Policies } from '../policies.js';
import type { SlaReplayBody } from './sla-replay-requests.js';
import { WhatIfRuns, type WhatIfTold, type WhatIfWork } from './what-if-runs.js';
import { checkWindow } from './what-if-window.js';

/** Reads tables of the history, everything in them that had been acknowledged when it was asked. */
export interface HistorySource {
  tables(wanted: readonly Table[]): Promise<HistoryTables>;
}
export const HISTORY_SOURCE = Symbol('HistorySource');

/** Where what is not of the policies of then came from: no version that a person activated. */
const CANDIDATE = 'candidate';

/** What-if SLA (spec §6, contract `/v1/sla-replays`): runs of libs/history's replay of promises. */
@Injectable()
export class SlaReplays {
  constructor(
    private readonly runs: WhatIfRuns,
    @Inject(HISTORY_SOURCE) private readonly history: HistorySource,
    private readonly policies: Policies,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Errors: WINDOW_INVALID; what a draft of the documents would be refused with (CALENDAR_INVALID, TIME_ZONE_INVALID,
   * VALIDATION_FAILED, UNKNOWN_AGREEMENT, UNKNOWN_CALENDAR); then nothing is begun.
   */
  async start(id: string, body: SlaReplayBody, actor: Actor): Promise<WhatIfTold> {
    const nowMs = this.clock.nowMs();
    // Policies that were acknowledged before this request are known to it.
    await this.policies.catchUp();
    const { agreement, asOf: asOfMs = nowMs, calendars, limit, name = null, window } = body;
    checkWindow(window, asOfMs, nowMs);
    const candidate = candidateOf(body, this.policies.book, asOfMs);
    const told = { from: toIso(window.from), to: toIso(window.to) };
    const documents = { agreement: agreement ?? null, calendars };
    const request = { window: told, asOf: body.asOf === undefined ? null : toIso(body.asOf), ...documents, limit };
    const common = { position: null, candidateSha256: hashOfCommand('SlaCandidate', null, documents) };
    const work: WhatIfWork = async ({ progress, signal }) => {
      const history = clockHistoryOf(await this.history.tables([clockPromises, clockFacts]));
      const scope = { fromMs: window.from, toMs: window.to, asOfMs, candidate, limit };
      const replayed = await replaySla(history, this.policies.book, scope, async (share) => {
        signal.throwIfAborted();
        progress(share);
        // Commands have their turn.
        await setImmediate();
      });
      const { check, total } = replayed;
      const result = { ...common, position: history.position, window: told, asOf: toIso(asOfMs), ...replayed };
      return {
        summary: { ...total, differences: check.differences } as unknown as JsonObject,
        result: result as unknown as JsonObject,
        datasetPosition: history.position,
      };
    };
    return this.runs.start({ id, kind: 'sla-replay', name, request, actor }, work);
  }
}

function candidateOf({ agreement, calendars }: SlaReplayBody, book: PolicyBook, asOfMs: number): SlaCandidate {
  const byId = new Map(
    calendars.map(({ calendarId, document, version }, n): [string, BusinessCalendar] => {
      if (byIdGivenTwice(calendars, calendarId, n))
        throw new PolicyError('VALIDATION_FAILED', `${calendarId} is given twice`, `calendars.${n}.calendarId`);
      if (document !== undefined)
        return [
          calendarId,
          new BusinessCalendar(
            calendarId,
            0,
            read('calendars', document, `calendars.${n}.document`) as CalendarDocument,
          ),
        ];
      const known = book.calendar(calendarId, version!);
      if (known === null) throw unknownVersion('calendar', calendarId, version!, `calendars.${n}.version`);
      return [calendarId, known];
    }),
  );
  if (agreement === undefined) return { calendars: byId };
  const { agreementId, document, replaces, version } = agreement;
  if (replaces !== undefined && !book.knows('agreement', replaces))
    throw new PolicyError('UNKNOWN_AGREEMENT', `there is no agreement ${replaces}`, 'agreement.replaces');
  const known =
    document !== undefined
      ? {
          ...agreementDocument.parse(read('agreements', document, 'agreement.document')),
          agreementId: CANDIDATE,
          version: 0,
        }
      : book.agreement(agreementId!, version!);
  if (known === null) throw unknownVersion('agreement', agreementId!, version!, 'agreement.version');
  for (const [n, { calendarId }] of known.clocks.entries()) {
    if (byId.has(calendarId) || book.calendarInForce(calendarId, asOfMs) !== null) continue;
    const field = `agreement.document.clocks.${n}.calendarId`;
    throw new PolicyError('UNKNOWN_CALENDAR', `no calendar ${calendarId} is in force`, field);
  }
  return { agreement: { document: known, ...(replaces === undefined ? {} : { replaces }) }, calendars: byId };
}

const byIdGivenTwice = (calendars: SlaReplayBody['calendars'], calendarId: string, before: number): boolean =>
  calendars.slice(0, before).some((one) => one.calendarId === calendarId);

/** As configuration takes a draft: with what it leaves out filled in, and checked. The field says which document is wrong. */
function read(kind: DocumentKind & ('agreements' | 'calendars'), document: object, field: string): object {
  try {
    return documentKinds[kind].read(document, NO_SURROUNDINGS);
  } catch (error) {
    if (error instanceof PolicyError) {
      const inside = error.field === undefined ? field : `${field}.${error.field}`;
      throw new PolicyError(error.code, error.detail, inside, error.facts);
    }
    if (!(error instanceof z.ZodError)) throw error;
    const fields = fieldsOf(error).map((one) => ({ ...one, field: `${field}.${one.field}` }));
    throw new Problem('VALIDATION_FAILED', `${fields[0]?.field}: ${fields[0]?.rule}`, { fields });
  }
}

/** Agreements and calendars are judged by themselves. */
const NO_SURROUNDINGS = { policies: null as never, checkModel: () => ({}) };

const unknownVersion = (kind: 'agreement' | 'calendar', id: string, version: number, field: string) =>
  new PolicyError(
    kind === 'agreement' ? 'UNKNOWN_AGREEMENT' : 'UNKNOWN_CALENDAR',
    `${id} has no version ${version}`,
    field,
  );
