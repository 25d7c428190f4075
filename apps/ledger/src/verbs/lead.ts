import { LedgerHttp } from './ledger-http.js';
import { print, table } from './output.js';
import type { Verb } from './verb.js';

interface Card extends Record<string, unknown> {
  readonly state: string | null;
  readonly nextActions?: readonly { readonly command: string }[];
  readonly visits?: readonly Cells[];
  readonly clocks?: readonly Cells[];
}
type Cells = Readonly<Record<string, string | null | undefined>>;
interface Timeline {
  readonly items: readonly {
    readonly occurredAt?: string;
    readonly type: string;
    readonly actor?: { readonly id: string };
    readonly fromState?: string | null;
    readonly toState?: string;
    readonly reasonCode?: string;
    readonly reason?: string;
    readonly note?: string;
    readonly data?: { readonly clockId?: string };
  }[];
}

export const leadVerb: Verb = (program) => {
  program
    .command('lead')
    .description('one lead: its card and everything that happened to it')
    .argument('<id>', 'lead id')
    .option('--json', 'print one JSON document')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const ledger = await LedgerHttp.open();
      const path = `/v1/leads/${encodeURIComponent(id)}`;
      const card = await ledger.json<Card>('GET', path);
      const timeline = await ledger.json<Timeline>('GET', `${path}/timeline`);
      const clockTypes = new Map((card.clocks ?? []).map(({ clockId, clockType }) => [clockId, clockType]));
      print(json, { card, timeline: timeline.items }, () => [
        ...Object.entries(card).flatMap(([name, value]) => line(name, value)),
        ...columns('clock', card.clocks, ['clockType', 'status', 'outcome', 'startedAt', 'dueAt', 'stoppedAt']),
        ...columns('stage', card.visits, ['state', 'enteredAt', 'exitedAt']),
        '',
        ...table(
          ['occurred', 'event', 'move', 'by', 'reason'],
          timeline.items.map(({ occurredAt, type, actor, fromState, toState, reasonCode, reason, note, data }) => [
            occurredAt,
            data?.clockId === undefined ? type : `${type} ${clockTypes.get(data.clockId) ?? ''}`.trimEnd(),
            toState === undefined ? '' : `${fromState ?? ''} → ${toState}`,
            actor?.id ?? '',
            [reasonCode ?? reason, note].filter((text) => text !== undefined && text !== '').join(': '),
          ]),
        ),
      ]);
    });
};

/** Rows of the card as a table, under names for people; nothing when there are none. */
function columns(heading: string, rows: readonly Cells[] = [], names: readonly [string, ...string[]]): string[] {
  if (rows.length === 0) return [];
  const titles = [heading, ...names.slice(1).map((name) => name.replace(/At$/, ''))];
  return ['', ...table(titles, rows.map((row) => names.map((name) => row[name])))]; // prettier-ignore
}

function line(name: string, value: unknown): string[] {
  if (name === 'visits' || name === 'clocks') return [];
  if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) return [];
  if (name === 'nextActions') {
    const commands = (value as { readonly command: string }[]).map(({ command }) => command);
    return [`${name}: ${commands.join(', ')}`];
  }
  return [`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`];
}
