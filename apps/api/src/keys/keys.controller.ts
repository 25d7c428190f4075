import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { ROLES, type Actor } from '#libs/lead/src/commands.js';
import { ApiKeys, type ApiKeyCard } from '#libs/platform/src/api-keys.js';
import { Problem } from '#libs/platform/src/problem.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { Caller, ForRoles } from '../caller.js';

const id = z.string().min(1).max(128);
export const keyRequest = z.strictObject({
  name: z.string().min(1).max(128).describe('What the key is for'),
  actorId: id.optional().describe('Who acts when the key is used, e.g. a representative; default key-<id>'),
  role: z.enum(ROLES),
  teams: z.array(id).max(50).default([]),
});
export const keyCard = z.object({
  keyId: z.string(),
  name: z.string(),
  actorId: z.string(),
  role: z.enum(ROLES),
  teams: z.array(z.string()),
  issuedAt: z.string(),
  revokedAt: z.string().nullable(),
});
export const issuedKey = keyCard.extend({ key: z.string().describe('Told once; only its hash is kept') });
export const keyList = z.object({ keys: z.array(keyCard) });
export const keyId = z.string().regex(/^[0-9a-f]{16}$/, 'must be a key id');
const nothing = z.strictObject({});

@ForRoles('admin')
@Controller('v1/keys')
export class KeysController {
  constructor(private readonly keys: ApiKeys) {}

  @Post()
  async issue(
    @Body(new ZodPipe(keyRequest)) request: z.output<typeof keyRequest>,
    @Caller() caller: Actor,
  ): Promise<ApiKeyCard & { key: string }> {
    const { card, token } = await this.keys.issue(request, caller);
    return { ...card, key: token };
  }

  @Get()
  async list(@Query(new ZodPipe(nothing)) _: object): Promise<{ keys: ApiKeyCard[] }> {
    return { keys: await this.keys.list() };
  }

  @Delete(':keyId')
  async revoke(@Param('keyId', new ZodPipe(keyId)) id: string, @Caller() caller: Actor): Promise<ApiKeyCard> {
    const card = await this.keys.revoke(id, caller);
    if (card === null) throw new Problem('NOT_FOUND', `there is no key ${id}`);
    return card;
  }
}
