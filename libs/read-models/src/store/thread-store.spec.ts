import { MessageChannel } from 'node:worker_threads';
import { ThreadPort } from '#libs/platform/src/thread-port.js';
import { MemoryStore } from './memory-store.js';
import { describeReadStore } from './read-store.contract.js';
import { CheckpointMoved } from './read-store.js';
import { storeAnswers, type StoreQuestions, ThreadStore } from './thread-store.js';

describeReadStore('A read store of another thread', async () => {
  const { port1, port2 } = new MessageChannel();
  const memory = new MemoryStore();
  ThreadPort.serve(port2, storeAnswers(memory));
  const there = new ThreadPort<StoreQuestions>(port1, {}, [CheckpointMoved]);
  const questions: StoreQuestions = {
    store: (...asked) => there.call('store', ...asked),
    view: (...asked) => there.call('view', ...asked),
  };
  return {
    store: new ThreadStore(questions),
    async stop() {
      port1.close();
      await memory.close();
    },
  };
});
