import { LedgerHttp } from './ledger-http.js';
import { print, table } from './output.js';
import type { Verb } from './verb.js';

interface Card extends Record<string, unknown> {
  readonly state: string | null;
  readonly nextActions?: readonly { readonly command: string }[];
}
interface Timeline {
  readonly items: readonly {
    readonly occurredAt?: string;
    readonly type: string;
    readonly actor?: { readonly id: string };
    readonly data?: { readonly fromState?: string | null; readonly toState?: string; readonly reasonCode?: string };
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
      print(json, { card, timeline: timeline.items }, () => [
        ...Object.entries(card).flatMap(([name, value]) => line(name, value)),
        '',
        ...table(
          ['occurred', 'event', 'move', 'by', 'reason'],
          timeline.items.map(({ occurredAt, type, actor, data = {} }) => [
            occurredAt,
            type,
            data.toState === undefined ? '' : `${data.fromState ?? ''} → ${data.toState}`,
            actor?.id ?? '',
            data.reasonCode ?? '',
          ]),
        ),
      ]);
    });
};

function line(name: string, value: unknown): string[] {
  if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) return [];
  if (name === 'nextActions') {
    const commands = (value as { readonly command: string }[]).map(({ command }) => command);
    return [`${name}: ${commands.join(', ')}`];
  }
  return [`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`];
}
