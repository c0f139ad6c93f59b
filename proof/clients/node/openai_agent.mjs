// The OpenAI SDK for Node.
import * as kit from './kit.mjs';
import OpenAI, { toFile } from 'openai';

const client = new OpenAI();
const tools = [{ type: 'function', function: { name: 'tide', description: 'The height of the tide.', parameters: kit.SCHEMA } }];
const asked = (content = kit.QUESTION) => [{ role: 'user', content }];

await kit.main({
  async tools() {
    const messages = asked();
    let calls = 0;
    for (;;) {
      const m = (await client.chat.completions.create({ model: 'sample-loop', messages, tools })).choices[0].message;
      if (!m.tool_calls) {
        kit.say(m.content);
        break;
      }
      messages.push(m);
      for (const c of m.tool_calls) {
        const args = JSON.parse(c.function.arguments);
        kit.say(c.id, c.function.name, args);
        messages.push({ role: 'tool', tool_call_id: c.id, content: kit.tide(args) });
        calls++;
      }
    }
    kit.check(calls > 0, 'no calls');
  },
  async stream() {
    const text = [];
    for await (const chunk of await client.chat.completions.create({ model: 'gpt-5', messages: asked(), stream: true })) {
      text.push(chunk.choices[0]?.delta.content ?? null);
    }
    kit.say(text);
    const s = client.responses.stream({ model: 'gpt-5', input: kit.QUESTION });
    const deltas = [];
    for await (const e of s) if (e.type === 'response.output_text.delta') deltas.push(e.delta);
    const final = await s.finalResponse();
    kit.check(deltas.join('') === final.output_text, 'the stream is not its sum');
    kit.say(final.id, deltas);
  },
  cut: () => kit.cut(async (got) => {
    for await (const c of await client.chat.completions.create({ model: 'sample-cut', messages: asked(), stream: true })) {
      got.push(c.choices[0]?.delta.content ?? null);
    }
  }),
  async retry() {
    const { data, response } = await client.chat.completions.create({ model: 'sample-429-once', messages: asked() }).withResponse();
    kit.say(response.headers.get('x-request-id'), data.choices[0].message.content);
  },
  fanout: () => kit.fanout(async (q) => (await client.chat.completions.create({ model: 'gpt-5', messages: asked(q) })).choices[0].message.content),
  async embed() {
    const r = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['high', 'low'], dimensions: 8 });
    kit.say(r.data.map((d) => d.embedding));
  },
  async upload() {
    const f = await client.files.create({ file: await toFile(Buffer.from('high tide at noon\r\n'), 'notes.txt'), purpose: 'assistants' });
    kit.say(f.id, f.filename, f.bytes);
  },
});
