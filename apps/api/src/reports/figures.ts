import { Inject, Injectable } from '@nestjs/common';
import type { Clock } from '#libs/platform/src/clock.js';
import { ANSWERS, CLOCK } from '#libs/platform/src/tokens.js';
import type { Query } from '#libs/read-models/src/report-params.js';
import { Policies } from '../policies.js';
import type { Answer, Answers, Beside, QuestionName } from './questions.js';

/** Asks about the figures as of now, under the configuration that is in force here. */
@Injectable()
export class Figures {
  constructor(
    @Inject(ANSWERS) private readonly answers: Answers,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly policies: Policies,
  ) {}

  /** Errors: see `Answers`. */
  ask<Name extends QuestionName>(name: Name, query: Query, ...beside: Beside<Name>): Promise<Answer<Name>> {
    const { changedAt: configuredAt } = this.policies;
    return this.answers.to({ name, query, beside, nowMs: this.clock.nowMs(), configuredAt });
  }
}
