import type { ConfigEvent } from './documents.js';

export type RepEvent = Extract<ConfigEvent, { type: 'RepJoined' | 'RepCapacityChanged' | 'RepTrained' | 'RepLeft' }>;

/** A person in sales or marketing, at one moment. */
export interface Rep {
  readonly repId: string;
  readonly teamId: string;
  /** Undefined: no limit. */
  readonly weeklyLeadCapacity?: number | undefined;
  readonly skills: readonly string[];
  /** Topics of RepTrained. */
  readonly trained: readonly string[];
  /** False after RepLeft. */
  readonly active: boolean;
  readonly successorId?: string | undefined;
}

/** The person as the events up to `atMs` tell it; null before the first joining. Events in the order of the log. */
export function repAt(events: readonly RepEvent[], atMs: number): Rep | null {
  let rep = null as Rep | null;
  let away = null as { readonly untilMs: number; readonly capacity: number } | null;
  for (const { type, data } of events) {
    if (Date.parse(data.occurredAt) > atMs) continue;
    if (type === 'RepJoined') {
      const { repId, skills, teamId, weeklyLeadCapacity } = data;
      rep = { repId, teamId, weeklyLeadCapacity, skills, trained: rep?.trained ?? [], active: true };
      away = null;
    } else if (rep !== null && type === 'RepCapacityChanged') {
      const { until, weeklyLeadCapacity } = data;
      if (until === undefined) rep = { ...rep, weeklyLeadCapacity };
      away = until === undefined ? null : { untilMs: Date.parse(until), capacity: weeklyLeadCapacity };
    } else if (rep !== null && type === 'RepTrained') {
      rep = { ...rep, trained: [...new Set([...rep.trained, data.topic])] };
    } else if (rep !== null && type === 'RepLeft') {
      rep = { ...rep, active: false, successorId: data.successorId };
    }
  }
  return rep === null || away === null || away.untilMs <= atMs ? rep : { ...rep, weeklyLeadCapacity: away.capacity };
}
