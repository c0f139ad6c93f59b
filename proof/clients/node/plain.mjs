// An agent over any HTTP library. A library is two functions: post(path, body,
// headers) gives {status, headers, text}, and pieces(path, body) gives the
// pieces of a stream as they come.
import * as kit from './kit.mjs';

export const BASE = process.env.AGENT_BASE ?? 'https://api.openai.com';
export const HEADERS = { 'content-type': 'application/json', authorization: `Bearer ${process.env.OPENAI_API_KEY}` };
const CHAT = '/v1/chat/completions';
const tools = [{ type: 'function', function: { name: 'tide', parameters: kit.SCHEMA } }];
const question = (content, model, more) => JSON.stringify({ model, messages: [{ role: 'user', content }], ...more });

export function scenarios(post, pieces) {
  return {
    async tools() {
      const messages = [{ role: 'user', content: kit.QUESTION }];
      let calls = 0;
      for (;;) {
        const r = await post(CHAT, JSON.stringify({ model: 'sample-loop', messages, tools }), {});
        const m = JSON.parse(r.text).choices[0].message;
        if (!m.tool_calls) {
          kit.say(m.content);
          break;
        }
        messages.push(m);
        for (const c of m.tool_calls) {
          const args = JSON.parse(c.function.arguments);
          kit.say(c.id, args);
          messages.push({ role: 'tool', tool_call_id: c.id, content: kit.tide(args) });
          calls++;
        }
      }
      kit.check(calls > 0, 'no calls');
    },
    async stream() {
      let text = '';
      for await (const p of pieces(CHAT, question(kit.QUESTION, 'gpt-5', { stream: true }))) text += p;
      kit.say(text);
      kit.check(text.endsWith('data: [DONE]\n\n'), 'the stream has no end');
    },
    async cut() {
      let text = '';
      let error;
      try {
        for await (const p of pieces(CHAT, question(kit.QUESTION, 'sample-cut', { stream: true }))) text += p;
      } catch (e) {
        error = e;
      }
      kit.say(text, kit.trouble(error));
      kit.check(error && text && !text.includes('[DONE]'), 'the stream was not cut');
    },
    async retry() {
      for (let i = 0; i < 3; i++) {
        const r = await post(CHAT, question(kit.QUESTION, 'sample-429-once'), {});
        kit.say(r.status);
        if (r.status === 200) {
          kit.say(JSON.parse(r.text).choices[0].message.content);
          return;
        }
        await new Promise((done) => setTimeout(done, Number(r.headers['retry-after-ms'])));
      }
      kit.check(false, 'no answer');
    },
    fanout: () => kit.fanout(async (q) => (await post(CHAT, question(q, 'gpt-5'), {})).text),
    async coded() {
      kit.say((await post(CHAT, question('In a coding', 'sample-coded'), {})).text);
    },
  };
}
