import { Command, CommanderError } from 'commander';
import { verbs } from './verbs/all.js';

/** Contract "CLI": exit 0 done, 1 failed, 2 usage, 3 finished with rejected rows. */
const USAGE = 2;

const program = new Command('ledger')
  .description('Lead Ledger: event-sourced lead funnel')
  .showHelpAfterError()
  .exitOverride();
for (const verb of verbs) verb(program);
for (const command of program.commands) command.exitOverride().showHelpAfterError();

/** The reader of a pipe has seen enough (`| head`): no failure of ours. */
const isReaderGone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EPIPE';
process.stdout.on('error', (error) => {
  if (isReaderGone(error)) process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  else if (!isReaderGone(error)) {
    console.error(`ledger: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
