// Child processes: pids, the order of their output, messages to a fork.
import { exec, fork, spawn } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";

if (process.send) {
  process.on("message", (m) => process.send(`child has ${m}`, () => m === 2 && process.exit()));
} else {
  const all = [0, 1, 2, 3].map((n) => promisify(exec)(`echo ${n} $$; sleep 0.0${n % 2}`).then(({ stdout }) => console.log(stdout.trim())));
  const child = spawn("sh", ["-c", "for i in 1 2 3 4; do echo $i; echo e$i >&2; done"]);
  child.stdout.on("data", (d) => console.log("stdout", String(d)));
  child.stderr.on("data", (d) => console.log("stderr", String(d)));
  const forked = fork(fileURLToPath(import.meta.url));
  forked.on("message", (m) => console.log(m));
  for (let i = 0; i < 3; i++) forked.send(i);
  await Promise.all([...all, new Promise((end) => forked.on("exit", end)), new Promise((end) => child.on("close", end))]);
  console.log(child.pid, forked.pid);
}
