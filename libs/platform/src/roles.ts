import type { Actor, Role } from '#libs/lead/src/commands.js';
import { Problem } from './problem.js';

/** FORBIDDEN_ROLE unless the actor has one of the roles; an administrator may do everything. */
export function requireRole(actor: Actor, required: readonly Role[]): void {
  if (actor.role === 'admin' || actor.role === 'system' || required.includes(actor.role)) return;
  throw new Problem('FORBIDDEN_ROLE', `this needs the role ${required.join(' or ')}; you have ${actor.role}`, {
    required: [...required],
  });
}
