import { Controller, Get, Param, Query } from '@nestjs/common';
import { z } from 'zod';
import { Problem } from '#libs/platform/src/problem.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { CONFIG_KINDS, ConfigHistory, type ConfigDocument, type ConfigKind } from './config-history.js';

export const configKind = z.enum(CONFIG_KINDS);
export const configId = z.string().min(1).max(128);
const nothing = z.strictObject({});
export const configDocument = z.object({
  id: z.string(),
  versionInForce: z.int().nullable(),
  latestVersion: z.int(),
  versions: z.array(
    z.object({
      version: z.int(),
      status: z.enum(['draft', 'in_force', 'scheduled', 'superseded', 'retired']),
      effectiveFrom: z.string().nullable(),
      recordedAt: z.string(),
      by: z.string().nullable(),
      approvals: z.array(z.object({ party: z.string(), by: z.string() })),
      document: z.record(z.string(), z.unknown()),
    }),
  ),
});
const configSummary = configDocument.omit({ versions: true });
export const configList = z.object({ items: z.array(configSummary) });

@Controller('v1/config')
export class ConfigController {
  constructor(private readonly history: ConfigHistory) {}

  @Get(':kind')
  async list(
    @Param('kind') kind: string,
    @Query(new ZodPipe(nothing)) _: object,
  ): Promise<z.output<typeof configList>> {
    const documents = await this.history.list(known(kind));
    return { items: documents.map(({ versions: _versions, ...summary }) => summary) };
  }

  @Get(':kind/:id')
  async read(
    @Param('kind') kind: string,
    @Param('id') id: string,
    @Query(new ZodPipe(nothing)) _: object,
  ): Promise<ConfigDocument> {
    const document = await this.history.read(known(kind), id);
    if (document === null) throw new Problem('NOT_FOUND', `there is no ${id} among the ${kind}`);
    return document;
  }
}

function known(kind: string): ConfigKind {
  const parsed = configKind.safeParse(kind);
  if (parsed.success) return parsed.data;
  throw new Problem('NOT_FOUND', `there is no configuration ${kind}; there are ${CONFIG_KINDS.join(', ')}`);
}
