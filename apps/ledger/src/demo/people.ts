import { FOREIGN_INDUSTRIES, INDUSTRIES, type Office } from './company.js';
import type { Random } from './random.js';

/** Persons and companies that do not exist. Mail goes to `.example`, phones are from ranges for fiction. */

const GIVEN = {
  berlin: 'Clara Felix Hannah Lukas Mia Paul Lotte Oskar Greta Nils Ida Henrik Elif Mateo Zofia Pierre Astrid Willem Nora Tim'.split(' '), // prettier-ignore
  newyork: 'Olivia Liam Ava Noah Zoe Ethan Chloe Lucas Ruby Owen Isla Caleb Naomi Diego Priya Wei Sarah Marcus Hazel Jack'.split(' '), // prettier-ignore
} as const;
const FAMILY = {
  berlin: 'Becker Schulz Brandt Vogel Winkler Lorenz Busch Engel Arslan Novak Moreau Jansen Berg Huber Keller Roth Simon Frank Graf Lang'.split(' '), // prettier-ignore
  newyork: 'Miller Garcia Brooks Nguyen Foster Rivera Coleman Sanders Reed Murphy Bell Hughes Ward Price Shah Kim Lopez Bennett Gray Ross'.split(' '), // prettier-ignore
} as const;
const FIRST = 'North Blue Silver River Stone Maple Bright Clear Iron Harbor Summit Cedar Delta Lumen Orbit Prime Quartz Vertex Willow Zenith'.split(' '); // prettier-ignore
const SECOND = 'works line soft path field point bridge gate forge craft ware loop grid leaf port side wave yard core lane'.split(' '); // prettier-ignore

const TITLES = {
  decision_maker: ['COO', 'Head of Operations', 'Managing Director', 'VP Finance'],
  influencer: ['Process Manager', 'Controller', 'IT Lead'],
  user: ['Team Lead', 'Planner', 'Analyst'],
  gatekeeper: ['Office Manager', 'Purchasing'],
} as const;
export type BuyerRole = keyof typeof TITLES;

export interface Company {
  readonly accountId: string;
  readonly name: string;
  readonly domain: string;
  readonly office: Office;
  readonly country: string;
  readonly industry: string;
  readonly revenueMinor: number;
  readonly employees: number;
}

export function company(random: Random, n: number): Company {
  const office = random.chance(0.64) ? 'berlin' : 'newyork';
  const country = random.choose(
    office === 'berlin'
      ? ([['DE', 58], ['AT', 9], ['CH', 8], ['NL', 7], ['FR', 7], ['GB', 7], ['SE', 3], ['ES', 2]] as const) // prettier-ignore
      : ([
          ['US', 84],
          ['CA', 13],
          ['MX', 3],
        ] as const),
  );
  const name = `${random.pick(FIRST)}${random.pick(SECOND)}`;
  const employees = Math.max(4, Math.round(random.around(160, 0.9)));
  return {
    accountId: `acc-${String(n).padStart(4, '0')}`,
    name: `${name} ${office === 'berlin' ? 'GmbH' : 'Inc.'}`,
    domain: `${name.toLowerCase()}${n}.example`,
    office,
    country,
    industry: random.chance(0.93) ? random.pick(INDUSTRIES) : random.pick(FOREIGN_INDUSTRIES),
    revenueMinor: Math.round(employees * random.around(150_000, 0.4)) * 100,
    employees,
  };
}

export interface Person {
  readonly givenName: string;
  readonly familyName: string;
  readonly email: string;
  readonly phone: string | null;
  readonly role: BuyerRole;
  readonly jobTitle: string;
}

export function person(random: Random, n: number, { domain, office }: Company): Person {
  const givenName = random.pick(GIVEN[office]);
  const familyName = random.pick(FAMILY[office]);
  const role = random.choose<BuyerRole>([
    ['decision_maker', 42],
    ['influencer', 30],
    ['user', 22],
    ['gatekeeper', 6],
  ]);
  const mailbox = random.chance(0.93) ? domain : 'gmail.com';
  const line = String(n).padStart(6, '0');
  return {
    givenName,
    familyName,
    email: `${givenName}.${familyName}.${n}@${mailbox}`.toLowerCase(),
    phone: random.chance(0.62) ? (office === 'berlin' ? `+4930231${line}` : `+1212555${line.slice(-4)}`) : null,
    role,
    jobTitle: random.pick(TITLES[role]),
  };
}
