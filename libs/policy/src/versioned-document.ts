import { type ConfigDocument, type DocumentKind, documentKinds, type Surroundings } from './document-kinds.js';
import type { ConfigEventType } from './documents.js';
import { PolicyError } from './errors.js';
import { checkStagesInUse, type OpenDeals } from './stages-in-use.js';
import { type Span, versionAt, withoutVersion, withSpan } from './versions.js';

/** One configuration stream with versions (spec §2.4): its fold and its decisions. Pure. */

export type Party = 'marketing' | 'sales';
const PARTIES: readonly Party[] = ['marketing', 'sales'];

export interface Draft {
  readonly version: number;
  readonly document: ConfigDocument;
  readonly approvals: readonly { readonly party: Party; readonly by: string }[];
  /** Ids of the what-ifs that tried it. */
  readonly validations?: readonly string[];
  /** When it comes or came into force; null: not activated. */
  readonly effectiveFrom: string | null;
  readonly retired: boolean;
  /** Of the event that drafted it. */
  readonly eventId: string;
}

export interface VersionedDocument {
  /** By version, ascending. */
  readonly drafts: readonly Draft[];
  readonly spans: readonly Span[];
}
export const noVersions: VersionedDocument = { drafts: [], spans: [] };

/** An event as it is decided and as the log has it. */
export interface DecidedEvent {
  readonly type: ConfigEventType;
  readonly data: Readonly<Record<string, unknown>>;
}
export interface StoredEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type DocumentCommand =
  | { readonly act: 'draft'; readonly document: ConfigDocument; readonly version?: number | undefined }
  | {
      readonly act: 'validate';
      readonly version: number;
      readonly whatIfId: string;
      /** What the run says of this very document. */
      readonly summary?: Readonly<Record<string, unknown>> | undefined;
    }
  | { readonly act: 'approve'; readonly version: number; readonly party: Party }
  | {
      readonly act: 'activate';
      readonly version: number;
      readonly effectiveFrom?: string | undefined;
      readonly stageMapping?: Readonly<Record<string, string>> | undefined;
      readonly rescoreExisting?: boolean | undefined;
    }
  | { readonly act: 'retire'; readonly version: number };

export interface DocumentContext extends Surroundings {
  readonly kind: DocumentKind;
  readonly id: string;
  readonly nowMs: number;
  /** Who commands. */
  readonly by: string;
  /** Of pipelines alone: deals that are open now. */
  readonly openDeals: OpenDeals;
}

/** As far back as history may be imported (spec §4.4): before that nothing is ever decided. */
const BACKDATE_DAYS = 3650;
const DAY_MS = 86_400_000;

/** Takes foreign events as they come: what is not understood changes nothing. */
export function evolveDocument(
  kind: DocumentKind,
  state: VersionedDocument,
  { type, data }: StoredEvent,
  eventId: string,
): VersionedDocument {
  const { drafted, approved, activated, retired, validated } = documentKinds[kind];
  const { occurredAt, version: number, ...document } = data;
  const version = typeof number === 'number' ? number : undefined;
  const known = state.drafts.find((draft) => draft.version === version);
  switch (type) {
    case drafted: {
      if (version === undefined || known?.effectiveFrom != null) return state;
      const draft: Draft = { version, document, approvals: [], effectiveFrom: null, retired: false, eventId };
      const drafts = [...state.drafts.filter((one) => one.version !== version), draft];
      return { ...state, drafts: drafts.sort((a, b) => a.version - b.version) };
    }
    case validated: {
      const validations = [...(known?.validations ?? []), String(data.whatIfId)];
      return known === undefined ? state : changed(state, { ...known, validations });
    }
    case approved: {
      const approval = { party: data.party as Party, by: String(data.by) };
      return known === undefined ? state : changed(state, { ...known, approvals: [...known.approvals, approval] });
    }
    case activated: {
      const fromMs = Date.parse(String(data.effectiveFrom));
      if (known === undefined || Number.isNaN(fromMs)) return state;
      const next = changed(state, { ...known, effectiveFrom: String(data.effectiveFrom), retired: false });
      return { ...next, spans: withSpan(state.spans, { fromMs, version: known.version }) };
    }
    case retired: {
      const atMs = Date.parse(String(occurredAt));
      if (Number.isNaN(atMs)) return state;
      const gone = version ?? versionAt(state.spans, atMs);
      const draft = state.drafts.find((one) => one.version === gone);
      const next = draft === undefined ? state : changed(state, { ...draft, retired: true });
      return { ...next, spans: withoutVersion(state.spans, version, atMs) };
    }
    default:
      return state;
  }
}

const changed = (state: VersionedDocument, draft: Draft): VersionedDocument => ({
  ...state,
  drafts: state.drafts.map((one) => (one.version === draft.version ? draft : one)),
});

/**
 * The events of one act on a document; empty when it is done already. A refusal leaves what is in force untouched.
 * @throws PolicyError, and ZodError for a document of a wrong shape
 */
export function decideDocument(
  state: VersionedDocument,
  command: DocumentCommand,
  context: DocumentContext,
): DecidedEvent[] {
  const kind = documentKinds[context.kind];
  const occurredAt = new Date(context.nowMs).toISOString();
  switch (command.act) {
    case 'draft': {
      const next = (state.drafts.at(-1)?.version ?? 0) + 1;
      requireNext(state, command.version ?? next, next);
      const document = kind.read(command.document, context);
      return [{ type: kind.drafted, data: { occurredAt, version: next, ...document } }];
    }
    case 'validate': {
      const { summary, version, whatIfId } = command;
      if (kind.validated === undefined)
        throw new PolicyError('VALIDATION_FAILED', 'a what-if tries scoring models only', 'version');
      if (draftOf(state, version).validations?.includes(whatIfId) === true) return [];
      return [{ type: kind.validated, data: { occurredAt, version, whatIfId, summary } }];
    }
    case 'approve': {
      const { party, version } = command;
      const draft = draftOf(state, version);
      // Where no approval is asked for, giving one is no mistake.
      if (kind.approved === null || draft.approvals.some((approval) => approval.party === party)) return [];
      requireDraft(draft);
      return [{ type: kind.approved, data: { occurredAt, version, party, by: context.by } }];
    }
    case 'activate':
      return [{ type: kind.activated, data: { occurredAt, ...activation(state, command, context) } }];
    case 'retire':
      return retirement(state, command.version, context) ? [{ type: kind.retired, data: { occurredAt, version: command.version } }] : []; // prettier-ignore
  }
}

/** Whoever numbers his draft himself has looked at what there was. */
function requireNext({ drafts }: VersionedDocument, asked: number, next: number): void {
  if (asked === next) return;
  const known = drafts.find(({ version }) => version === asked);
  if (known?.effectiveFrom != null) throw immutable(known);
  throw new PolicyError('VALIDATION_FAILED', `the next version is ${next}`, 'version');
}

function draftOf({ drafts }: VersionedDocument, version: number): Draft {
  const draft = drafts.find((one) => one.version === version);
  if (draft !== undefined) return draft;
  throw new PolicyError('UNKNOWN_VERSION', `there is no version ${version}`);
}

function requireDraft(draft: Draft): void {
  if (draft.effectiveFrom !== null) throw immutable(draft);
}

const immutable = ({ effectiveFrom, version }: Draft): PolicyError =>
  new PolicyError(
    'VERSION_IMMUTABLE',
    `version ${version} was activated with effect from ${effectiveFrom}; draft a new version`,
    'version',
  );

function activation(
  state: VersionedDocument,
  command: Extract<DocumentCommand, { act: 'activate' }>,
  context: DocumentContext,
): Readonly<Record<string, unknown>> {
  const { nowMs } = context;
  const { rescoreExisting, stageMapping, version } = command;
  const draft = draftOf(state, version);
  requireDraft(draft);
  const kind = documentKinds[context.kind];
  const missing =
    kind.approved === null ? [] : PARTIES.filter((party) => !draft.approvals.some((one) => one.party === party));
  if (missing.length > 0)
    throw new PolicyError('AGREEMENT_NOT_COUNTERSIGNED', `not approved by ${missing.join(' and ')}`, undefined, {
      missing,
    });
  const fromMs = command.effectiveFrom === undefined ? nowMs : Date.parse(command.effectiveFrom);
  requireTime(state, fromMs, nowMs);
  // Judged anew: what it refers to may have gone since it was drafted.
  const document = kind.read(draft.document, context);
  kind.ready?.(document, fromMs, context);
  if (context.kind !== 'pipelines' && stageMapping !== undefined)
    throw new PolicyError('VALIDATION_FAILED', 'only a pipeline has deal stages', 'stageMapping');
  if (context.kind === 'pipelines') checkStagesInUse({ ...context, fromMs, document, stageMapping });
  const rescore = context.kind === 'scoring-models' ? { rescoreExisting: rescoreExisting ?? false } : {};
  const effectiveFrom = new Date(fromMs).toISOString();
  return { version, effectiveFrom, ...(stageMapping === undefined ? {} : { stageMapping }), ...rescore };
}

/**
 * Versions come into force in the order of their activation: one that began before its predecessor would never, or would
 * change what was decided under the others. Back to the predecessor's beginning it may reach, so that history is imported under
 * what is configured afterwards; live decisions name the versions they were made under.
 */
function requireTime({ spans }: VersionedDocument, fromMs: number, nowMs: number): void {
  const latest = spans.at(-1);
  if (latest !== undefined && fromMs < latest.fromMs) {
    const since = new Date(latest.fromMs).toISOString();
    const what = latest.version === null ? 'the one before was retired' : `version ${latest.version} comes into force`;
    throw new PolicyError('OUT_OF_ORDER', `${what} at ${since}; not before that`, 'effectiveFrom');
  }
  if (fromMs < nowMs - BACKDATE_DAYS * DAY_MS)
    throw new PolicyError('BACKDATE_LIMIT_EXCEEDED', `at most ${BACKDATE_DAYS} days back`, 'effectiveFrom', {
      limitDays: BACKDATE_DAYS,
    });
}

/** False: it is neither in force nor to come. */
function retirement(state: VersionedDocument, version: number, context: DocumentContext): boolean {
  const draft = draftOf(state, version);
  const { id, kind, nowMs } = context;
  const isAhead = state.spans.some((span) => span.version === version && span.fromMs > nowMs);
  if (!isAhead && versionAt(state.spans, nowMs) !== version) {
    if (draft.effectiveFrom !== null) return false;
    throw new PolicyError('VALIDATION_FAILED', `version ${version} was never in force`, 'version');
  }
  if (kind === 'pipelines' && !isAhead) checkStagesInUse({ ...context, fromMs: nowMs, document: null });
  if (kind === 'pipelines' && !isAhead && id === 'default')
    throw new PolicyError(
      'PIPELINE_IN_USE',
      'the default pipeline serves every lead; activate another version instead',
    );
  return true;
}
