# Node's test runner, which runs each file in a process of its own, with a worker in each.
for name in ebb flood; do
cat >$name.test.mjs <<'END'
import test from 'node:test'; import {Worker} from 'node:worker_threads'; import crypto from 'node:crypto';
test('random', async () => { console.log(crypto.randomUUID(), Math.random(), performance.now()); });
test('worker', async () => { await new Promise(r => new Worker('setTimeout(()=>process.exit(0), 5)', {eval:true}).on('exit', r)); });
END
done
exec node --test
