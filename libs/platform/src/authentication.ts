import type { Actor } from '#libs/lead/src/commands.js';
import type { ApiKeys } from './api-keys.js';
import type { Oidc } from './oidc.js';
import { Problem } from './problem.js';

const BEARER = /^Bearer ([\x21-\x7e]{1,8192})$/i;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** Who is calling: `Authorization: Bearer <api key or JWT>` (contract.md "HTTP"). */
export class Authentication {
  constructor(
    private readonly keys: ApiKeys,
    private readonly oidc: Oidc | null,
  ) {}

  /** Throws UNAUTHENTICATED; for a JWT also what `Oidc.actorOf` throws. */
  async actorOf(authorization: string | undefined): Promise<Actor> {
    const token = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
    if (token === undefined) throw new Problem('UNAUTHENTICATED', 'send the API key as `Authorization: Bearer <key>`');
    const actor = await this.keys.actorOf(token);
    if (actor !== null) return actor;
    if (this.oidc !== null && JWT.test(token)) return this.oidc.actorOf(token);
    throw new Problem('UNAUTHENTICATED', 'the API key is unknown or revoked');
  }
}
