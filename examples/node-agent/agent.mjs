// A story that is told as it comes, over Anthropic's SDK, and three opinions of
// it that are asked for at once. It knows nothing of coo.
//
//	node agent.mjs [SUBJECT]
import Anthropic from '@anthropic-ai/sdk';
import { writeFileSync } from 'node:fs';

const client = new Anthropic();
const model = 'claude-sonnet-5-5';
const ask = (content) => ({ model, max_tokens: 300, messages: [{ role: 'user', content }] });

let story = '';
for await (const event of client.messages.stream(ask(`A short story about ${process.argv[2] ?? 'a tide gauge'}.`))) {
  if (event.type === 'content_block_delta') story += event.delta.text;
}
console.log(story);

const readers = ['a child', 'an engineer', 'a critic'];
await Promise.all(readers.map(async (reader) => {
  const { content } = await client.messages.create(ask(`As ${reader}, say what you think of this.\n\n${story}`));
  console.log(`${reader}: ${content[0].text}`);
}));
writeFileSync('story.txt', `${story}\n`);
