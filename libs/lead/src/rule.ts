import type { CommandBody, CommandName } from './commands.js';
import type { Decision } from './decision.js';
import type { SlaClock } from './sla-clocks.js';
import type { LeadState } from './state.js';
import type { LeadStateName } from './states.js';

/** How one command is decided; the checks all commands share are in `decide` (spec §4.4). */
export interface Rule<N extends CommandName> {
  /** States it may be given in, from the table of transitions (spec §3.3); absent: whatever the state. */
  readonly from?: readonly LeadStateName[];
  /** What else the table asks of the lead in such a state; imports are not asked. */
  readonly where?: (lead: LeadState) => boolean;
  /** Further states when importing, by skipping the stages that the source never recorded. */
  readonly importFrom?: readonly LeadStateName[];
  /** What the lead must have for the command to be of any use; only asked before it is offered, its guards say why not. */
  readonly offered?: (lead: LeadState) => boolean;
  /** A row of the table of transitions: may not precede the last transition, and is told in INVALID_TRANSITION's `allowed`. */
  readonly transition?: true;
  /** Refused while the lead is on hold. */
  readonly advances?: true;
  /** Clocks that the command's own fact would stop: they get no breach beforehand when it is in time (spec §6.6.3). */
  stops?(decision: Decision, body: CommandBody<N>): readonly (SlaClock | undefined)[];
  /** Records facts and moves on the decision; throws LeadError when a guard does not hold. */
  decide(decision: Decision, body: CommandBody<N>): void;
}
export type Rules<N extends CommandName> = { readonly [K in N]: Rule<K> };
