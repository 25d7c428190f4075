import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { LedgerHttp } from './ledger-http.js';
import { print } from './output.js';
import type { Verb } from './verb.js';

/** Contract "CLI": finished, but not all was taken. */
const REJECTED = 3;

export const configVerb: Verb = (program) => {
  const config = program.command('config').description('configuration as files: export, import');
  config
    .command('export')
    .description('write every document in force as <kind>/<id>.json')
    .option('--dir <folder>', 'where to', 'config')
    .option('--json', 'print one JSON document')
    .action(async ({ dir, json }: { dir: string; json?: boolean }) => {
      const { exportConfig } = await import('./config-files.js');
      const exported = await exportConfig(await LedgerHttp.open(), dir);
      print(json, exported, () => [
        `${exported.files.length} documents in ${dir}`,
        ...exported.others.map((file) => `${file} is not in force in the ledger`),
      ]);
    });
  config
    .command('import')
    .description('draft what differs from what is in force')
    .argument('<folder>', 'as `config export` wrote it')
    .option('--activate', 'approve as far as the key may, and put in force')
    .option('--json', 'print one JSON document')
    .action(
      async (folder: string, { activate = false, json }: { activate?: boolean; json?: boolean }, command: Command) => {
        if (!(await isFolder(folder))) command.error(`error: there is no folder ${folder}`);
        const { importConfig } = await import('./config-files.js');
        const imported = await importConfig(await LedgerHttp.open(), folder, activate);
        print(json, imported, () => [
          ...imported.drafted.map((what) => `drafted ${what}`),
          ...imported.activated.map((what) => `activated ${what}`),
          ...imported.refused.map(({ file, reason }) => `refused ${file}: ${reason}`),
          `${imported.unchanged.length} unchanged`,
        ]);
        if (imported.refused.length > 0) process.exitCode = REJECTED;
      },
    );
};

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
