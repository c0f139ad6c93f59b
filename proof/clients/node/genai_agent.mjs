// Google's SDK for Gemini, for Node.
import * as kit from './kit.mjs';
import { GoogleGenAI } from '@google/genai';

const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY, httpOptions: { retryOptions: { attempts: 3 } } });
const tools = [{ functionDeclarations: [{ name: 'tide', description: 'The height of the tide.', parametersJsonSchema: kit.SCHEMA }] }];

await kit.main({
  async tools() {
    const contents = [{ role: 'user', parts: [{ text: kit.QUESTION }] }];
    let calls = 0;
    for (;;) {
      const r = await client.models.generateContent({ model: 'sample-loop', contents, config: { tools } });
      const uses = r.functionCalls ?? [];
      if (!uses.length) {
        kit.say(r.responseId, r.text);
        break;
      }
      contents.push(r.candidates[0].content);
      uses.forEach((u) => kit.say(u.name, u.args));
      contents.push({ role: 'user', parts: uses.map((u) => ({ functionResponse: { name: u.name, response: { result: kit.tide(u.args) } } })) });
      calls += uses.length;
    }
    kit.check(calls > 0, 'no calls');
  },
  async stream() {
    const text = [];
    for await (const c of await client.models.generateContentStream({ model: 'gemini-2.5-flash', contents: kit.QUESTION })) text.push(c.text);
    kit.say(text);
  },
  cut: () => kit.cut(async (got) => {
    for await (const c of await client.models.generateContentStream({ model: 'sample-cut', contents: kit.QUESTION })) got.push(c.text);
  }),
  async retry() {
    kit.say((await client.models.generateContent({ model: 'sample-429-once', contents: kit.QUESTION })).text);
  },
  fanout: () => kit.fanout(async (q) => (await client.models.generateContent({ model: 'gemini-2.5-flash', contents: q })).text),
});
