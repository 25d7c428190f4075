import { defaultPipeline, standardAgreement } from './defaults.js';

/**
 * What a drafted document leaves out is as the first versions have it: they are the template for new ones (spec §3.6, §6.1, §6.8).
 * Only what lies on the outermost levels is looked at; anything wrong is left as it came, for the document's own check to name.
 */

type Fields = Readonly<Record<string, unknown>>;

/** A pipeline that names only what differs. Lists of stages and reasons are taken whole, one by one. */
export function pipelineOfTemplate(document: unknown): unknown {
  if (!isFields(document)) return document;
  const { dealStages, reasonCodes, staleDays } = document;
  return {
    ...defaultPipeline,
    ...document,
    dealStages: Array.isArray(dealStages)
      ? dealStages.map((stage: unknown) => (isFields(stage) ? { journeyStage: 'decision', ...stage } : stage))
      : (dealStages ?? defaultPipeline.dealStages),
    reasonCodes: isFields(reasonCodes)
      ? Object.fromEntries(
          Object.entries({ ...defaultPipeline.reasonCodes, ...reasonCodes }).map(([kind, reasons]) => [
            kind,
            Array.isArray(reasons) ? reasons.map(reasonOf) : reasons,
          ]),
        )
      : (reasonCodes ?? defaultPipeline.reasonCodes),
    staleDays: isFields(staleDays)
      ? { ...defaultPipeline.staleDays, ...staleDays }
      : (staleDays ?? defaultPipeline.staleDays),
  };
}

/**
 * An agreement of its own clocks: what pauses, what counts as an attempt and the graces are the standard's unless it says so.
 * `escalation[]` (spec §4.3) holds for every clock that has no `escalations` of its own.
 */
export function agreementOfTemplate(document: unknown): unknown {
  if (!isFields(document)) return document;
  const { escalation, ...rest } = document;
  const { clocks, contactAttemptDefinition: attempt } = rest;
  const { contactAttemptDefinition, sequences, lateEvidenceGraceS, acceptanceTarget } = standardAgreement;
  if (escalation !== undefined && !Array.isArray(escalation)) return document;
  return {
    sequences,
    lateEvidenceGraceS,
    acceptanceTarget,
    ...rest,
    ...(Array.isArray(clocks) ? { clocks: clocks.map((clock: unknown) => clockOf(clock, escalation)) } : {}),
    contactAttemptDefinition: isFields(attempt)
      ? { ...contactAttemptDefinition, ...attempt }
      : (attempt ?? contactAttemptDefinition),
  };
}

const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];

/** A calendar may name its weekdays: `monday`, `Mon`, `MO`. */
export function calendarOfTemplate(document: unknown): unknown {
  if (!isFields(document) || !Array.isArray(document.weekly)) return document;
  const weekly = document.weekly.map((interval: unknown) => {
    if (!isFields(interval) || typeof interval.weekday !== 'string') return interval;
    const name = interval.weekday.toLowerCase();
    const day = WEEKDAYS.findIndex((weekday) => [2, 3, weekday.length].some((n) => weekday.slice(0, n) === name));
    return day === -1 ? interval : { ...interval, weekday: day + 1 };
  });
  return { ...document, weekly };
}

function clockOf(clock: unknown, escalation: readonly unknown[] | undefined): unknown {
  if (!isFields(clock)) return clock;
  const standard = standardAgreement.clocks.find(({ clockType }) => clockType === clock.clockType);
  return {
    ...(standard === undefined ? {} : { pausable: standard.pausable, escalations: standard.escalations }),
    ...(escalation === undefined ? {} : { escalations: escalation }),
    ...clock,
  };
}

/** As spec §3.4 writes a reason, too: `other*` needs a note. */
const reasonOf = (reason: unknown): unknown =>
  typeof reason === 'string' ? { code: reason.replace(/\*$/, ''), needsNote: reason.endsWith('*') } : reason;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
