// Files of fs.promises: which is written first, and what stat says.
import fs from "node:fs/promises";

const done = [];
await Promise.all([...Array(20).keys()].map(async (i) => {
  await fs.writeFile(`made-${i}`, "x".repeat(i * 5000));
  done.push(i);
}));
console.log(done.join(" "));
const s = await fs.stat("made-3");
console.log(s.ino, s.mtimeMs, s.ctimeMs, s.birthtimeMs, s.dev);
console.log(await fs.readdir("before"), await fs.mkdtemp("made-"));
const log = await fs.open("log", "a");
await Promise.all([...Array(10).keys()].map((i) => log.write(`line ${i}\n`)));
await log.close();
console.log(await fs.readFile("log", "utf8"));
