import type { LeadCommand } from '#libs/lead/src/commands.js';

/** A lead's whole past, ready to be decided. */
export interface HistoryToWrite {
  readonly leadId: string;
  /** The capture first; each with its own id, the same at every attempt. */
  readonly commands: readonly { readonly id: string; readonly command: LeadCommand }[];
}

export interface HistoryContext {
  readonly importId: string;
  readonly outOfOrder: 'refuse' | 'clamp';
  /** Who asked for the import. */
  readonly actor: ImportActor;
}

export interface ImportActor {
  readonly type: 'user' | 'system' | 'integration';
  readonly id: string;
  readonly role: string;
}

export type HistoryOutcome =
  | { readonly outcome: 'accepted'; readonly leadId: string; readonly events: number }
  /** `leadId`: the lead that has the identity already. */
  | { readonly outcome: 'skipped'; readonly reason: 'already_imported' | 'duplicate_identity'; readonly leadId: string }
  | {
      readonly outcome: 'rejected';
      readonly code: string;
      readonly field?: string;
      readonly message: string;
      /** Index of the command that is to blame. */
      readonly command: number;
    };

/**
 * Where an import's leads go: the command path implements it. Per lead all or nothing and in one append, conversation guards
 * waived, no live clocks (spec §9.3); the same history again is `accepted` again and appends nothing.
 * Outcomes in the order of the batch. Errors: EventLogError STORE_UNAVAILABLE; the batch may then be sent again.
 */
export interface HistoryWriter {
  write(batch: readonly HistoryToWrite[], context: HistoryContext): Promise<readonly HistoryOutcome[]>;
}
