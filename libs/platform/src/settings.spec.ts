import { describe, expect, it } from '@jest/globals';
import { parseSettings, requireShared, SettingsError } from './settings.js';

const MASTER = Buffer.alloc(32, 7).toString('base64');

describe('settings', () => {
  it('serves the embedded defaults on loopback when nothing is set', () => {
    expect(parseSettings({})).toMatchObject({
      port: 3000,
      host: '127.0.0.1',
      eventstoreUrl: null,
      embeddedGrpcPort: null,
      redisUrl: null,
      masterKey: null,
      oidc: null,
      logLevel: 'info',
      testClock: false,
    });
  });

  it('takes an empty value as unset', () => {
    expect(parseSettings({ REDIS_URL: '', PORT: '' })).toMatchObject({ redisUrl: null, port: 3000 });
  });

  it.each([
    ['PORT', { PORT: '70000' }],
    ['PORT', { PORT: 'http' }],
    ['EVENTSTORE_URL', { EVENTSTORE_URL: 'localhost:2113', LEDGER_MASTER_KEY: MASTER }],
    ['LEDGER_MASTER_KEY', { EVENTSTORE_URL: 'esdb://localhost:2113?tls=false' }],
    ['LEDGER_MASTER_KEY', { LEDGER_MASTER_KEY: 'short' }],
    ['REDIS_URL', { REDIS_URL: 'http://localhost' }],
    ['LEDGER_TESTCLOCK', { LEDGER_TESTCLOCK: '1' }],
    ['LEDGER_TEST_CLOCK', { LEDGER_TEST_CLOCK: '1', NODE_ENV: 'production' }],
    ['LEDGER_TEST_CLOCK', { LEDGER_TEST_CLOCK: 'yes' }],
    ['LEDGER_ADMIN_KEY', { LEDGER_ADMIN_KEY: 'short' }],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }],
    ['OIDC_AUDIENCE', { OIDC_ISSUER: 'https://id.example' }],
    ['EMBEDDED_GRCP_PORT', { EMBEDDED_GRCP_PORT: '2113' }],
  ])('refuses a wrong or unknown %s by its name', (setting, environment) => {
    expect(() => parseSettings(environment)).toThrow(expect.objectContaining({ name: 'SettingsError', setting }));
    expect(() => parseSettings(environment)).toThrow(new RegExp(`^${setting}: `));
  });

  it('lets the links that Kubernetes announces pass', () => {
    expect(() =>
      parseSettings({
        REDIS_PORT: 'tcp://10.0.0.1:6379',
        REDIS_SERVICE_HOST: '10.0.0.1',
        LEDGER_API_PORT_3000_TCP: 'tcp://10.0.0.2:3000',
      }),
    ).not.toThrow();
  });

  it('asks for both shared stores before the roles run apart', () => {
    expect(() => requireShared(parseSettings({}))).toThrow(SettingsError);
    expect(() => requireShared(parseSettings({ EVENTSTORE_URL: 'esdb://h:2113', LEDGER_MASTER_KEY: MASTER }))).toThrow(
      /^REDIS_URL/,
    );
  });
});
