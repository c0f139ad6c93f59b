// axios.
import * as kit from './kit.mjs';
import { BASE, HEADERS, scenarios } from './plain.mjs';
import axios from 'axios';

const client = axios.create({ baseURL: BASE, headers: HEADERS, validateStatus: () => true, transformResponse: (t) => t });

async function post(path, body, headers) {
  const r = await client.post(path, body, { headers });
  return { status: r.status, headers: r.headers, text: r.data };
}

async function* pieces(path, body) {
  const decoder = new TextDecoder();
  const r = await client.post(path, body, { responseType: 'stream' });
  for await (const chunk of r.data) yield decoder.decode(chunk, { stream: true });
}

await kit.main(scenarios(post, pieces));
