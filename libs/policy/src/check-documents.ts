import type { AgreementDocument, IcpCriterion, IcpDocument, PipelineDocument } from './documents.js';
import { PolicyError } from './errors.js';

/**
 * Refuses a pipeline that reports could not be computed from.
 * @throws PolicyError PROBABILITY_NOT_MONOTONE: a later deal stage less likely won than an earlier one (spec §3.6);
 *   VALIDATION_FAILED: a stage code, an order, a reason code or a track given twice
 */
export function checkPipeline({ dealStages, reasonCodes, tracks }: PipelineDocument): void {
  const stages = [...dealStages].sort((a, b) => a.order - b.order);
  checkUnique(
    stages.map(({ code }) => code),
    'dealStages',
  );
  checkUnique(
    stages.map(({ order }) => order),
    'dealStages',
  );
  stages.forEach((stage, i) => {
    const previous = stages[i - 1];
    if (previous !== undefined && stage.winProbability < previous.winProbability) {
      throw new PolicyError(
        'PROBABILITY_NOT_MONOTONE',
        `${stage.code} ${stage.winProbability} comes after ${previous.code} ${previous.winProbability}`,
        'dealStages',
      );
    }
  });
  for (const [kind, reasons] of Object.entries(reasonCodes)) {
    checkUnique(
      reasons.map(({ code }) => code),
      `reasonCodes.${kind}`,
    );
  }
  checkUnique(
    tracks.map(({ trackId }) => trackId),
    'tracks',
  );
}

/**
 * Refuses an agreement whose clocks contradict themselves.
 * @throws PolicyError VALIDATION_FAILED: a clock type given twice, a warning not before the target, an escalation level that is
 *   not later than the level below it
 */
export function checkAgreement({ clocks }: AgreementDocument): void {
  checkUnique(
    clocks.map(({ clockType }) => clockType),
    'clocks',
  );
  for (const { clockType, escalations, targetOpenS, warnOpenS } of clocks) {
    const field = `clocks ${clockType}`;
    if (warnOpenS !== undefined && warnOpenS >= targetOpenS) {
      throw new PolicyError('VALIDATION_FAILED', 'the warning must come before the target', field);
    }
    const levels = [...escalations].sort((a, b) => a.level - b.level);
    levels.forEach(({ afterDueOpenS, level }, i) => {
      const below = levels[i - 1];
      if (below !== undefined && (level === below.level || afterDueOpenS <= below.afterDueOpenS)) {
        throw new PolicyError('VALIDATION_FAILED', `level ${level} must come after level ${below.level}`, field);
      }
    });
  }
}

/** What an agreement must define before it comes into force (spec §6.9), however it words the term. */
const AGREED_TERMS: Readonly<Record<string, RegExp>> = {
  'lifecycle stages': /life.?cycle/i,
  'lead types': /lead types?/i,
  'deal stages': /deal stages?/i,
  'lead status': /status/i,
  'score criteria': /scor/i,
  MQL: /\bmqls?\b|marketing.qualified/i,
  SAL: /\bsals?\b|sales.accepted/i,
  SQL: /\bsqls?\b|sales.qualified/i,
};

/**
 * Refuses an agreement that leaves open what it is about: the ten terms of spec §6.9. Goals and the contact-attempt definition are
 * fields of their own, the other eight are definitions.
 * @throws PolicyError AGREEMENT_INCOMPLETE{missing[]}
 */
export function checkAgreementTerms({ definitions, goals }: AgreementDocument): void {
  const missing = Object.entries(AGREED_TERMS).flatMap(([term, words]) =>
    definitions.some((definition) => words.test(definition.term) && definition.text.trim() !== '') ? [] : term,
  );
  if (goals.length === 0) missing.unshift('goals');
  if (missing.length === 0) return;
  throw new PolicyError('AGREEMENT_INCOMPLETE', `it does not define ${missing.join(', ')}`, 'definitions', { missing });
}

/**
 * Refuses an ICP that cannot be judged by.
 * @throws PolicyError VALIDATION_FAILED: fewer employees at most than at least, a hard criterion that asks for nothing
 */
export function checkIcp({ employees, hardCriteria, industries, minAnnualRevenue, regions }: IcpDocument): void {
  if ((employees?.min ?? 0) > (employees?.max ?? Number.POSITIVE_INFINITY))
    throw new PolicyError('VALIDATION_FAILED', 'min is above max', 'employees');
  const asked: Record<IcpCriterion, boolean> = {
    industry: industries.length > 0,
    annualRevenue: minAnnualRevenue !== undefined,
    employees: employees !== undefined,
    region: regions.length > 0,
  };
  for (const criterion of hardCriteria)
    if (!asked[criterion])
      throw new PolicyError('VALIDATION_FAILED', `${criterion} is hard, but nothing is asked of it`, 'hardCriteria');
}

function checkUnique(values: readonly (string | number)[], field: string): void {
  const seen = new Set<string | number>();
  for (const value of values) {
    if (seen.has(value)) throw new PolicyError('VALIDATION_FAILED', `${value} is given twice`, field);
    seen.add(value);
  }
}
