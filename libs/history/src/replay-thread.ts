import { parentPort } from 'node:worker_threads';
import { type ReplayCall, ReplayCalls } from './replay-calls.js';

/** One thread of `ReplayThreads`: answers one call after the other. */
const calls = new ReplayCalls();
const tell = (answer: { readonly value: unknown } | { readonly error: unknown }): void => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
  parentPort?.postMessage(answer);
};
parentPort?.on('message', (call: ReplayCall) => {
  calls.answer(call).then(
    (value) => tell({ value }),
    (error: unknown) => tell({ error }),
  );
});
