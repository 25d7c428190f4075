import { setImmediate } from 'node:timers/promises';

/** Keeps long work from holding up the event loop: `await slices.pause()` between its pieces. */
export class TimeSlices {
  private sliceStart = performance.now();

  constructor(private readonly sliceMs: number) {}

  get isOver(): boolean {
    return performance.now() - this.sliceStart >= this.sliceMs;
  }

  /** Lets everybody else run when the slice is used up. */
  async pause(): Promise<void> {
    if (!this.isOver) return;
    await setImmediate();
    this.sliceStart = performance.now();
  }
}
