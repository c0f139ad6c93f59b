// Memory, as V8 and the system count it.
import os from "node:os";
import v8 from "node:v8";

const kept = [];
for (let i = 0; i < 1000; i++) kept.push(Buffer.from(`${i}`), { i });
console.log(process.memoryUsage());
console.log(v8.getHeapStatistics());
console.log(os.freemem(), os.totalmem(), os.loadavg(), os.uptime(), os.cpus().length, os.availableParallelism?.());
console.log(process.pid, process.ppid, os.hostname(), kept.length);
