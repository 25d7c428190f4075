import { clocksEncoder } from './encode-clocks.js';
import { eventsEncoder } from './encode-events.js';
import { scoringEncoder } from './encode-scoring.js';
import type { Encoder, EncoderContext } from './encoders.js';

/** Raised whenever an encoder gives other rows for the same events: the history is then written anew. */
export const ENCODING_VERSION = 1;

/** Everything the history holds. The order is part of it: leads and codes are numbered as they first appear. */
export const encodersOf = (context: EncoderContext): readonly Encoder[] => [
  eventsEncoder(context),
  scoringEncoder(context),
  clocksEncoder,
];
