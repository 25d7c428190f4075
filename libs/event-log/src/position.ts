import type { Position } from './event-log.js';

/** 16 hex digits of the 64-bit commit position: ordered as text like the numbers. */
export function positionOf(commit: number | bigint): Position {
  return commit.toString(16).padStart(16, '0');
}

/** Positions of the embedded log count events, far below 2^53. */
export function positionToNumber(position: Position): number {
  return Number(positionToBigInt(position));
}

/** TypeError when it is no position. */
export function positionToBigInt(position: Position): bigint {
  if (!/^[0-9a-f]{16}$/.test(position)) throw new TypeError(`not a position: ${position}`);
  return BigInt(`0x${position}`);
}
