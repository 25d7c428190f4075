import type { Pipeline } from '#libs/policy/src/documents.js';
import { handRaisesOf } from './absorption.js';
import { cycleSince, entryOf, since, type LeadState } from './state.js';

const DAY_MS = 86_400_000;

/** An active request that is still fresh, made in this cycle or since the lead was recycled (T10 `inbound_hand_raise`). */
export function freshHandRaise(lead: LeadState, { handRaiseDays }: Pipeline, atMs: number): boolean {
  const recycled = lead.state === 'RECYCLED' ? lead.visits.at(-1) : undefined;
  const raised = since(handRaisesOf(lead), recycled === undefined ? cycleSince(lead) : entryOf(recycled));
  const oldestMs = atMs - handRaiseDays * DAY_MS;
  return raised.some((raise) => raise.atMs >= oldestMs && raise.atMs <= atMs);
}
