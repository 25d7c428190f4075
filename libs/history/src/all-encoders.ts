import { clocksEncoder } from './encode-clocks.js';
import type { Encoder, EncoderContext } from './encoders.js';

/** Everything the history holds. The order is part of the encoding: leads and codes are numbered as they first appear. */
export const encodersOf = (_context: EncoderContext): readonly Encoder[] => [clocksEncoder];
