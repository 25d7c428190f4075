import type { Verb } from './verb.js';

export const start: Verb = (program) => {
  program
    .command('start')
    .description('run every role in one process: the log and the read models under DATA_DIR unless set otherwise')
    .action(async () => {
      const { startLedger } = await import('../start.js');
      await startLedger();
    });
};
