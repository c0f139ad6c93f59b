// Worker threads of Node that share work, and files written as it is done.
import fs from "node:fs/promises";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { fileURLToPath } from "node:url";

if (isMainThread) {
  const next = new Int32Array(new SharedArrayBuffer(4));
  const ended = [];
  for (let n = 0; n < 4; n++) {
    const w = new Worker(fileURLToPath(import.meta.url), { workerData: { n, next } });
    w.on("message", async (m) => {
      console.log(m);
      await fs.appendFile("log", `${m}\n`);
    });
    ended.push(new Promise((done) => w.on("exit", done)));
  }
  await Promise.all(ended);
} else {
  const { n, next } = workerData;
  for (let job; (job = Atomics.add(next, 0, 1)) < 60; ) {
    let primes = 0;
    for (let i = 2; i < 500 + job * 20; i++) {
      let d = 2;
      while (d * d <= i && i % d) d++;
      if (d * d > i) primes++;
    }
    parentPort.postMessage(`${job} by ${n}: ${primes} ${Math.random()}`);
    await new Promise((done) => setTimeout(done, Math.random() * 3));
  }
}
