import type { Verb } from './verb.js';

export const demoVerb: Verb = (program) => {
  program
    .command('demo')
    .description(
      'a living example: two simulated years of a company, then its present (DATA_DIR ./data/demo unless set)',
    )
    .option('--seed <text>', 'another seed, another company history')
    .action(async ({ seed }: { seed?: string }) => {
      const { startDemo } = await import('../demo/start-demo.js');
      await startDemo(seed === undefined ? {} : { seed });
    });
};
