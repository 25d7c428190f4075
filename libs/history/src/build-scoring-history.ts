import { BEFORE_MQL } from '#libs/lead/src/decide-qualification.js';
import { RANK, type LeadStateName } from '#libs/lead/src/states.js';
import type { FitField } from '#libs/scoring/src/facts.js';
import { behaviourOf, PURPOSES } from './encode-scoring.js';
import { FIT_FIELD_NAMES, ProfileInterner } from './profile-interner.js';
import {
  ALL_GATES,
  EVALUATED,
  GATES,
  IMPORTED,
  LEAD_FLAGS,
  RESCORED,
  SEGMENT_DIMENSIONS,
  STARTS,
  STEP,
  type LeadColumns,
  type ScoringHistory,
  type SegmentDimension,
  type StepColumns,
} from './scoring-history.js';
import { sharedU32, sharedU8 } from './shared-arrays.js';
import type { ColumnArray, Columns, Dictionary, HistoryTables, Table } from './table.js';
import {
  BEHAVIOURS,
  COMMAND,
  FACTS,
  FIELDS,
  HOW,
  MOVES,
  SCORING_CAPTURES,
  SCORING_COMPANIES,
  SCORING_MOVES,
  SCORING_STEPS,
  STATES,
  STEP_KINDS,
  type ScoringStepKind,
} from './tables-scoring.js';

/** Kinds of steps as the loop over the rows tells them apart. */
const KINDS = [
  'captured', 'behaviour', 'fact', 'account', 'company', 'consent', 'touched', 'moved', 'owner', 'team', 'scored', 'behaviours_forgotten',
  'returned_again', 'moves_forgotten', 'moved_again', 'consents_forgotten', 'state', 'captured_again',
] as const satisfies readonly ScoringStepKind[]; // prettier-ignore
const K = Object.fromEntries(KINDS.map((kind, n) => [kind, n])) as { readonly [N in ScoringStepKind]: number };

/**
 * The history's tables → what replays loop over. Linear in the rows; the same tables give the same arrays. Takes some seconds of one
 * core for ten million rows: not for a thread that answers anybody.
 */
export function buildScoringHistory(tables: HistoryTables): ScoringHistory {
  const { leadIds, position } = tables;
  const folding = new Folding(tables);
  for (let lead = 0; lead < leadIds.length; lead++) folding.fold(lead);
  return { position, ...folding.finished() };
}

/** Rows of one table by lead, a lead's in the order of the log: those of lead n are `order` from `first[n]` to `first[n + 1]`. */
function grouped(leads: number, column: ColumnArray): { readonly first: Uint32Array; readonly order: Uint32Array } {
  const first = sharedU32(leads + 1);
  for (let row = 0; row < column.length; row++) first[column[row]! + 1]! += 1;
  for (let lead = 0; lead < leads; lead++) first[lead + 1]! += first[lead]!;
  const next = first.slice(0, leads);
  const order = new Uint32Array(column.length);
  for (let row = 0; row < column.length; row++) order[next[column[row]!]!++] = row;
  return { first, order };
}

/** Words of a row as `groupedSteps` lays it: kind, bits of `command` and field; value, behaviour or nth; and the two instants. */
const WORDS = 4;

/** The rows of SCORING_STEPS by lead, side by side: what belongs together is read together. */
function groupedSteps(
  leads: number,
  row: StepRow,
  kindOf: Uint8Array,
): { readonly first: Uint32Array; readonly words: Uint32Array } {
  const { availableAtS, behaviour, command, field, lead, nth, occurredAtS, step, value } = row;
  const rows = lead.length;
  const first = new Uint32Array(leads + 1);
  for (let n = 0; n < rows; n++) first[lead[n]! + 1]! += 1;
  for (let n = 0; n < leads; n++) first[n + 1]! += first[n]!;
  const next = first.slice(0, leads);
  const words = new Uint32Array(WORDS * rows);
  for (let n = 0; n < rows; n++) {
    const at = WORDS * next[lead[n]!]!++;
    words[at] = kindOf[step[n]!]! | (command[n]! << 8) | (field[n]! << 16);
    // A row has but one of them.
    words[at + 1] = value[n]! | behaviour[n]! | nth[n]!;
    words[at + 2] = occurredAtS[n]!;
    words[at + 3] = availableAtS[n]!;
  }
  return { first, words };
}

const columnOf = ({ columns }: Table, { columns: arrays }: Columns, name: string): ColumnArray =>
  arrays[columns.findIndex((column) => column.name === name)]!;

/** Field number by column of SCORING_CAPTURES and SCORING_COMPANIES. */
const CAPTURED: Readonly<Record<string, FitField>> = {
  role: 'role', leadType: 'leadType', country: 'country', region: 'region', emailKind: 'emailKind', captureMethod: 'captureMethod',
  channel: 'source.channel', source: 'source.code', campaign: 'source.campaignId', interestKind: 'interest.kind',
  interestRequest: 'interest.request', interestProductLine: 'interest.productLine', account: 'accountId',
}; // prettier-ignore
const JUDGED: Readonly<Record<string, FitField>> = {
  result: 'icp.result', industryFits: 'icp.industry', annualRevenueFits: 'icp.annualRevenue', employeesFit: 'icp.employees',
  regionFits: 'icp.region', industry: 'firmographics.industry', employees: 'firmographics.employees',
  annualRevenueMinor: 'firmographics.annualRevenueMinor', annualRevenueCurrency: 'firmographics.annualRevenueCurrency',
}; // prettier-ignore
const number = (field: FitField): number => FIT_FIELD_NAMES.indexOf(field);
const ACCOUNT = number('accountId');
const LEAD_TYPE = number('leadType');
const PROFILING = 1 << PURPOSES.indexOf('profiling');

type StepRow = Readonly<
  Record<
    'lead' | 'step' | 'command' | 'field' | 'value' | 'behaviour' | 'occurredAtS' | 'availableAtS' | 'nth',
    ColumnArray
  >
>;
type Named = Readonly<Record<string, ColumnArray>>;

type Outcomes = Record<
  'cutStep' | 'capturedAtS' | 'mqlAtS' | 'handedOffAtS' | 'acceptedAtS' | 'rejectedAtS' | 'sqlAtS' | 'wonAtS',
  Uint32Array
>;

interface Move {
  readonly row: number;
  /** Steps there were when it was told. */
  readonly atStep: number;
  readonly cycleNo: number;
  occurredAtS: number;
  stands: boolean;
}

/** From here on sales has the lead, however that came about: what it does then is told by how sales liked it (spec §5.6). */
const SALES: ReadonlySet<string> = new Set([
  'HandedOffToSales',
  'AcceptedBySales',
  'RejectedBySales',
  'MarkedSQL',
  'OpportunityOpened',
  'DealWon',
  'DealLost',
]);

class Folding {
  readonly #leads: number;
  readonly #rows: ReturnType<typeof groupedSteps>;
  readonly #captureOf: Uint32Array;
  readonly #companies: ReturnType<typeof grouped>;
  readonly #moves: ReturnType<typeof grouped>;
  readonly #capture: Named;
  readonly #company: Named;
  readonly #move: Named;
  readonly #captured: readonly (readonly [field: number, column: ColumnArray])[];
  readonly #judged: readonly (readonly [field: number, column: ColumnArray])[];
  /** By code of the dictionary. */
  readonly #kindOf: Uint8Array;
  readonly #fieldOf: Uint8Array;
  readonly #purposeOf: Uint8Array;
  readonly #stateGate: Uint8Array;
  readonly #factStateGate: Uint8Array;
  readonly #reachesSql: Uint8Array;
  readonly #moveNames: readonly (string | null)[];
  readonly #merged: { readonly state: number; readonly fact: number };
  readonly #granted: number;

  readonly #profiles: ProfileInterner;
  readonly #steps: { kind: Uint8Array; atS: Uint32Array; occurredAtS: Uint32Array; value: Uint32Array };
  readonly #firstStep: Uint32Array;
  readonly #out: Outcomes;
  readonly #flags: Uint8Array;
  readonly #dimensions: Record<SegmentDimension, Uint32Array>;
  readonly #dimensionCodes: Record<SegmentDimension, DimensionCodes>;
  #count = 0;

  // Of the lead at hand.
  #consentsGranted = 0;
  #consentsWithdrawn = 0;
  #failsHard = false;
  #isMerged = false;
  #inMarkableState = false;
  #toldGates = ALL_GATES;
  #factsAreNew = false;
  /** As libs/scoring counts behaviours: never before the one before. */
  #behavioursAtS = 0;
  // Of the command at hand.
  #isFirstOfCommand = false;
  #commandBegan = 0;
  #scores = false;
  #isImported = false;
  #wentBack = false;
  #nowS = 0;
  #evaluatedAtS = 0;

  constructor(private readonly tables: HistoryTables) {
    const leads = tables.leadIds.length;
    this.#leads = leads;
    const read = (table: Table) => {
      const columns = tables.table(table);
      return Object.fromEntries(table.columns.map(({ name }) => [name, columnOf(table, columns, name)]));
    };
    this.#capture = read(SCORING_CAPTURES);
    this.#company = read(SCORING_COMPANIES);
    this.#move = read(SCORING_MOVES);
    this.#companies = grouped(leads, this.#company.lead!);
    this.#moves = grouped(leads, this.#move.lead!);
    this.#captureOf = new Uint32Array(leads);
    this.#capture.lead!.forEach((lead, row) => (this.#captureOf[lead] = row + 1));
    const pick = (names: Readonly<Record<string, FitField>>, columns: Readonly<Record<string, ColumnArray>>) =>
      Object.entries(names).map(([name, field]) => [number(field), columns[name]!] as const);
    this.#captured = pick(CAPTURED, this.#capture);
    this.#judged = pick(JUDGED, this.#company);

    const facts = tables.dictionary(FACTS);
    this.#kindOf = byCode(tables.dictionary(STEP_KINDS), (name) => KINDS.indexOf(name as (typeof KINDS)[number]));
    this.#fieldOf = byCode(tables.dictionary(FIELDS), (name) => Math.max(0, number(name as FitField)));
    this.#purposeOf = byCode(tables.dictionary(FIELDS), (name) => {
      const purpose = PURPOSES.indexOf(name as (typeof PURPOSES)[number]);
      return purpose < 0 ? 0 : 1 << purpose;
    });
    this.#stateGate = byCode(tables.dictionary(STATES), (name) => (MARKABLE.has(String(name)) ? 1 : 0));
    this.#factStateGate = byCode(facts, (name) => (MARKABLE.has(String(name)) ? 1 : 0));
    this.#reachesSql = byCode(tables.dictionary(STATES), (name) => (RANK[name as LeadStateName] >= RANK.SQL ? 1 : 0));
    this.#moveNames = tables.dictionary(MOVES).values as readonly (string | null)[];
    this.#merged = { state: tables.dictionary(STATES).values.indexOf('MERGED'), fact: facts.values.indexOf('MERGED') };
    this.#granted = facts.values.indexOf('granted');

    this.#profiles = new ProfileInterner(facts);
    this.#rows = groupedSteps(leads, read(SCORING_STEPS) as StepRow, this.#kindOf);
    const most = this.#mostSteps();
    this.#steps = { kind: sharedU8(most), atS: sharedU32(most), occurredAtS: sharedU32(most), value: sharedU32(most) };
    this.#firstStep = sharedU32(leads + 1);
    const column = () => sharedU32(leads);
    this.#out = {
      cutStep: column(), capturedAtS: column(), mqlAtS: column(), handedOffAtS: column(), acceptedAtS: column(), rejectedAtS: column(),
      sqlAtS: column(), wonAtS: column(),
    }; // prettier-ignore
    this.#flags = sharedU8(leads);
    const each = <V>(make: () => V) =>
      Object.fromEntries(SEGMENT_DIMENSIONS.map((name) => [name, make()])) as Record<SegmentDimension, V>;
    this.#dimensions = each(column);
    this.#dimensionCodes = each(() => new DimensionCodes(facts));
  }

  /** More than that no fold of these rows makes. */
  #mostSteps(): number {
    let most = 0;
    const { words } = this.#rows;
    for (let at = 0; at < words.length; at += WORDS) {
      const kind = words[at]! & 0xff;
      most += kind === K.behaviour || kind === K.fact || kind === K.touched ? 1 : 2;
      if (((words[at]! >>> 8) & COMMAND.starts) !== 0) most += 1;
    }
    return most;
  }

  fold(lead: number): void {
    const { first, words } = this.#rows;
    this.#firstStep[lead] = this.#count;
    this.#reset();
    let owner = 0;
    let team = 0;
    let leadType = 0;
    let company = this.#companies.first[lead]!;
    let move = this.#moves.first[lead]!;
    const moves: Move[] = [];
    for (let n = first[lead]!; n < first[lead + 1]!; n++) {
      const at = WORDS * n;
      const what = words[at]!;
      const command = (what >>> 8) & 0xff;
      if ((command & COMMAND.starts) !== 0) this.#begin();
      const value = words[at + 1]!;
      const occurredAtS = words[at + 2]!;
      const availableAtS = words[at + 3]!;
      const kind = what & 0xff;
      this.#isImported = (command & COMMAND.imported) !== 0;
      if (kind !== K.behaviour || !this.#wentBack) this.#nowS = availableAtS;
      if ((command & COMMAND.scores) !== 0) {
        this.#scores = true;
        this.#evaluatedAtS = this.#nowS;
      }
      switch (kind) {
        case K.captured: {
          const captured = this.#captureOf[lead]! - 1;
          for (const [field, column] of this.#captured) this.#profiles.set(field, column[captured]!);
          this.#factsAreNew = true;
          this.#consentsGranted = this.#capture.consents![captured]!;
          this.#entered(this.#stateGate[this.#capture.state![captured]!]!, false);
          if (this.#capture.imported![captured]! !== 0) this.#flags[lead]! |= LEAD_FLAGS.imported;
          this.#out.capturedAtS[lead] = occurredAtS;
          owner = this.#capture.owner![captured]!;
          team = this.#capture.team![captured]!;
          leadType = this.#capture.leadType![captured]!;
          break;
        }
        case K.behaviour:
          this.#behavioursAtS = Math.max(this.#behavioursAtS, availableAtS);
          this.#emit(STEP.behaviour, this.#behavioursAtS, occurredAtS, value);
          break;
        case K.fact: {
          const field = this.#fieldOf[what >>> 16]!;
          this.#profiles.set(field, value);
          if (field === LEAD_TYPE) leadType = value;
          this.#factsAreNew = true;
          break;
        }
        case K.account:
          this.#profiles.set(ACCOUNT, value);
          for (const [field] of this.#judged) this.#profiles.set(field, 0);
          this.#failsHard = false;
          this.#factsAreNew = true;
          break;
        case K.company: {
          const judged = this.#companies.order[company++]!;
          for (const [field, column] of this.#judged) this.#profiles.set(field, column[judged]!);
          this.#failsHard = this.#company.failsHard![judged]! !== 0;
          this.#factsAreNew = true;
          break;
        }
        case K.consent: {
          const purpose = this.#purposeOf[what >>> 16]!;
          const isGranted = value === this.#granted;
          this.#consentsGranted = isGranted ? this.#consentsGranted | purpose : this.#consentsGranted & ~purpose;
          this.#consentsWithdrawn = isGranted ? this.#consentsWithdrawn & ~purpose : this.#consentsWithdrawn | purpose;
          break;
        }
        case K.touched:
          break;
        case K.moved: {
          // What was told before belongs to the time before.
          this.#tell();
          const moved = this.#moves.order[move++]!;
          const name = this.#moveNames[this.#move.move![moved]!];
          const cycleNo = this.#move.cycleNo![moved]! || (moves.findLast(({ stands }) => stands)?.cycleNo ?? 1);
          moves.push({ row: moved, atStep: this.#count, cycleNo, occurredAtS, stands: true });
          [owner, team] = this.#ownership(moved, name, owner, team);
          if (name === 'HandedOffToSales') break;
          const state = this.#move.toState![moved]!;
          this.#entered(this.#stateGate[state]!, state === this.#merged.state);
          if (name === 'RejectedBySales' || name === 'RecycledNotReady')
            this.#emit(STEP.returned, availableAtS, availableAtS, 0);
          break;
        }
        case K.owner:
          owner = value;
          break;
        case K.team:
          team = value;
          break;
        case K.scored:
          this.#evaluated();
          // By itself: under a new model.
          if ((command & COMMAND.starts) !== 0)
            this.#emit(STEP.facts | RESCORED, availableAtS, availableAtS, this.#profiles.profile());
          break;
        case K.behaviours_forgotten:
          this.#emit(STEP.restated, availableAtS, availableAtS, 0);
          this.#behavioursAtS = 0;
          this.#wentBack = true;
          break;
        case K.returned_again:
          this.#emit(STEP.returned, this.#behavioursAtS, this.#behavioursAtS, 0);
          break;
        case K.moves_forgotten:
          for (const one of moves) one.stands = false;
          break;
        case K.moved_again: {
          const again = moves[value - 1]!;
          again.stands = true;
          if (occurredAtS !== 0) again.occurredAtS = occurredAtS;
          break;
        }
        case K.consents_forgotten:
          this.#consentsGranted = this.#consentsWithdrawn = 0;
          break;
        case K.state:
          this.#entered(this.#factStateGate[value]!, value === this.#merged.fact);
          break;
        case K.captured_again:
          this.#out.capturedAtS[lead] = occurredAtS;
          break;
        default:
          throw new Error(`a step of an unknown kind: ${kind}`);
      }
    }
    this.#evaluated();
    this.#tell();
    if (this.#isMerged) this.#flags[lead]! |= LEAD_FLAGS.mergedAway;
    this.#outcomes(lead, moves);
    this.#segments(lead, { owner, team, leadType });
    this.#firstStep[lead + 1] = this.#count;
  }

  finished(): Omit<ScoringHistory, 'position'> {
    const count = this.#count;
    const { atS, kind, occurredAtS, value } = this.#steps;
    if (count > kind.length) throw new Error(`${count} steps where at most ${kind.length} were thought possible`);
    const u32 = ({ buffer }: Uint32Array) => new Uint32Array(buffer, 0, count);
    const steps: StepColumns = {
      count,
      kind: new Uint8Array(kind.buffer, 0, count),
      atS: u32(atS),
      occurredAtS: u32(occurredAtS),
      value: u32(value),
    };
    const dimensionValues = Object.fromEntries(
      SEGMENT_DIMENSIONS.map((name) => [name, this.#dimensionCodes[name].values]),
    ) as unknown as LeadColumns['dimensionValues'];
    const { leadIds } = this.tables;
    return {
      leads: {
        count: this.#leads, leadIds, firstStep: this.#firstStep, ...this.#out, flags: this.#flags, dimensions: this.#dimensions,
        dimensionValues,
      },
      steps,
      variants: this.tables
        .dictionary(BEHAVIOURS)
        .values.map((text) => (text === null ? { kind: 'page_view', count: 0 } : behaviourOf(String(text)))),
      profiles: this.#profiles.columns(),
    }; // prettier-ignore
  }

  #reset(): void {
    this.#profiles.clear();
    this.#consentsGranted = this.#consentsWithdrawn = 0;
    this.#failsHard =
      this.#isMerged =
      this.#inMarkableState =
      this.#factsAreNew =
      this.#scores =
      this.#wentBack =
        false;
    this.#toldGates = ALL_GATES;
    this.#behavioursAtS = 0;
    this.#nowS = 0;
    this.#commandBegan = this.#count;
    this.#isFirstOfCommand = true;
  }

  #begin(): void {
    this.#evaluated();
    this.#tell();
    this.#isFirstOfCommand = true;
    this.#commandBegan = this.#count;
    this.#wentBack = false;
  }

  /** Where the ledger evaluates: behind everything that the command told until then. */
  #evaluated(): void {
    if (!this.#scores) return;
    this.#scores = false;
    this.#tell();
    // Imported behind what happened later: as the behaviours, which count no earlier than the one before.
    const atS = Math.max(this.#evaluatedAtS, this.#behavioursAtS);
    if (this.#count === this.#commandBegan) this.#emit(STEP.facts, atS, atS, this.#profiles.profile());
    // Steps told again stand at the instants they had, a move at that of its recording; the evaluation is of its own.
    else if (this.#steps.atS[this.#count - 1] !== atS) this.#emit(STEP.gates, atS, atS, this.#toldGates);
    this.#steps.kind[this.#count - 1]! |= this.#isImported ? EVALUATED | IMPORTED : EVALUATED;
  }

  #tell(): void {
    if (this.#factsAreNew) {
      this.#factsAreNew = false;
      this.#emit(STEP.facts, this.#nowS, this.#nowS, this.#profiles.profile());
    }
    const isSuppressed = this.#consentsGranted === 0 && this.#consentsWithdrawn !== 0;
    const gates =
      (this.#isMerged || (this.#consentsWithdrawn & PROFILING) !== 0 ? 0 : GATES.mayBeScored) |
      (this.#failsHard ? 0 : GATES.icp) |
      (isSuppressed ? 0 : GATES.notSuppressed) |
      (this.#inMarkableState ? GATES.mayBeMarked : 0);
    if (gates === this.#toldGates) return;
    this.#toldGates = gates;
    this.#emit(STEP.gates, this.#nowS, this.#nowS, gates);
  }

  #emit(kind: number, atS: number, occurredAtS: number, value: number): void {
    const at = this.#count++;
    const steps = this.#steps;
    steps.kind[at] = this.#isFirstOfCommand ? kind | STARTS : kind;
    steps.atS[at] = atS;
    steps.occurredAtS[at] = occurredAtS;
    steps.value[at] = value;
    this.#isFirstOfCommand = false;
  }

  #entered(isMarkable: number, isMerged: boolean): void {
    this.#inMarkableState = isMarkable !== 0;
    this.#isMerged = isMerged;
  }

  #ownership(moved: number, name: string | null | undefined, owner: number, team: number): [number, number] {
    const [toOwner, toTeam] = [this.#move.owner![moved]!, this.#move.team![moved]!];
    if (name !== 'HandedOffToSales') return [toOwner || owner, toTeam || team];
    // Offered to a team of its own: whoever had the lead in another has it no more.
    return [toOwner || (team === 0 || team === toTeam ? owner : 0), toTeam];
  }

  #outcomes(lead: number, moves: readonly Move[]): void {
    const out = this.#out;
    const end = this.#count;
    let cut = end;
    const earliest = (column: Uint32Array, atS: number): boolean => {
      if (column[lead] !== 0 && column[lead]! <= atS) return false;
      column[lead] = atS;
      return true;
    };
    for (const { atStep, cycleNo, occurredAtS, row, stands } of moves) {
      if (!stands || cycleNo !== 1) continue;
      const name = this.#moveNames[this.#move.move![row]!]!;
      const how = this.#move.how![row]!;
      if (SALES.has(name) && atStep < cut) cut = atStep;
      if (name === 'HandedOffToSales') earliest(out.handedOffAtS, occurredAtS);
      else if (name === 'RejectedBySales') earliest(out.rejectedAtS, occurredAtS);
      else if (name === 'AcceptedBySales' || (how & HOW.accepts) !== 0) earliest(out.acceptedAtS, occurredAtS);
      if (name === 'DealWon') earliest(out.wonAtS, occurredAtS);
      if (this.#reachesSql[this.#move.toState![row]!] !== 0 && name !== 'HandedOffToSales')
        earliest(out.sqlAtS, occurredAtS);
      if (MARKS.has(name) && earliest(out.mqlAtS, occurredAtS)) {
        const bit = LEAD_FLAGS.markedAutomatically;
        this.#flags[lead] = (how & HOW.automatic) !== 0 ? this.#flags[lead]! | bit : this.#flags[lead]! & ~bit;
      }
    }
    out.cutStep[lead] = cut;
  }

  #segments(lead: number, now: { readonly owner: number; readonly team: number; readonly leadType: number }): void {
    const captured = this.#captureOf[lead]! - 1;
    const codes = this.#dimensionCodes;
    const set = (name: SegmentDimension, code: number) => {
      this.#dimensions[name][lead] = codes[name].indexOf(code);
    };
    set('owner', now.owner);
    set('team', now.team);
    set('leadType', now.leadType);
    if (captured < 0) return;
    const { campaign, captureMethod, channel, country, source } = this.#capture;
    set('source', source![captured]! || channel![captured]!);
    set('channel', channel![captured]!);
    set('campaign', campaign![captured]!);
    set('country', country![captured]!);
    set('captureMethod', captureMethod![captured]!);
  }
}

const MARKS: ReadonlySet<string> = new Set(['MarkedMQL', 'MarkedPQL', 'MarkedServiceQualified']);
/** T4; also MQL: another model might not have marked the lead yet. */
export const MARKABLE: ReadonlySet<string> = new Set([...BEFORE_MQL, 'MQL']);

const byCode = ({ values }: Dictionary, valueOf: (name: string | number | boolean) => number): Uint8Array =>
  Uint8Array.from(values, (name) => (name === null ? 0 : valueOf(name)));

/** Numbers of a dimension's own for codes of the dictionary of facts. */
class DimensionCodes {
  readonly values: (string | null)[] = [null];
  readonly #indexOf: Uint32Array;

  constructor(private readonly facts: Dictionary) {
    this.#indexOf = new Uint32Array(facts.values.length);
  }

  indexOf(code: number): number {
    if (code === 0) return 0;
    return (this.#indexOf[code] ||= this.values.push(String(this.facts.values[code])) - 1);
  }
}
