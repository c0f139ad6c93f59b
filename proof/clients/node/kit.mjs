// What the Node agents share; kit.py says what. A scenario that does not come
// out as it should throws, and the status is 1.
//
//	node openai_agent.mjs [--bare] [SCENARIO ...]
//
// NODE_EXTRA_CA_CERTS is read by Node before any program of ours runs, so
// --bare takes it away from the agent, and not from Node.

const GUIDES = [
  'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'FTP_PROXY', 'WS_PROXY', 'WSS_PROXY', 'GRPC_PROXY',
  'SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'AWS_CA_BUNDLE', 'HTTPLIB2_CA_CERTS',
  'NODE_EXTRA_CA_CERTS', 'NODE_USE_ENV_PROXY', 'NODE_USE_SYSTEM_CA', 'NODE_OPTIONS', 'PIP_CERT', 'GIT_SSL_CAINFO',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', 'NIX_SSL_CERT_FILE', 'CODEX_CA_CERTIFICATE', 'DENO_CERT', 'CARGO_HTTP_CAINFO',
];

if (process.argv.includes('--bare')) {
  for (const name of Object.keys(process.env)) {
    if (GUIDES.includes(name.toUpperCase())) delete process.env[name];
  }
}

export const SCHEMA = {
  type: 'object', properties: { place: { type: 'string' }, day: { type: 'integer' } }, required: ['place', 'day'],
};
export const QUESTION = 'How high is the tide today?';
export const WAYS = 8; // of a fan-out

// tide is the tool that all agents have: a function of its arguments.
export function tide({ place, day }) {
  return `${(place.length * 37 + day * 11) % 90 / 10} m at ${place}`;
}

export function say(...parts) {
  console.log(parts.map((p) => (typeof p === 'string' ? p : JSON.stringify(p))).join(' '));
}

// trouble is the name of an error, with those that it comes from.
export function trouble(error) {
  const names = [];
  for (; error && names.length < 8; error = error.cause) names.push(error.code ?? error.name ?? error.constructor.name);
  return names.join(' < ');
}

export function check(ok, what) {
  if (!ok) throw new Error(what);
}

// fanout asks WAYS questions at once, and prints the answers in their order.
export async function fanout(ask) {
  const all = await Promise.all(Array.from({ length: WAYS }, (_, i) => ask(`Question ${i}`)));
  all.forEach((text, i) => say(i, text));
}

// cut reads what has to break off.
export async function cut(read) {
  const got = [];
  try {
    await read(got);
  } catch (e) {
    say(got, trouble(e));
    return;
  }
  check(false, 'the stream was not cut');
}

export async function main(scenarios) {
  const names = process.argv.slice(2).filter((a) => !a.startsWith('--'));
  for (const name of names.length ? names : Object.keys(scenarios)) {
    say('==', name);
    await scenarios[name]();
  }
  say('== end');
}
