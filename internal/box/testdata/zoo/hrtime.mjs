// Every clock of Node.
import { performance } from "node:perf_hooks";

console.log(Date.now(), new Date().toISOString());
console.log(process.hrtime.bigint(), performance.now(), performance.timeOrigin);
console.log(process.uptime(), process.cpuUsage(), process.resourceUsage());
const begin = performance.now();
await new Promise((done) => setTimeout(done, 30));
console.log("slept", performance.now() - begin);
