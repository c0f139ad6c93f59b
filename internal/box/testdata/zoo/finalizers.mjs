// When the collector of V8 finds objects dead.
import v8 from "node:v8";

v8.setFlagsFromString("--expose-gc");
let dead = 0;
const registry = new FinalizationRegistry(() => dead++);
for (let i = 0; i < 20000; i++) registry.register({ i, pad: new Array(100).fill(i) }, i);
for (let i = 0; i < 5; i++) {
  await new Promise((end) => setTimeout(end, 2));
  console.log(dead);
}
