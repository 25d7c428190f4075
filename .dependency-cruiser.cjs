/** The layers of the house (docs/decisions/0001): pure domain <- adapters <- Nest apps. `npm run deps` holds them. */
const SPEC = String.raw`(\.spec|\.contract|\.e2e-spec|\.bench|given-when-then)\.ts$`;
const npm = (...names) => `node_modules/(${names.join('|')})(/|$)`;

/** What each library may import of the others; a library that is not named here fails. */
const MAY_IMPORT = {
  policy: [],
  scoring: [],
  lead: ['policy', 'scoring'],
  account: ['lead', 'policy'],
  alert: ['lead', 'policy'],
  'event-log': [],
  projections: ['event-log', 'read-models/src/store'],
  'read-models': ['alert', 'lead', 'policy', 'projections', 'event-log'],
  privacy: ['event-log', 'lead'],
  import: ['lead', 'policy', 'event-log', 'privacy'],
  platform: ['event-log', 'lead'],
  history: ['event-log', 'lead', 'policy', 'scoring'],
};

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-orphan-import', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'libs-never-import-apps',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'pure-libs-import-only-each-other',
      comment:
        'libs/lead, libs/account, libs/alert, libs/policy and libs/scoring are pure: no Nest, no node, no clock, no environment, no logging.',
      severity: 'error',
      from: { path: '^libs/(account|alert|lead|policy|scoring)/', pathNot: SPEC },
      to: { pathNot: ['^libs/(account|alert|lead|policy|scoring)/', npm('zod', 'temporal-polyfill', 'temporal-spec')] },
    },
    {
      name: 'nest-only-in-apps-and-modules',
      severity: 'error',
      from: { path: '^libs/', pathNot: ['^libs/platform/', String.raw`\.module\.ts$`, SPEC] },
      to: { path: npm('@nestjs') },
    },
    {
      name: 'one-file-imports-the-eventstoredb-client',
      severity: 'error',
      from: {
        path: '^(libs|apps)/',
        pathNot: ['^libs/event-log/src/eventstoredb-log.ts$', '^libs/event-log/src/wire/', SPEC],
      },
      to: { path: npm('@eventstore') },
    },
    {
      name: 'only-the-cli-imports-other-apps',
      comment:
        'apps/ledger starts every role in one process and so imports the other apps; the other apps stand alone.',
      severity: 'error',
      from: { path: '^apps/(projector|worker|api)/' },
      to: { path: '^apps/ledger/' },
    },
    {
      name: 'no-test-code-in-the-product',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: SPEC },
      to: { path: ['^test/', SPEC] },
    },
    ...Object.entries(MAY_IMPORT).map(([lib, others]) => ({
      name: `libs-${lib}-may-import`,
      severity: 'error',
      from: { path: `^libs/${lib}/`, pathNot: SPEC },
      to: { path: '^libs/', pathNot: [`^libs/${lib}/`, ...others.map((other) => `^libs/${other}/`)] },
    })),
    {
      name: 'every-lib-is-named',
      comment: 'A new library has to say in MAY_IMPORT what it may import.',
      severity: 'error',
      from: { path: '^libs/', pathNot: `^libs/(${Object.keys(MAY_IMPORT).join('|')})/` },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['lead-ledger-source', 'import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json', '.node'],
    },
  },
};
