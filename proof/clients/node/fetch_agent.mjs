// fetch as it is built in.
import * as kit from './kit.mjs';
import { BASE, HEADERS, scenarios } from './plain.mjs';

const send = (path, body, headers) => fetch(BASE + path, { method: 'POST', body, headers: { ...HEADERS, ...headers } });

async function post(path, body, headers) {
  const r = await send(path, body, headers);
  return { status: r.status, headers: Object.fromEntries(r.headers), text: await r.text() };
}

async function* pieces(path, body) {
  const decoder = new TextDecoder();
  for await (const chunk of (await send(path, body, {})).body) yield decoder.decode(chunk, { stream: true });
}

await kit.main(scenarios(post, pieces));
