import type { Verb } from './verb.js';

export const start: Verb = (program) => {
  program
    .command('start')
    .description('run every role in one process: the log and the read models under DATA_DIR unless set otherwise')
    .option('--demo', 'a living example instead: as `ledger demo`')
    .action(async ({ demo }: { demo?: true }) => {
      if (demo === true) {
        const { startDemo } = await import('../demo/start-demo.js');
        return startDemo();
      }
      const { startLedger } = await import('../start.js');
      return startLedger();
    });
};
