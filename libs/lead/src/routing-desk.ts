/** What routing knows of other leads; whoever hands a command to `decide` has read it (spec §9.8). */
export interface RoutingDesk {
  /** Leads given to the person since then, and when the last of them was. */
  load(repId: string, sinceMs: number): { readonly leads: number; readonly lastMs: number };
  /** Who looks after the other leads of the lead's account, the latest first. */
  readonly accountOwnerIds: readonly string[];
}
