import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { Oidc } from './oidc.js';
import { Problem } from './problem.js';

let server: Server;
let issuer: string;
let key: CryptoKey;
let otherKey: CryptoKey;

/** An OpenID provider as far as we ask one: its metadata and its published keys. */
beforeAll(async () => {
  const pair = await generateKeyPair('RS256');
  key = pair.privateKey;
  otherKey = (await generateKeyPair('RS256')).privateKey;
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.url === '/.well-known/openid-configuration')
      response.end(JSON.stringify({ jwks_uri: `${issuer}/jwks` }));
    else response.end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const token = (claims: Record<string, unknown>, signer = key, audience = 'ledger', expires = '5m') =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject('rita')
    .setExpirationTime(expires)
    .sign(signer);
const codeOf = async (jwt: string): Promise<string> => {
  try {
    await new Oidc(issuer, 'ledger').actorOf(jwt);
    return 'accepted';
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
};

describe('a token of the OpenID provider', () => {
  it('makes the person behind it an actor with role and teams', async () => {
    const jwt = await token({ ledger_role: 'sales', ledger_teams: ['sales'] });
    expect(await new Oidc(issuer, 'ledger').actorOf(jwt)).toEqual({
      type: 'user',
      id: 'rita',
      role: 'sales',
      teams: ['sales'],
    });
  });

  it('is refused when it is signed by another, for another, or too old', async () => {
    const claims = { ledger_role: 'sales' };
    expect(await codeOf(await token(claims, otherKey))).toBe('UNAUTHENTICATED');
    expect(await codeOf(await token(claims, key, 'another application'))).toBe('UNAUTHENTICATED');
    expect(await codeOf(await token(claims, key, 'ledger', '-5m'))).toBe('UNAUTHENTICATED');
    expect(await codeOf('e30.e30.')).toBe('UNAUTHENTICATED');
  });

  it('without a role here is nobody here', async () => {
    expect(await codeOf(await token({}))).toBe('FORBIDDEN_ROLE');
    expect(await codeOf(await token({ ledger_role: 'emperor' }))).toBe('FORBIDDEN_ROLE');
  });

  it('cannot be judged while the provider is away, which is no fault of the caller', async () => {
    const jwt = await token({ ledger_role: 'sales' });
    await expect(new Oidc('http://127.0.0.1:1', 'ledger').actorOf(jwt)).rejects.toMatchObject({
      code: 'NOT_READY',
      status: 503,
    });
  });
});
