import { z } from 'zod';
import { LeadError } from '#libs/lead/src/errors.js';
import { code, id, text, ts } from '#libs/lead/src/events.js';
import type { AlertCondition } from './alert-conditions.js';

/** One condition of the funnel that somebody should look at (spec §4.3 alert, §8.5): events, fold, decisions. */

const base = { occurredAt: ts };
const figure = z.number().nullable();
export const alertEventSchemas = {
  AlertRaised: z.object({
    ...base,
    condition: code,
    value: figure,
    threshold: z.number(),
    n: z.int().min(0),
    /** Days it looks back on, `P30D`; `now`: as it stands. */
    window: code,
    /** What people are told. */
    text,
    /** The leads behind it, as a link. */
    drill: z.string().max(4000).optional(),
  }),
  AlertAcknowledged: z.object({ ...base, by: id, note: text.optional() }),
  AlertCleared: z.object({ ...base, value: figure }),
} as const;
export type AlertEventType = keyof typeof alertEventSchemas;
export type AlertEventData<T extends AlertEventType> = z.infer<(typeof alertEventSchemas)[T]>;
export type AlertEvent = {
  [T in AlertEventType]: { readonly type: T; readonly data: AlertEventData<T> };
}[AlertEventType];
export const isAlertEventType = (type: string): type is AlertEventType => Object.hasOwn(alertEventSchemas, type);

/** What was found out about a condition at an instant. */
export interface AlertFinding {
  /** Of its stream: the condition, with what it is about where there are several: `stage_benchmark.demo`. */
  readonly key: string;
  readonly condition: AlertCondition;
  readonly failing: boolean;
  readonly value: number | null;
  readonly threshold: number;
  readonly n: number;
  /** 0: as it stands now. */
  readonly windowDays: number;
  readonly text: string;
  readonly drill: string | null;
}

export interface Alert {
  readonly key: string;
  /** null: never raised. */
  readonly status: 'open' | 'acknowledged' | 'cleared' | null;
  readonly raised: AlertEventData<'AlertRaised'> | null;
  readonly acknowledged: { readonly at: string; readonly by: string; readonly note: string | null } | null;
  readonly cleared: { readonly at: string; readonly value: number | null } | null;
  /** How often it was raised, ever. */
  readonly times: number;
}

export const initialAlert = (key: string): Alert => ({
  key,
  status: null,
  raised: null,
  acknowledged: null,
  cleared: null,
  times: 0,
});

/** Never throws and ignores types it does not know. */
export function evolveAlert(alert: Alert, event: AlertEvent): Alert {
  switch (event.type) {
    case 'AlertRaised':
      return {
        ...alert,
        status: 'open',
        raised: event.data,
        acknowledged: null,
        cleared: null,
        times: alert.times + 1,
      };
    case 'AlertAcknowledged': {
      const { by, note = null, occurredAt } = event.data;
      return { ...alert, status: 'acknowledged', acknowledged: { at: occurredAt, by, note } };
    }
    case 'AlertCleared':
      return { ...alert, status: 'cleared', cleared: { at: event.data.occurredAt, value: event.data.value } };
    default:
      event satisfies never;
      return alert;
  }
}

export const isStanding = ({ status }: Alert): boolean => status === 'open' || status === 'acknowledged';

const MOST_TEXT = 2000;

/** Raises what fails and does not stand yet, clears what stands and fails no more; nothing else. Null: nobody found it any more. */
export function judgeAlert(alert: Alert, finding: AlertFinding | null, nowMs: number): AlertEvent[] {
  const occurredAt = new Date(nowMs).toISOString();
  const failing = finding?.failing === true;
  if (failing === isStanding(alert)) return [];
  if (!failing) return [{ type: 'AlertCleared', data: { occurredAt, value: finding?.value ?? null } }];
  const { condition, drill, n, text: words, threshold, value, windowDays } = finding;
  return [
    {
      type: 'AlertRaised',
      data: {
        occurredAt,
        condition,
        value,
        threshold,
        n,
        window: windowDays === 0 ? 'now' : `P${windowDays}D`,
        text: words.slice(0, MOST_TEXT),
        ...(drill === null ? {} : { drill }),
      },
    },
  ];
}

/**
 * Somebody has seen it; who says so again changes nothing.
 * @throws LeadError ALERT_NOT_FOUND, ALERT_CLEARED
 */
export function acknowledgeAlert(alert: Alert, by: string, note: string | undefined, nowMs: number): AlertEvent[] {
  if (alert.status === null) throw alertNotFound(alert.key);
  if (alert.status === 'cleared') throw new LeadError('ALERT_CLEARED', `${alert.key} has cleared`, { key: alert.key });
  if (alert.status === 'acknowledged') return [];
  const occurredAt = new Date(nowMs).toISOString();
  return [{ type: 'AlertAcknowledged', data: { occurredAt, by, ...(note === undefined ? {} : { note }) } }];
}

export const alertNotFound = (key: string): LeadError =>
  new LeadError('ALERT_NOT_FOUND', `there is no alert ${key}`, { key });
