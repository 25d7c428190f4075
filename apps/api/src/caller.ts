import { createParamDecorator, SetMetadata, type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import type { Actor, Role } from '#libs/lead/src/commands.js';
import { requireRole } from '#libs/platform/src/roles.js';

/** The authenticated actor (libs/platform/src/http-adapter.ts puts it on the request). */
export const Caller = createParamDecorator(
  (_: undefined, context: ExecutionContext): Actor => context.switchToHttp().getRequest<FastifyRequest>().actor,
);

const ROLES_OF_ROUTE = 'ledger:roles';
/** Who besides an administrator may use a route or a controller; without it every authenticated caller may. */
export const ForRoles = (...roles: Role[]) => SetMetadata(ROLES_OF_ROUTE, roles);

/** FORBIDDEN_ROLE before pipes and controller run. Lead commands have roles of their own (libs/lead/src/commands.ts). */
@Injectable()
export class RoleGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const roles = this.reflector.getAllAndOverride<Role[] | undefined>(ROLES_OF_ROUTE, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (roles !== undefined) requireRole(context.switchToHttp().getRequest<FastifyRequest>().actor, roles);
    return true;
  }
}
