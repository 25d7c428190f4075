import { Option } from 'commander';
import { LedgerHttp } from './ledger-http.js';
import { print, table } from './output.js';
import type { Verb } from './verb.js';

interface KeyCard {
  readonly keyId: string;
  readonly name: string;
  readonly actorId: string;
  readonly role: string;
  readonly teams: readonly string[];
  readonly issuedAt: string;
  readonly revokedAt: string | null;
}
interface IssueOptions {
  readonly role: string;
  readonly team: readonly string[];
  readonly actor?: string;
  readonly json?: boolean;
}

/** As libs/lead has them; told here so that `--help` needs nothing heavy. */
const ROLES = ['marketing', 'sdr', 'sales', 'sales_manager', 'ops', 'analyst', 'dpo', 'integration', 'admin'];

export const keysVerb: Verb = (program) => {
  const keys = program.command('keys').description('API keys: issue, list, revoke');
  keys
    .command('issue')
    .description('make a key; it is shown once')
    .argument('<name>', 'what it is for')
    .addOption(new Option('--role <role>', 'what it may do').choices(ROLES).makeOptionMandatory())
    .option('--team <team...>', 'teams it works in; sellers accept what their team, e.g. sales, was handed', [])
    .option('--actor <id>', 'who acts with it, e.g. a representative')
    .option('--json', 'print one JSON document')
    .action(async (name: string, { role, team, actor, json }: IssueOptions) => {
      const ledger = await LedgerHttp.open();
      const request = { name, role, teams: team, ...(actor !== undefined && { actorId: actor }) };
      const issued = await ledger.json<KeyCard & { key: string }>('POST', '/v1/keys', { json: request });
      print(json, issued, () => [issued.key, `key ${issued.keyId}, role ${issued.role}; it is not shown again`]);
    });
  keys
    .command('list')
    .description('every key ever issued')
    .option('--json', 'print one JSON document')
    .action(async ({ json }: { json?: boolean }) => {
      const ledger = await LedgerHttp.open();
      const found = await ledger.json<{ keys: KeyCard[] }>('GET', '/v1/keys');
      print(json, found, () =>
        table(
          ['key', 'name', 'role', 'teams', 'actor', 'issued', 'revoked'],
          found.keys.map((it) => [
            it.keyId,
            it.name,
            it.role,
            it.teams.join(' '),
            it.actorId,
            it.issuedAt,
            it.revokedAt,
          ]),
        ),
      );
    });
  keys
    .command('revoke')
    .description('a key stops working at once')
    .argument('<key>', 'its id')
    .option('--json', 'print one JSON document')
    .action(async (keyId: string, { json }: { json?: boolean }) => {
      const ledger = await LedgerHttp.open();
      const card = await ledger.json<KeyCard>('DELETE', `/v1/keys/${encodeURIComponent(keyId)}`);
      print(json, card, () => [`key ${card.keyId} (${card.name}) revoked at ${card.revokedAt}`]);
    });
};
