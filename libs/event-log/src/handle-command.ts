import {
  type Append,
  type AppendResult,
  type EventLog,
  EventLogError,
  type NewEvent,
  type Position,
  type RecordedEvent,
} from './event-log.js';
import { LruMap } from './lru-map.js';

/** What a fold sees of an event beside its data. */
export type EventEnvelope = Omit<RecordedEvent, 'data' | 'type'>;

/** How a stream's events become a state. `read` turns stored events into today's, opened ones; it may look keys up. */
export interface StreamFold<State, Event> {
  initial(stream: string): State;
  evolve(state: State, event: Event, envelope: EventEnvelope): State;
  read(stream: string, events: readonly RecordedEvent[]): readonly Event[] | Promise<readonly Event[]>;
}

/** A command's trace in its stream: enough to answer a repetition. */
interface CommandTrace {
  readonly commandId: string;
  readonly commandHash: unknown;
  readonly events: { readonly type: string; readonly eventId: string }[];
  revision: number;
  position: Position;
}

/** A folded stream. Always a prefix of the truth: appending with its revision proves that it is all of it. */
export interface FoldedStream<State> {
  state: State;
  /** -1 while the stream does not exist. */
  revision: number;
  /** Of the last event; null while there is none. */
  position: Position | null;
  readonly commands: Map<string, CommandTrace>;
}

export interface CommandRuntime<State, Event> {
  readonly log: EventLog;
  readonly fold: StreamFold<State, Event>;
  readonly cache: LruMap<string, FoldedStream<State>>;
  /** Commands on one stream wait for each other here, so that one process never conflicts with itself. */
  readonly turns: Turns;
  /** When an event just written counts as recorded until it is read back from the store. */
  nowMs(): number;
}

export interface CommandRequest<State, Event> {
  readonly stream: string;
  readonly commandId: string;
  readonly commandHash: string;
  /** The revision the client has seen (If-Match); another one is a CONFLICT. */
  readonly expectedRevision?: number;
  /** True when the outcome may be decided anew after somebody else's append; a decision of a person may not. */
  readonly commutes: boolean;
  /** Events, or a throw. Called again after a conflict. An empty list is an accepted command without effect. */
  decide(state: State, revision: number): readonly Event[];
  /** The state with the events of the last `decide`, when it knows what folding them as written gives; null: they are folded. */
  after?(): State | null;
  /** Sealed, complete events for the decided ones. Called before each append. */
  write(events: readonly Event[], state: State): readonly NewEvent[] | Promise<readonly NewEvent[]>;
  /** In place of the log's own: sends further appends ahead of it. Errors as those of `EventLog.append`, or its own. */
  append?(append: Append): Promise<AppendResult>;
  /** Facts that were due anyway and are kept although the command was refused; written under an id of their own. */
  readonly onRefusal?: {
    decide(state: State): readonly Event[];
    write(events: readonly Event[], state: State): readonly NewEvent[] | Promise<readonly NewEvent[]>;
  };
}

export interface CommandOutcome<State> {
  readonly state: State;
  /** Of the command's last event; of the stream when it had no effect (-1: no such stream). */
  readonly revision: number;
  readonly position: Position | null;
  readonly events: readonly { readonly type: string; readonly eventId: string }[];
  /** True when this command had been carried out before and nothing was appended now. */
  readonly replayed: boolean;
}

export type CommandErrorCode = 'CONFLICT' | 'COMMAND_ID_REUSED';

export class CommandError extends Error {
  override readonly name = 'CommandError';
  constructor(
    readonly code: CommandErrorCode,
    message: string,
    /** Revision the stream has now. */
    readonly currentRevision: number,
  ) {
    super(message);
  }
}

const MAX_RETRIES = 3;

/**
 * Load → decide → one append with the exact expected revision → answer (architecture §3, spec §2.7).
 *
 * Guarantees: a decision is only ever stored on the state it was made from; a refusal or an empty decision is checked
 * against the stream's end before it is answered, so a stale cache never refuses anything; a command id already in the
 * stream answers its first outcome and appends nothing.
 * Errors: whatever `decide` throws; CommandError; EventLogError.
 */
export function handleCommand<State, Event>(
  runtime: CommandRuntime<State, Event>,
  request: CommandRequest<State, Event>,
): Promise<CommandOutcome<State>> {
  return runtime.turns.take(request.stream, () => run(runtime, request));
}

/** The stream as far as the log has it now. */
export async function loadStream<State, Event>(
  runtime: CommandRuntime<State, Event>,
  stream: string,
): Promise<FoldedStream<State>> {
  const folded = runtime.cache.get(stream) ?? emptyStream(runtime, stream);
  await catchUp(runtime, stream, folded);
  return folded;
}

async function run<State, Event>(
  runtime: CommandRuntime<State, Event>,
  request: CommandRequest<State, Event>,
): Promise<CommandOutcome<State>> {
  const { stream } = request;
  let folded = runtime.cache.get(stream);
  /** Read during this command: what it says is nobody's stale cache. */
  let current = folded === undefined;
  folded ??= await loadStream(runtime, stream);
  /** True when the stream turned out longer than the cache had it. */
  const behind = async (): Promise<boolean> => {
    if (current) return false;
    current = true;
    return catchUp(runtime, stream, folded);
  };

  for (let retries = 0; ;) {
    const earlier = replayOf(folded, request);
    if (earlier !== null) return earlier;
    // Readers may move the fold on while this command waits: what was decided belongs to this revision and no other.
    const { revision, state } = folded;
    let decided: readonly Event[];
    let after: State | null;
    try {
      if (request.expectedRevision !== undefined && request.expectedRevision !== revision)
        throw conflict(request, revision);
      decided = request.decide(state, revision);
      after = request.after?.() ?? null;
    } catch (error) {
      if (await behind()) continue;
      await settleOnRefusal(runtime, request, folded);
      throw error;
    }
    if (decided.length === 0) {
      if (await behind()) continue;
      return { ...endOf(folded), events: [], replayed: false };
    }
    const events = await request.write(decided, state);
    if (await append(runtime, request, folded, revision, decided, events, after)) {
      return { ...endOf(folded), events: folded.commands.get(request.commandId)?.events ?? [], replayed: false };
    }
    await catchUp(runtime, stream, folded);
    const mayDecideAgain = !current || (request.commutes && retries++ < MAX_RETRIES);
    current = true;
    if (mayDecideAgain) continue;
    const landed = replayOf(folded, request);
    if (landed !== null) return landed;
    throw conflict(request, folded.revision);
  }
}

const conflict = (request: { readonly stream: string }, revision: number): CommandError =>
  new CommandError('CONFLICT', `${request.stream} is at revision ${revision}`, revision);

const endOf = <State>({ state, revision, position }: FoldedStream<State>) => ({ state, revision, position });

function replayOf<State, Event>(
  folded: FoldedStream<State>,
  request: CommandRequest<State, Event>,
): CommandOutcome<State> | null {
  const trace = folded.commands.get(request.commandId);
  if (trace === undefined) return null;
  if (trace.commandHash !== request.commandHash)
    throw new CommandError('COMMAND_ID_REUSED', 'this command id was used for another command', folded.revision);
  const { revision, position, events } = trace;
  return { state: folded.state, revision, position, events, replayed: true };
}

/** The refusal stands whatever happens here: an outage is the sweeper's to make good. */
async function settleOnRefusal<State, Event>(
  runtime: CommandRuntime<State, Event>,
  { stream, onRefusal }: CommandRequest<State, Event>,
  folded: FoldedStream<State>,
): Promise<void> {
  if (onRefusal === undefined || folded.revision < 0) return;
  try {
    for (let retries = 0; retries <= MAX_RETRIES; retries++) {
      const { revision, state } = folded;
      const due = onRefusal.decide(state);
      if (due.length === 0) return;
      if (await append(runtime, { stream }, folded, revision, due, await onRefusal.write(due, state))) return;
      await catchUp(runtime, stream, folded);
    }
  } catch (error) {
    if (!(error instanceof EventLogError)) throw error;
  }
}

/** False when somebody else appended first. After any other failure the outcome is unknown: the cached fold is dropped. */
async function append<State, Event>(
  runtime: CommandRuntime<State, Event>,
  { stream, append: send }: Pick<CommandRequest<State, Event>, 'stream' | 'append'>,
  folded: FoldedStream<State>,
  after: number,
  decided: readonly Event[],
  events: readonly NewEvent[],
  known: State | null = null,
): Promise<boolean> {
  let result: AppendResult;
  try {
    const own: Append = { stream, expectedRevision: after < 0 ? 'no_stream' : after, events };
    result = await (send === undefined ? runtime.log.append(own) : send(own));
  } catch (error) {
    if (error instanceof EventLogError && error.code === 'WRONG_EXPECTED_REVISION') return false;
    runtime.cache.delete(stream);
    throw error;
  }
  const recordedAtMs = runtime.nowMs();
  const { position } = result;
  // A fold that throws below leaves no half-folded stream behind.
  runtime.cache.delete(stream);
  // A reader may have met the events in the log before their append was acknowledged here.
  const isKnown = known !== null && folded.revision === after;
  if (isKnown) folded.state = known;
  events.forEach(({ id, metadata, type }, index) => {
    const revision = after + 1 + index;
    if (revision <= folded.revision) return;
    const envelope: EventEnvelope = { id, metadata, stream, revision, position, recordedAtMs };
    if (!isKnown) folded.state = runtime.fold.evolve(folded.state, decided[index]!, envelope);
    trace(folded, type, envelope);
  });
  runtime.cache.set(stream, folded);
  return true;
}

function emptyStream<State, Event>(runtime: CommandRuntime<State, Event>, stream: string): FoldedStream<State> {
  return { state: runtime.fold.initial(stream), revision: -1, position: null, commands: new Map() };
}

/** Folds what the log has beyond `folded`; true when there was anything. */
async function catchUp<State, Event>(
  runtime: CommandRuntime<State, Event>,
  stream: string,
  folded: FoldedStream<State>,
): Promise<boolean> {
  const recorded = await runtime.log.readStream(stream, { fromRevision: folded.revision + 1 });
  if (recorded.length === 0) return false;
  const events = await runtime.fold.read(stream, recorded);
  let { state } = folded;
  // Somebody else may have folded some of them while this waited.
  const fresh = recorded.findIndex(({ revision }) => revision > folded.revision);
  if (fresh < 0) return true;
  for (let index = fresh; index < recorded.length; index++)
    state = runtime.fold.evolve(state, events[index]!, recorded[index]!);
  // Only now, so that an event that cannot be folded leaves the cached fold at a whole revision.
  for (let index = fresh; index < recorded.length; index++) trace(folded, recorded[index]!.type, recorded[index]!);
  folded.state = state;
  runtime.cache.set(stream, folded);
  return true;
}

function trace<State>(folded: FoldedStream<State>, type: string, envelope: EventEnvelope): void {
  const { id, metadata, position, revision } = envelope;
  folded.revision = revision;
  folded.position = position;
  const { commandId, commandHash } = metadata;
  if (typeof commandId !== 'string') return;
  const known = folded.commands.get(commandId);
  if (known === undefined) {
    folded.commands.set(commandId, { commandId, commandHash, events: [{ type, eventId: id }], revision, position });
    return;
  }
  known.events.push({ type, eventId: id });
  known.revision = revision;
  known.position = position;
}

/** First come, first served, per name. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<Result>(name: string, act: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(name);
    const mine = before === undefined ? act() : before.then(act, act);
    this.#last.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }
}
