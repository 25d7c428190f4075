import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { LeadError } from '#libs/lead/src/errors.js';
import { problemOf } from '#libs/platform/src/problem-filter.js';
import { type BatchOptions, MAX_LINE_BYTES, runBatch } from './command-batch.js';
import type { LeadCommandAnswer, LeadCommandInput } from './lead-commands.js';

const LEAD = '00000000-0000-4000-8000-000000000001';
const answer = (leadId: string): LeadCommandAnswer => ({
  leadId,
  revision: 0,
  position: '0000000000000001',
  state: 'LEAD',
  events: [],
  replayed: false,
});
const options = (execute: BatchOptions['execute'], more: Partial<BatchOptions> = {}): BatchOptions => ({
  kind: 'commands',
  actor: { type: 'user', id: 'u', role: 'marketing', teams: [] },
  source: { system: 'test' },
  execute,
  problemOf,
  ...more,
});

async function results(text: string | Uint8Array[], given: BatchOptions): Promise<Record<string, unknown>[]> {
  const chunks = typeof text === 'string' ? [Buffer.from(text)] : text;
  let out = '';
  for await (const piece of runBatch((async function* () { yield* chunks; })(), given)) out += piece; // prettier-ignore
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
const echo = (input: LeadCommandInput) => Promise.resolve(answer(input.leadId ?? 'captured'));
const lines = (values: readonly object[]) => values.map((value) => JSON.stringify(value)).join('\n');

describe('a batch of commands', () => {
  it('answers every line in order, however long each takes', async () => {
    const inputs = Array.from({ length: 600 }, (_, n) => ({
      command: 'RecordBehaviour',
      leadId: LEAD.replace(/1$/, String(n % 7)),
      kind: `k${n}`,
    }));
    const got = await results(
      lines(inputs),
      options(async ({ body }) => {
        const { kind } = body as { kind: string };
        await sleep((kind.length * 7 + Number(kind.slice(1)) * 3) % 5);
        return answer(kind);
      }),
    );
    expect(got.map(({ leadId }) => leadId)).toEqual(inputs.map(({ kind }) => kind));
    expect(got.map(({ line }) => line)).toEqual(inputs.map((_, n) => n + 1));
  });

  it('carries out the commands of one lead in the order of their lines, the capture first', async () => {
    const order: string[] = [];
    const given = [
      { command: 'CaptureLead', leadId: LEAD.toUpperCase() },
      { command: 'RecordBehaviour', leadId: LEAD, kind: 'a' },
      { command: 'RecordBehaviour', leadId: LEAD, kind: 'b' },
    ];
    await results(
      lines(given),
      options(async ({ body, name }) => {
        await sleep(name === 'CaptureLead' ? 20 : 0);
        order.push(name === 'CaptureLead' ? 'capture' : (body as { kind: string }).kind);
        return answer(LEAD);
      }),
    );
    expect(order).toEqual(['capture', 'a', 'b']);
  });

  it('gives a bad line its own error and goes on with the others', async () => {
    const text = [
      '{"command":"RecordBehaviour"',
      '[]',
      '{"command":"FlyToTheMoon"}',
      '{"command":"RecordBehaviour","kind":"page_view"}',
      '',
      `{"command":"RecordBehaviour","leadId":"${LEAD}","commandId":"x"}`,
      `{"command":"RecordBehaviour","leadId":"${LEAD}","url":"${'a'.repeat(MAX_LINE_BYTES)}"}`,
      `${'['.repeat(50)}${']'.repeat(50)}`,
      `{"command":"RecordBehaviour","leadId":"${LEAD}","kind":"page_view"}`,
    ].join('\r\n');
    const got = await results(text, options(echo));
    expect(got.map(({ line }) => line)).toEqual([1, 2, 3, 4, 6, 7, 8, 9]);
    expect(got.map(({ code }) => code)).toEqual([...Array(7).fill('VALIDATION_FAILED'), undefined]);
    expect(got.at(-1)).toMatchObject({ leadId: LEAD, position: '0000000000000001' });
  });

  it('puts the refusal of a command into its line', async () => {
    const refuse = () => Promise.reject(new LeadError('LEAD_NOT_FOUND', 'no', { leadId: LEAD }));
    const got = await results(lines([{ command: 'AcceptLead', leadId: LEAD }]), options(refuse));
    expect(got).toEqual([expect.objectContaining({ line: 1, code: 'LEAD_NOT_FOUND', status: 404, leadId: LEAD })]);
  });

  it('tells what nobody foresaw to the log and not to the client', async () => {
    const seen: unknown[] = [];
    const broken = options(() => Promise.reject(new Error('secret detail')), {
      onUnforeseen: (error) => seen.push(error),
    });
    const got = await results(lines([{ command: 'AcceptLead', leadId: LEAD }]), broken);
    expect(JSON.stringify(got)).not.toContain('secret');
    expect([got[0]?.code, seen.length]).toEqual(['INTERNAL_ERROR', 1]);
  });

  it('puts lines together that arrive in pieces, and refuses bytes that are no UTF-8', async () => {
    const bytes = Buffer.from(
      `${lines([
        { command: 'RecordBehaviour', leadId: LEAD, kind: 'größe' },
        { command: 'RecordBehaviour', leadId: LEAD, kind: 'x' },
      ])}\n`,
    );
    const pieces = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
    const kinds: unknown[] = [];
    const remember = options((input) => {
      kinds.push((input.body as { kind: string }).kind);
      return echo(input);
    });
    expect(await results([...pieces, Buffer.from([0x22, 0xff, 0x22])], remember)).toMatchObject([
      { line: 1, leadId: LEAD },
      { line: 2, leadId: LEAD },
      { line: 3, code: 'VALIDATION_FAILED' },
    ]);
    expect(kinds).toEqual(['größe', 'x']);
  });

  it('never holds more than 1024 unanswered lines', async () => {
    let begun = 0;
    let most = 0;
    let read = 0;
    const input = (async function* () {
      for (let n = 0; n < 3000; n++) {
        read += 1;
        yield Buffer.from(`${JSON.stringify({ command: 'RecordBehaviour', leadId: `${n}`, kind: 'k' })}\n`);
      }
    })();
    let answered = 0;
    const slow = options(async () => {
      most = Math.max(most, ++begun);
      await sleep(1);
      begun -= 1;
      return answer(LEAD);
    });
    for await (const piece of runBatch(input, slow)) {
      answered += piece.split('\n').length - 1;
      expect(read - answered).toBeLessThanOrEqual(1024);
    }
    expect([answered, most <= 1024]).toEqual([3000, true]);
  });

  it('gives its lines the same command ids when it is sent again as a whole', async () => {
    const ids: string[][] = [];
    for (let time = 0; time < 2; time++) {
      const seen: string[] = [];
      const batchId = '00000000-0000-4000-8000-00000000000b';
      const remember = options((input) => (seen.push(input.commandId), echo(input)), { batchId });
      await results(lines([{ command: 'CaptureLead' }, { command: 'CaptureLead' }]), remember);
      ids.push(seen);
    }
    expect(ids[0]).toEqual(ids[1]);
    expect(new Set(ids[0]).size).toBe(2);
  });

  it('takes lines without a command name when all are behaviours', async () => {
    const seen: LeadCommandInput[] = [];
    const given = options((input) => (seen.push(input), echo(input)), { kind: 'behaviours' });
    const got = await results(
      lines([
        { leadId: LEAD, kind: 'page_view' },
        { leadId: LEAD, command: 'WinDeal' },
      ]),
      given,
    );
    expect(got.map(({ code }) => code)).toEqual([undefined, 'VALIDATION_FAILED']);
    expect(seen).toMatchObject([{ name: 'RecordBehaviour', leadId: LEAD, body: { kind: 'page_view' } }]);
  });
});
