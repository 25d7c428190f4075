import { Module } from '@nestjs/common';
import { Projections } from './projections.js';
import { ProjectionsController } from './projections.controller.js';

/** The log → the read models. Needs the platform's module beside it. */
@Module({ controllers: [ProjectionsController], providers: [Projections] })
export class ProjectorModule {}
