import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { LEADS_PER_DAY } from './company.js';
import { arrivals } from './company-life.js';
import { seedId, type History } from './history.js';
import { Random } from './random.js';
import { Staff, type Doors } from './staff.js';
import { TWO_YEARS_MS, World } from './world.js';

/** Between two commands. */
const EVERY_MS = 3000;
/** Numbers of people and companies that a start of its own may use up. */
const TEN_MINUTES_MS = 600_000;

export type Company = Pick<History, 'staff' | 'world'>;

/** The company of a demo that was lived through at an earlier start: people nobody has met yet go on asking. */
export function companyAfterwards(doors: Doors, seed: string, nowMs: number): Company {
  const here = `${seed} ${new Date(nowMs).toISOString()}`;
  const random = new Random(here);
  const numbersFrom = 100_000 + (Math.floor(nowMs / TEN_MINUTES_MS) % 800_000);
  const world = new World(random, nowMs - TWO_YEARS_MS, numbersFrom);
  const staff = new Staff(doors, seedId(here));
  staff.begin('leads', arrivals(random.fork('leads'), world, LEADS_PER_DAY, nowMs));
  return { staff, world };
}

export interface PresentOptions {
  readonly company: Company;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly everyMs?: number;
}

/**
 * The running present: what would happen next happens now, a command every few seconds, on the real clock. Days pass in minutes
 * that way. Ends with the signal.
 */
export async function runPresent(
  { clock, company: { staff, world }, everyMs = EVERY_MS, logger }: PresentOptions,
  signal: AbortSignal,
): Promise<void> {
  world.bePresent(() => clock.nowMs());
  for (let entry = staff.agenda.take(); entry !== undefined && !signal.aborted; entry = staff.agenda.take()) {
    const { act } = entry.step;
    if (act !== null && act.of !== 'birth') await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      await staff.carryOut(entry);
    } catch (error) {
      logger.warn({ err: error, life: entry.name }, 'somebody of the demo could not go on');
    }
  }
}
