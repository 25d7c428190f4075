import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { ROLES, type Actor } from '#libs/lead/src/commands.js';
import { Problem } from './problem.js';

const DISCOVERY_TIMEOUT_MS = 3000;
const claims = z.object({
  sub: z.string().min(1).max(128),
  ledger_role: z.enum(ROLES),
  ledger_teams: z.array(z.string().min(1).max(128)).default([]),
});

/**
 * JWTs of an OpenID provider beside API keys: signature by the issuer's published keys, `iss`, `aud`, `exp`, then our
 * claims `ledger_role` and `ledger_teams`. The provider is asked at the first token, not at start.
 */
export class Oidc {
  #keys: Promise<JWTVerifyGetKey> | null = null;

  constructor(
    private readonly issuer: string,
    private readonly audience: string,
  ) {}

  /** Throws UNAUTHENTICATED, FORBIDDEN_ROLE (valid, but without a role here), or STORE_UNAVAILABLE-like 503 NOT_READY. */
  async actorOf(token: string): Promise<Actor> {
    let payload: JWTPayload;
    try {
      const options = { issuer: this.issuer, audience: this.audience, clockTolerance: 30 };
      ({ payload } = await jwtVerify(token, await this.#providerKeys(), options));
    } catch (error) {
      if (error instanceof Problem) throw error;
      if (error instanceof errors.JWKSTimeout) throw unreachable(error);
      if (error instanceof errors.JOSEError)
        throw new Problem('UNAUTHENTICATED', `the token was refused: ${error.code}`);
      throw unreachable(error);
    }
    const parsed = claims.safeParse(payload);
    if (!parsed.success)
      throw new Problem('FORBIDDEN_ROLE', 'the token carries no valid ledger_role claim', { required: ROLES });
    const { sub, ledger_role: role, ledger_teams: teams } = parsed.data;
    return { type: role === 'integration' ? 'integration' : 'user', id: sub, role, teams };
  }

  #providerKeys(): Promise<JWTVerifyGetKey> {
    this.#keys ??= this.#discover().catch((error: unknown) => {
      this.#keys = null;
      throw unreachable(error);
    });
    return this.#keys;
  }

  async #discover(): Promise<JWTVerifyGetKey> {
    const url = `${this.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const response = await fetch(url, { signal: AbortSignal.timeout(DISCOVERY_TIMEOUT_MS) });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    const { jwks_uri: jwksUri } = z.object({ jwks_uri: z.url() }).parse(await response.json());
    return createRemoteJWKSet(new URL(jwksUri), { timeoutDuration: DISCOVERY_TIMEOUT_MS });
  }
}

const unreachable = (cause: unknown): Problem =>
  new Problem('NOT_READY', `OIDC_ISSUER cannot be asked for its keys: ${(cause as Error).message}`, {
    retryable: true,
  });
