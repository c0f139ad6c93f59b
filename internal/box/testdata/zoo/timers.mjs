// Timers that race with each other, with immediates and with promises.
const order = [];
const all = [];
for (let i = 0; i < 20; i++) {
  all.push(new Promise((done) => setTimeout(() => done(order.push(`timeout ${i}`)), (i * 7) % 5)));
  all.push(new Promise((done) => setImmediate(() => done(order.push(`immediate ${i}`)))));
  queueMicrotask(() => order.push(`microtask ${i}`));
  process.nextTick(() => order.push(`tick ${i}`));
}
let ticks = 0;
const interval = setInterval(() => ticks++, 1);
await Promise.all(all);
await new Promise((done) => setTimeout(done, 25));
clearInterval(interval);
console.log(order.join("\n"), ticks);
