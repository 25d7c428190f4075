import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type LeadCommandAnswer, type LeadCommandInput, LeadCommands } from './lead-commands.js';

/** Any command of a lead, on Nest's command bus. */
export class LeadCommandRequest extends Command<LeadCommandAnswer> {
  constructor(readonly input: LeadCommandInput) {
    super();
  }
}

@CommandHandler(LeadCommandRequest)
export class LeadCommandHandler implements ICommandHandler<LeadCommandRequest> {
  constructor(private readonly commands: LeadCommands) {}

  execute({ input }: LeadCommandRequest): Promise<LeadCommandAnswer> {
    return this.commands.execute(input);
  }
}
