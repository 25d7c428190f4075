import {
  SEGMENT_DIMENSIONS,
  STEP,
  type BehaviourVariant,
  type LeadColumns,
  type ProfileColumns,
  type ScoringHistory,
} from '#libs/history/src/scoring-history.js';
import { FIT_FIELDS, type Facts, type FactValue, type FitField } from '#libs/scoring/src/facts.js';

/** When every told lead was captured, unless it says so itself. */
export const CAPTURED_S = Date.parse('2026-01-01T00:00:00Z') / 1000;

export interface ToldStep {
  readonly kind: number;
  /** EVALUATED or 0. */
  readonly marks: number;
  /** After the step before; below 0: imported after it, or restated. */
  readonly gapS: number;
  readonly lateS: number;
  readonly behaviour: BehaviourVariant;
  readonly facts: Facts;
  readonly gates: number;
}

/** One lead in words; seconds since its capture. */
export interface ToldLead {
  readonly steps: readonly ToldStep[];
  /** How many steps are read. */
  readonly cut?: number | undefined;
  readonly capturedAtS?: number;
  readonly markedAfterS?: number | undefined;
  readonly acceptedAfterS?: number | undefined;
  readonly rejectedAfterS?: number | undefined;
  readonly sqlAfterS?: number | undefined;
  readonly wonAfterS?: number | undefined;
  readonly isMergedAway?: boolean;
  readonly source?: string;
}

/** Small histories for tests, as columns. */
export function historyOf(told: readonly ToldLead[]): ScoringHistory {
  const variants: BehaviourVariant[] = [];
  const variantCodes = new Map<string, number>();
  const profiles: Facts[] = [];
  const profileCodes = new Map<string, number>();
  const codeOf = <T>(all: T[], codes: Map<string, number>, one: T): number => {
    const key = JSON.stringify(one);
    const known = codes.get(key);
    if (known !== undefined) return known;
    codes.set(key, all.length);
    return all.push(one) - 1;
  };

  const count = told.reduce((sum, { steps }) => sum + steps.length, 0);
  const kind = new Uint8Array(count);
  const [atS, occurredAtS, value] = [new Uint32Array(count), new Uint32Array(count), new Uint32Array(count)];
  const firstStep = new Uint32Array(told.length + 1);
  let next = 0;
  for (const [lead, { capturedAtS = CAPTURED_S, steps }] of told.entries()) {
    let nowS = capturedAtS;
    let countedS = 0;
    for (const step of steps) {
      nowS = Math.max(capturedAtS, nowS + step.gapS);
      // Never counted, nor looked at, before what was counted already; behind a restatement all is counted anew.
      if (step.kind === STEP.behaviour || step.marks !== 0) nowS = Math.max(nowS, countedS);
      if (step.kind === STEP.behaviour) countedS = nowS;
      if (step.kind === STEP.restated) countedS = 0;
      kind[next] = step.kind | step.marks;
      atS[next] = nowS;
      occurredAtS[next] = step.kind === STEP.behaviour ? nowS - step.lateS : nowS;
      if (step.kind === STEP.behaviour) value[next] = codeOf(variants, variantCodes, step.behaviour);
      if (step.kind === STEP.facts) value[next] = codeOf(profiles, profileCodes, step.facts);
      if (step.kind === STEP.gates) value[next] = step.gates;
      next += 1;
    }
    firstStep[lead + 1] = next;
  }

  const after = (of: (lead: ToldLead) => number | undefined) =>
    Uint32Array.from(told, (lead) => {
      const seconds = of(lead);
      return seconds === undefined ? 0 : (lead.capturedAtS ?? CAPTURED_S) + seconds;
    });
  const sources = [null, ...new Set(told.flatMap(({ source }) => source ?? []))];
  const none = () => new Uint32Array(told.length);
  const leads: LeadColumns = {
    count: told.length,
    leadIds: told.map((_, lead) => `lead-${lead + 1}`),
    firstStep,
    cutStep: Uint32Array.from(
      told,
      ({ cut, steps }, lead) => firstStep[lead]! + Math.min(cut ?? Infinity, steps.length),
    ),
    capturedAtS: after(() => 0),
    mqlAtS: after(({ markedAfterS }) => markedAfterS),
    handedOffAtS: none(),
    acceptedAtS: after(({ acceptedAfterS }) => acceptedAfterS),
    rejectedAtS: after(({ rejectedAfterS }) => rejectedAfterS),
    sqlAtS: after(({ sqlAfterS }) => sqlAfterS),
    wonAtS: after(({ wonAfterS }) => wonAfterS),
    flags: Uint8Array.from(told, ({ isMergedAway }) => (isMergedAway === true ? 1 : 0)),
    dimensions: Object.fromEntries(
      SEGMENT_DIMENSIONS.map((name) => [
        name,
        name === 'source' ? Uint32Array.from(told, ({ source }) => sources.indexOf(source ?? null)) : none(),
      ]),
    ) as unknown as LeadColumns['dimensions'],
    dimensionValues: Object.fromEntries(
      SEGMENT_DIMENSIONS.map((name) => [name, name === 'source' ? sources : [null]]),
    ) as unknown as LeadColumns['dimensionValues'],
  };
  return {
    position: 'told',
    leads,
    steps: { count, kind, atS, occurredAtS, value },
    variants,
    profiles: columnsOf(profiles),
  };
}

function columnsOf(profiles: readonly Facts[]): ProfileColumns {
  const fields = {} as Record<FitField, Uint32Array>;
  const values = {} as Record<FitField, (FactValue | undefined)[]>;
  for (const field of Object.keys(FIT_FIELDS) as FitField[]) {
    values[field] = [undefined, ...new Set(profiles.flatMap((facts) => facts[field] ?? []))];
    fields[field] = Uint32Array.from(profiles, (facts) => values[field].indexOf(facts[field]));
  }
  return { count: profiles.length, fields, values };
}
