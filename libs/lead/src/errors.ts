/**
 * Every coded refusal and its HTTP status (spec §4.5): 400 validation and time, 403 role and team, 409 conflicts,
 * 422 transitions, guards and unknown references in a body, 423 locked leads.
 */
export const HTTP_STATUS = {
  VALIDATION_FAILED: 400,
  EMAIL_INVALID: 400,
  PHONE_INVALID: 400,
  COUNTRY_INVALID: 400,
  CONSENT_INVALID: 400,
  OCCURRED_IN_FUTURE: 400,
  BACKDATE_LIMIT_EXCEEDED: 400,
  OUT_OF_ORDER: 400,
  MEETING_TIME_INVALID: 400,
  REVISIT_DATE_INVALID: 400,
  CLOSE_DATE_IN_PAST: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN_ROLE: 403,
  NOT_IN_ASSIGNED_TEAM: 403,
  LEAD_NOT_FOUND: 404,
  ACCOUNT_NOT_FOUND: 404,
  CAMPAIGN_NOT_FOUND: 404,
  ALERT_NOT_FOUND: 404,
  REVIEW_NOT_FOUND: 404,
  CONFLICT: 409,
  DUPLICATE_LEAD: 409,
  ACCOUNT_EXISTS: 409,
  ACCOUNT_MERGED: 409,
  CAMPAIGN_EXISTS: 409,
  REVIEW_EXISTS: 409,
  ALERT_CLEARED: 409,
  COMMAND_ID_REUSED: 409,
  LEAD_MERGED: 409,
  LEAD_ERASED: 410,
  // Capture and profile
  CONTACT_POINT_REQUIRED: 422,
  SOURCE_REQUIRED: 422,
  LEGAL_BASIS_REQUIRED: 422,
  FIELD_IMMUTABLE: 422,
  UNKNOWN_ACCOUNT: 422,
  UNKNOWN_LEAD: 422,
  MERGE_SAME_ACCOUNT: 422,
  UNKNOWN_CAMPAIGN: 422,
  UNKNOWN_ICP: 422,
  UNKNOWN_PERSONA: 422,
  UNKNOWN_REP: 422,
  NOT_IN_TEAM: 422,
  UNKNOWN_BEHAVIOUR: 422,
  NO_INTEREST_SHOWN: 422,
  NO_TWO_WAY_EVIDENCE: 422,
  NO_CONSENT: 422,
  CHANNEL_NOT_ALLOWED: 422,
  UNKNOWN_TRACK: 422,
  TRACK_NOT_ALLOWED: 422,
  UNKNOWN_SEQUENCE: 422,
  // Engagement policies that block (spec §3.9); the others refuse with a code that is here already
  PITCH_BEFORE_GOAL: 422,
  WRONG_CONTACT: 422,
  CONTACT_CAP_EXCEEDED: 422,
  // Qualification and handoff
  INVALID_TRANSITION: 422,
  REASON_REQUIRED: 422,
  SCORE_BELOW_THRESHOLD: 422,
  ICP_THRESHOLD_FAILED: 422,
  RECYCLE_COOLDOWN: 422,
  CONSENT_WITHDRAWN: 422,
  ALREADY_HANDED_OFF: 422,
  NO_ACTIVE_AGREEMENT: 422,
  NOT_READY: 422,
  UNKNOWN_TEAM: 422,
  NOT_HANDED_OFF: 422,
  UNKNOWN_REASON_CODE: 422,
  NOTE_REQUIRED: 422,
  QUALIFICATION_INCOMPLETE: 422,
  UNKNOWN_EVIDENCE: 422,
  NO_CONTACT_RECORDED: 422,
  STAGE_SKIP_NOT_ALLOWED: 422,
  // Deal
  AMOUNT_INVALID: 422,
  CURRENCY_MISMATCH: 422,
  UNKNOWN_DEAL_STAGE: 422,
  DISCOVERY_NOT_HELD: 422,
  DEAL_ALREADY_OPEN: 422,
  DEAL_OPEN: 422,
  UNKNOWN_DEAL: 422,
  UNKNOWN_OBJECTION: 422,
  STAGE_CRITERIA_MISSING: 422,
  PROPOSAL_INCOMPLETE: 422,
  LOSS_REASON_REQUIRED: 422,
  // Hold, leaving, coming back
  HOLD_TOO_LONG: 422,
  NOT_ON_HOLD: 422,
  NURTURE_TRACK_REQUIRED: 422,
  SEQUENCE_NOT_EXHAUSTED: 422,
  NOTHING_NEW: 422,
  NOT_A_CUSTOMER: 422,
  // Merge
  MERGE_SAME_LEAD: 422,
  MERGE_SURVIVOR_LESS_ADVANCED: 422,
  MERGE_BOTH_HAVE_OPEN_DEALS: 422,
  NOT_MERGED: 422,
  UNMERGE_TOO_LATE: 422,
  REVIEW_INCOMPLETE: 422,
  // Corrections
  UNKNOWN_EVENT: 422,
  NOT_LATEST_TRANSITION: 422,
  SECOND_APPROVER_REQUIRED: 422,
  UNKNOWN_CLOCK: 422,
  GRACE_EXPIRED: 422,
  LEAD_RESTRICTED: 423,
  LEAD_ON_HOLD: 423,
  // Bulk commands
  BULK_TOO_LARGE: 422,
  DRY_RUN_REQUIRED: 422,
  RATE_LIMITED: 429,
  STORE_UNAVAILABLE: 503,
} as const satisfies Record<string, number>;

export type LeadErrorCode = keyof typeof HTTP_STATUS;

export interface FieldError {
  /** Dotted path inside the command's body, e.g. `person.email`. */
  readonly field: string;
  readonly rule: string;
}

/** What a refusal says beside its code: `field` or `fields` for bad input, else facts such as `missing`, `allowed`, `required`. */
export type LeadErrorFacts = Readonly<Record<string, unknown>> & {
  readonly field?: string;
  readonly fields?: readonly FieldError[];
};

/** A command that the domain refuses. Nothing was decided; `facts` belong in the problem body (spec §4.5). */
export class LeadError extends Error {
  readonly facts: LeadErrorFacts;

  constructor(
    readonly code: LeadErrorCode,
    detail: string,
    facts: LeadErrorFacts = {},
  ) {
    super(detail);
    this.name = 'LeadError';
    this.facts = facts;
  }

  get status(): number {
    return HTTP_STATUS[this.code];
  }
}
