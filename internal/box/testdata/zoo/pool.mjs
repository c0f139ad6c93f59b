// The thread pool of libuv: which of many tasks is done first.
import crypto from "node:crypto";
import dns from "node:dns";
import zlib from "node:zlib";

const done = [];
const tasks = [];
const task = (name, f) => tasks.push(new Promise((end) => f(() => end(done.push(name)))));
for (let i = 0; i < 6; i++) {
  task(`pbkdf2 ${i}`, (end) => crypto.pbkdf2("tide", "salt", 2000 + i * 10, 32, "sha256", end));
  task(`gzip ${i}`, (end) => zlib.gzip(Buffer.alloc(100000, i), end));
  task(`random ${i}`, (end) => crypto.randomBytes(1000, end));
}
task("lookup", (end) => dns.lookup("localhost", end));
await Promise.all(tasks);
console.log(done.join("\n"));
