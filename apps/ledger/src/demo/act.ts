import type { ReviewCommand } from '#libs/alert/src/review.js';
import type { DocumentCommand } from '#libs/policy/src/versioned-document.js';
import type { DocumentKind } from '#libs/policy/src/document-kinds.js';
import type { SettingCommand } from '#libs/policy/src/setting.js';
import type { AccountCommandName, CampaignCommandName } from '#libs/account/src/account-commands.js';
import type { Actor, CommandName } from '#libs/lead/src/commands.js';
import type { LeadStateName } from '#libs/lead/src/states.js';

/** One command as somebody of the simulated company gives it. */
export type Act =
  | {
      readonly of: 'lead';
      readonly name: CommandName;
      readonly leadId?: string;
      readonly body: object;
      readonly by: Actor;
    }
  | {
      readonly of: 'account';
      readonly name: AccountCommandName;
      readonly accountId: string;
      readonly body: object;
      readonly by: Actor;
    }
  | {
      readonly of: 'campaign';
      readonly name: CampaignCommandName;
      readonly campaignId: string;
      readonly body: object;
      readonly by: Actor;
    }
  | {
      readonly of: 'document';
      readonly kind: DocumentKind;
      readonly id: string;
      readonly command: DocumentCommand;
      readonly by: Actor;
    }
  | {
      readonly of: 'setting';
      readonly stream: string;
      readonly id: string;
      readonly command: SettingCommand;
      readonly by: Actor;
    }
  | { readonly of: 'review'; readonly reviewId: string; readonly command: ReviewCommand; readonly by: Actor }
  /** No command: another life begins. */
  | { readonly of: 'birth'; readonly name: string; readonly life: Life };

/** What came of it. */
export interface Done {
  readonly leadId: string;
  /** The lead's after the command, also after a refused one; null: of no lead. */
  readonly state: LeadStateName | null;
  readonly events: readonly { readonly type: string; readonly eventId: string }[];
  /** The code of the refusal. */
  readonly refused: string | null;
}

/** At `atMs` somebody acts, or only time has passed. */
export interface Step {
  readonly atMs: number;
  readonly act: Act | null;
}

/** What happens to one lead, one campaign, the company: steps in the order of time, each answered before the next is known. */
export type Life = Generator<Step, void, Done>;
