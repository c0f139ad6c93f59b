// Worker threads: messages, shared memory, and who is first.
import { Worker, isMainThread, parentPort, workerData, threadId } from "node:worker_threads";
import { fileURLToPath } from "node:url";

if (isMainThread) {
  const shared = new Int32Array(new SharedArrayBuffer(1024));
  const ended = [];
  for (let n = 0; n < 4; n++) {
    const w = new Worker(fileURLToPath(import.meta.url), { workerData: { n, shared } });
    w.on("message", (m) => console.log(m));
    ended.push(new Promise((done) => w.on("exit", done)));
  }
  await Promise.all(ended);
  console.log(shared.slice(0, 2));
} else {
  const { n, shared } = workerData;
  for (let i = 0; i < 10; i++) {
    const place = Atomics.add(shared, 0, 1);
    shared[1] = shared[1] + 1;
    parentPort.postMessage(`place ${place}: worker ${n} thread ${threadId} ${Math.random()}`);
    Atomics.wait(shared, 5, 0, (n + i) % 3);
  }
}
