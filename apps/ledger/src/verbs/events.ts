import { InvalidArgumentError } from 'commander';
import { LedgerHttp, queryString } from './ledger-http.js';
import type { Verb } from './verb.js';

interface Options {
  readonly after?: string;
  readonly types?: string;
  readonly lead?: string;
  readonly limit: number;
  readonly follow?: boolean;
  readonly json?: boolean;
}
interface Page {
  readonly events: readonly {
    readonly position: string;
    readonly time: string;
    readonly type: string;
    readonly subject: string;
    readonly actor: string;
  }[];
  readonly position: string | null;
  readonly more: boolean;
}

const PAGE = 1000;
const WAIT_S = 30;

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('must be a whole number');
  return Number(text);
}

export const eventsVerb: Verb = (program) => {
  program
    .command('events')
    .description("the leads' events in the order of the log, as CloudEvents without personal fields")
    .option('--after <position>', 'go on after this position')
    .option('--types <types>', 'comma-separated, e.g. AcceptedBySales,DealWon')
    .option('--lead <id>', 'of one lead')
    .option('--limit <n>', 'at most so many; 0: all', wholeNumber, 100)
    .option('--follow', 'wait for more, until interrupted')
    .option('--json', 'one JSON document a line')
    .action(async (options: Options) => {
      const ledger = await LedgerHttp.open();
      const { types, lead: leadId, follow } = options;
      let { after } = options;
      let left = follow === true || options.limit === 0 ? Infinity : options.limit;
      while (left > 0) {
        const query = { after, types, leadId, limit: Math.min(left, PAGE), wait: follow === true ? WAIT_S : undefined };
        const page = await ledger.json<Page>('GET', `/v1/events${queryString(query)}`);
        for (const event of page.events) {
          const line = `${event.position} ${event.time} ${event.type} ${event.subject} ${event.actor}`;
          process.stdout.write(`${options.json === true ? JSON.stringify(event) : line}\n`);
        }
        left -= page.events.length;
        after = page.position ?? after;
        if (!page.more && follow !== true) return;
      }
    });
};
