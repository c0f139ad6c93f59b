// undici, of its own and not the one built in: HTTP/1.1, and HTTP/2.
import * as kit from './kit.mjs';
import { BASE, HEADERS, scenarios } from './plain.mjs';
import { Agent, request } from 'undici';

const two = new Agent({ allowH2: true });

async function post(path, body, headers) {
  const r = await request(BASE + path, { method: 'POST', body, headers: { ...HEADERS, ...headers }, dispatcher: two });
  return { status: r.statusCode, headers: r.headers, text: await r.body.text() };
}

async function* pieces(path, body) {
  const decoder = new TextDecoder();
  const one = new Agent({ allowH2: false });
  const r = await request(BASE + path, { method: 'POST', body, headers: HEADERS, dispatcher: one });
  for await (const chunk of r.body) yield decoder.decode(chunk, { stream: true });
}

const all = scenarios(post, pieces);
await kit.main(all);
await two.close();
