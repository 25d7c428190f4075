import { randomUUID } from 'node:crypto';
import { derivedId } from '#libs/event-log/src/ids.js';
import { Turns } from '#libs/event-log/src/handle-command.js';
import { type Actor, isCommandName } from '#libs/lead/src/commands.js';
import { invalid, type ProblemBody } from '#libs/platform/src/problem.js';
import { parseJsonBody } from '#libs/platform/src/json-body.js';
import type { LeadCommandAnswer, LeadCommandInput } from './lead-commands.js';

/** Commands begun and not yet answered: enough to fill one commit of the log, small enough to bound memory. */
const IN_FLIGHT = 1024;
/** The same for lines that are large. */
const IN_FLIGHT_BYTES = 16 * 1024 * 1024;
/** A capture is below 10 kB. */
export const MAX_LINE_BYTES = 256 * 1024;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export type BatchKind = 'commands' | 'behaviours';

export interface BatchOptions {
  /** `commands`: each line names its command; `behaviours`: each line is one RecordBehaviour. */
  readonly kind: BatchKind;
  readonly actor: Actor;
  readonly source: LeadCommandInput['source'];
  /** Makes the whole batch repeatable: line n without a commandId gets one derived from it. */
  readonly batchId?: string;
  execute(input: LeadCommandInput): Promise<LeadCommandAnswer>;
  /** The body of an error; null for one that nobody foresaw. */
  problemOf(error: unknown): ProblemBody | null;
  /** Told of an error that has no body of its own. */
  onUnforeseen?(error: unknown): void;
}

/**
 * NDJSON in, NDJSON out: one result line per input line, in order, each with its `line` (from 1). A line that is refused
 * has its problem as result and the others go on. Commands of one lead are carried out in the order of their lines, those
 * of different leads at the same time. A blank line has no result.
 */
export async function* runBatch(
  input: AsyncIterable<Uint8Array | string>,
  options: BatchOptions,
): AsyncGenerator<string, void, undefined> {
  const turns = new Turns();
  const pending: Pending[] = [];
  let head = 0;
  let held = 0;
  for await (const lines of linesOf(input)) {
    for (const { bytes, number } of lines) {
      pending.push(begin(number, bytes, options, turns));
      held += bytes.length;
      if (pending.length - head < IN_FLIGHT && held < IN_FLIGHT_BYTES) continue;
      await pending[head]!.done;
      let results = '';
      while (head < pending.length && pending[head]!.result !== null) {
        results += pending[head]!.result;
        held -= pending[head++]!.bytes;
      }
      if (head >= IN_FLIGHT) head -= pending.splice(0, head).length;
      yield results;
    }
  }
  for (const { done } of pending.slice(head)) yield await done;
}

interface Pending {
  /** Never rejects. */
  readonly done: Promise<string>;
  readonly bytes: number;
  result: string | null;
}

function begin(number: number, bytes: Uint8Array, options: BatchOptions, turns: Turns): Pending {
  const pending = { done: Promise.resolve(''), bytes: bytes.length, result: null as string | null };
  pending.done = answer(number, bytes, options, turns).then((value) => {
    const line = `${JSON.stringify({ line: number, ...value })}\n`;
    pending.result = line;
    return line;
  });
  return pending;
}

async function answer(number: number, bytes: Uint8Array, options: BatchOptions, turns: Turns): Promise<object> {
  try {
    const command = commandOf(number, bytes, options);
    // Captures without a chosen id create their lead: nothing else in the batch can name it.
    const lead = command.leadId ?? chosenLeadId(command.body);
    if (lead === null) return await options.execute(command);
    return await turns.take(lead, () => options.execute(command));
  } catch (error) {
    const problem = options.problemOf(error);
    if (problem !== null) return problem;
    options.onUnforeseen?.(error);
    return { code: 'INTERNAL_ERROR', status: 500, title: 'Internal error', detail: 'see the log', retryable: false };
  }
}

function commandOf(number: number, bytes: Uint8Array, options: BatchOptions): LeadCommandInput {
  if (bytes.length > MAX_LINE_BYTES) throw invalid('', `a line has at most ${MAX_LINE_BYTES} bytes`);
  const value = parseJsonBody(bytes);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('', 'must be a JSON object');
  const { command, commandId, leadId, ...body } = value as Record<string, unknown>;
  const name = options.kind === 'behaviours' ? 'RecordBehaviour' : command;
  if (options.kind === 'behaviours' && command !== undefined) throw invalid('command', 'unknown field');
  if (typeof name !== 'string' || !isCommandName(name)) throw invalid('command', 'must name a command of a lead');
  const common = {
    name,
    commandId: commandIdOf(number, commandId, options.batchId),
    actor: options.actor,
    source: options.source,
  };
  if (name === 'CaptureLead') return { ...common, body: leadId === undefined ? body : { leadId, ...body } };
  if (typeof leadId !== 'string') throw invalid('leadId', 'must be the id of a lead');
  return { ...common, leadId: leadId.toLowerCase(), body };
}

function commandIdOf(number: number, commandId: unknown, batchId: string | undefined): string {
  if (commandId === undefined) return batchId === undefined ? randomUUID() : derivedId(`line-${number}`, batchId);
  if (typeof commandId !== 'string' || !UUID.test(commandId)) throw invalid('commandId', 'must be a uuid');
  return commandId.toLowerCase();
}

function chosenLeadId(body: unknown): string | null {
  const { leadId } = body as { leadId?: unknown };
  return typeof leadId === 'string' ? leadId.toLowerCase() : null;
}

interface Line {
  readonly number: number;
  readonly bytes: Uint8Array;
}

const NEWLINE = 0x0a;
const isBlank = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);

/** The whole lines of each chunk; of a line above the limit only the beginning is kept, to be refused. */
async function* linesOf(input: AsyncIterable<Uint8Array | string>): AsyncGenerator<Line[], void, undefined> {
  let number = 0;
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  const take = (end: Uint8Array): Line[] => {
    const bytes = rest.length === 0 ? end : Buffer.concat([...rest, end]);
    rest = [];
    restBytes = 0;
    number += 1;
    return isBlank(bytes) ? [] : [{ number, bytes }];
  };
  for await (const given of input) {
    const chunk = typeof given === 'string' ? Buffer.from(given) : given;
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(...take(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length && restBytes <= MAX_LINE_BYTES) {
      rest.push(chunk.subarray(start));
      restBytes += chunk.length - start;
    }
    if (lines.length > 0) yield lines;
  }
  if (restBytes > 0) yield take(new Uint8Array());
}
