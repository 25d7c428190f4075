import { Controller, Get, Param, Query } from '@nestjs/common';
import { invalid, Problem } from '#libs/platform/src/problem.js';
import { IdentityClaims } from '#libs/privacy/src/identity-claims.js';
import type { Query as ReportQuery } from '#libs/read-models/src/report-params.js';
import { REPORT_NAMES, type ReportName } from '#libs/read-models/src/reports.js';
import { comparedInstants, difference } from './compared-instants.js';
import { Figures } from './figures.js';

/** Reports and lists from the read models; parameters, figures and drill links are theirs (libs/read-models). */
@Controller('v1')
export class ReportsController {
  constructor(
    private readonly figures: Figures,
    private readonly claims: IdentityClaims,
  ) {}

  @Get('reports/:report')
  async report(@Param('report') name: string, @Query() query: ReportQuery): Promise<object> {
    if (!(REPORT_NAMES as readonly string[]).includes(name))
      throw new Problem('NOT_FOUND', `there is no report ${name}; there are ${REPORT_NAMES.join(', ')}`);
    const ask = (asked: ReportQuery) => this.figures.ask('report', asked, name as ReportName);
    const instants = comparedInstants(query);
    if (instants === null) return ask(query);
    const [answer, compared] = await Promise.all([ask(instants.query), ask(instants.other)]);
    return { ...answer, compared, difference: difference(answer, compared) };
  }

  @Get('sla/clocks')
  clocks(@Query() query: ReportQuery): Promise<object> {
    return this.figures.ask('clocks', query);
  }

  @Get('sla/breaches')
  breaches(@Query() query: ReportQuery): Promise<object> {
    return this.figures.ask('breaches', query);
  }

  @Get('deals')
  deals(@Query() query: ReportQuery): Promise<object> {
    return this.figures.ask('deals', query);
  }

  @Get('duplicates')
  duplicates(@Query() query: ReportQuery): Promise<object> {
    return this.figures.ask('duplicates', query);
  }

  @Get('queues/team/:teamId')
  teamQueue(@Param('teamId') teamId: string, @Query() query: ReportQuery): Promise<object> {
    return this.figures.ask('queue', query, { teamId });
  }

  @Get('queues/:ownerId')
  queue(@Param('ownerId') ownerId: string, @Query() query: ReportQuery): Promise<object> {
    return this.figures.ask('queue', query, { ownerId });
  }

  @Get('leads')
  async leads(@Query() query: ReportQuery): Promise<object> {
    const { externalId, ...rest } = query;
    if (externalId === undefined) return this.figures.ask('leads', query);
    const [system = '', id = ''] = typeof externalId === 'string' ? externalId.split(/:(.*)/s) : [];
    if (system === '' || id === '') throw invalid('externalId', 'must be <system>:<id>');
    const holder = await this.claims.holder(this.claims.external(system, id));
    const leadIds = holder === null || holder.released ? [] : [holder.leadId];
    return this.figures.ask('leadsById', rest, leadIds);
  }
}
