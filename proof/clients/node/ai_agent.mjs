// The AI SDK (ai), with its OpenAI and Anthropic providers.
import * as kit from './kit.mjs';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { openai } from '@ai-sdk/openai';
import { anthropic } from '@ai-sdk/anthropic';

// Warnings go to stderr with the number of the process.
globalThis.AI_SDK_LOG_WARNINGS = false;

const tools = { tide: tool({ description: 'The height of the tide.', inputSchema: jsonSchema(kit.SCHEMA), execute: kit.tide }) };

await kit.main({
  async tools() {
    for (const model of [openai('sample-loop'), openai.chat('sample-loop'), anthropic('sample-loop')]) {
      const r = await generateText({ model, tools, prompt: kit.QUESTION, stopWhen: stepCountIs(10) });
      const results = r.steps.flatMap((s) => s.toolResults);
      results.forEach((t) => kit.say(t.toolCallId, t.input, t.output));
      kit.say(r.text);
      kit.check(results.length > 0, 'no calls');
    }
  },
  async stream() {
    for (const model of [openai('gpt-5'), anthropic('claude-sonnet-4-5')]) {
      const text = [];
      for await (const t of streamText({ model, prompt: kit.QUESTION }).textStream) text.push(t);
      kit.say(text);
    }
  },
  cut: () => kit.cut(async (got) => {
    let error;
    const s = streamText({ model: openai.chat('sample-cut'), prompt: kit.QUESTION, onError: (e) => { error = e.error; } });
    for await (const t of s.textStream) got.push(t);
    if (error) throw error;
  }),
  async retry() {
    kit.say((await generateText({ model: openai.chat('sample-429-once'), prompt: kit.QUESTION })).text);
  },
  fanout: () => kit.fanout(async (q) => (await generateText({ model: openai.chat('gpt-5'), prompt: q })).text),
});
