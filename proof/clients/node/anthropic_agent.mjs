// The Anthropic SDK for Node.
import * as kit from './kit.mjs';
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic();
const tools = [{ name: 'tide', description: 'The height of the tide.', input_schema: kit.SCHEMA }];
const thinking = { type: 'enabled', budget_tokens: 1024 };
const asked = (content = kit.QUESTION) => [{ role: 'user', content }];

await kit.main({
  async tools() {
    const messages = asked();
    let calls = 0;
    for (;;) {
      const r = await client.messages.create({ model: 'sample-loop', max_tokens: 4000, messages, tools, thinking });
      messages.push({ role: 'assistant', content: r.content });
      const uses = r.content.filter((b) => b.type === 'tool_use');
      if (!uses.length) {
        kit.say(r.content);
        break;
      }
      uses.forEach((u) => kit.say(u.id, u.name, u.input));
      messages.push({ role: 'user', content: uses.map((u) => ({ type: 'tool_result', tool_use_id: u.id, content: kit.tide(u.input) })) });
      calls += uses.length;
    }
    kit.check(calls > 0, 'no calls');
  },
  async stream() {
    const s = client.messages.stream({ model: 'claude-sonnet-4-5', max_tokens: 4000, messages: asked(), tools, thinking });
    const kinds = [];
    for await (const e of s) kinds.push(e.type);
    kit.say(kinds);
    kit.say((await s.finalMessage()).content);
  },
  cut: () => kit.cut(async (got) => {
    for await (const e of client.messages.stream({ model: 'sample-cut', max_tokens: 500, messages: asked() })) {
      got.push(e.delta?.text ?? e.type);
    }
  }),
  async retry() {
    const { data, response } = await client.messages.create({ model: 'sample-429-once', max_tokens: 500, messages: asked() }).withResponse();
    kit.say(response.headers.get('request-id'), data.content[0].text);
  },
  fanout: () => kit.fanout(async (q) => (await client.messages.create({ model: 'claude-sonnet-4-5', max_tokens: 500, messages: asked(q) })).content[0].text),
});
