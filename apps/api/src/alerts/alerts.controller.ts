import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { alertNotFound, isStanding, type Alert } from '#libs/alert/src/alert.js';
import { ALERT_CONDITIONS } from '#libs/alert/src/alert-conditions.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { requireRole } from '#libs/platform/src/roles.js';
import { parsed, ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { Caller } from '../caller.js';
import { commandIdOf } from '../leads/command-headers.js';
import { position } from '../query-fields.js';
import { Alerts } from './alerts.js';

export const alertsQuery = z.strictObject({
  status: z
    .enum(['standing', 'open', 'acknowledged', 'cleared', 'all'])
    .default('standing')
    .describe('standing: open or acknowledged'),
  condition: z.enum(Object.keys(ALERT_CONDITIONS) as [string, ...string[]]).optional(),
  after: position.optional().describe('Alerts are read from the log itself: they reflect every position there is'),
});
export const acknowledgeBody = z.strictObject({ note: z.string().max(2000).optional() });
/** Who may say that an alert is seen to. */
export const ALERT_ROLES = ['marketing', 'sales', 'sdr', 'sales_manager', 'ops'] as const;

/** What needs somebody's attention (spec §8.5). The worker raises and clears; people acknowledge. */
@Controller('v1/alerts')
export class AlertsController {
  constructor(private readonly alerts: Alerts) {}

  @Get()
  async list(@Query(new ZodPipe(alertsQuery)) query: z.output<typeof alertsQuery>): Promise<object> {
    await this.alerts.catchUp();
    const { condition, status } = query;
    const wanted = (alert: Alert): boolean =>
      (status === 'all' || (status === 'standing' ? isStanding(alert) : alert.status === status)) &&
      (condition === undefined || alert.raised?.condition === condition);
    return { position: this.alerts.position, items: this.alerts.book.all().filter(wanted).map(cardOf) };
  }

  @Get(':key')
  async read(@Param('key') key: string): Promise<object> {
    await this.alerts.catchUp();
    const alert = this.alerts.book.get(key);
    if (alert.status === null) throw alertNotFound(key);
    return cardOf(alert);
  }

  @Post(':key/acknowledge')
  @HttpCode(200)
  async acknowledge(
    @Param('key') key: string,
    @Body() body: unknown,
    @Headers('idempotency-key') commandKey: string | undefined,
    @Caller() actor: Actor,
  ): Promise<object> {
    const fields = parsed(acknowledgeBody, body ?? {});
    requireRole(actor, ALERT_ROLES);
    await this.alerts.catchUp();
    // No stream of that name is made up by asking for it.
    if (this.alerts.book.get(key).status === null) throw alertNotFound(key);
    const { state } = await this.alerts.acknowledge(key, fields, actor, commandIdOf(commandKey));
    return cardOf(state);
  }
}

function cardOf({ acknowledged, cleared, key, raised, status, times }: Alert) {
  return {
    key,
    condition: raised?.condition ?? key,
    status,
    /** When it was raised the last time. */
    since: raised?.occurredAt ?? null,
    text: raised?.text ?? '',
    /** As it was raised. */
    value: raised?.value ?? null,
    threshold: raised?.threshold ?? null,
    n: raised?.n ?? 0,
    window: raised?.window ?? null,
    drill: raised?.drill ?? null,
    acknowledged,
    cleared,
    times,
  };
}
