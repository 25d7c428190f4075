import {
  type Alert,
  alertEventSchemas,
  type AlertEvent,
  evolveAlert,
  initialAlert,
  isAlertEventType,
} from './alert.js';

export const ALERT_PREFIX = 'alert-';

/** Every alert there ever was: the fold of the alert streams in log order. They are few: one a condition. */
export class AlertBook {
  readonly #alerts = new Map<string, { alert: Alert; revision: number }>();

  /** Those raised last come first. */
  all(): Alert[] {
    const sinceMs = ({ raised }: Alert): number => (raised === null ? 0 : Date.parse(raised.occurredAt));
    return [...this.#alerts.values()]
      .map(({ alert }) => alert)
      .sort((a, b) => sinceMs(b) - sinceMs(a) || (a.key < b.key ? -1 : 1));
  }

  get(key: string): Alert {
    return this.#alerts.get(key)?.alert ?? initialAlert(key);
  }

  /** Of the last event folded; -1: there is none. */
  revision(key: string): number {
    return this.#alerts.get(key)?.revision ?? -1;
  }

  /** Other streams and types are ignored. @throws ZodError for a payload that is not of its schema; the book is then unchanged */
  apply(event: {
    readonly stream: string;
    readonly revision: number;
    readonly type: string;
    readonly data: unknown;
  }): void {
    if (!event.stream.startsWith(ALERT_PREFIX) || !isAlertEventType(event.type)) return;
    const key = event.stream.slice(ALERT_PREFIX.length);
    const data = alertEventSchemas[event.type].parse(event.data);
    const alert = evolveAlert(this.get(key), { type: event.type, data } as AlertEvent);
    this.#alerts.set(key, { alert, revision: event.revision });
  }
}
