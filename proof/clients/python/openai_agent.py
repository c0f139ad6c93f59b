"""The OpenAI SDK: chat completions, responses, embeddings and files."""

import asyncio
import io

import kit
import openai

client = openai.OpenAI()
TOOLS = [{"type": "function", "function": {"name": "tide", "description": "The height of the tide.", "parameters": kit.TIDE_SCHEMA}}]
FLAT = [{"type": "function", "name": "tide", "description": "The height of the tide.", "parameters": kit.TIDE_SCHEMA}]


def tools():
    messages = [{"role": "user", "content": kit.QUESTION}]
    calls = 0
    while True:
        m = client.chat.completions.create(model="sample-loop", messages=messages, tools=TOOLS).choices[0].message
        if not m.tool_calls:
            break
        messages.append(m)
        for c in m.tool_calls:
            args = kit.json.loads(c.function.arguments)
            kit.say(c.id, c.function.name, args)
            messages.append({"role": "tool", "tool_call_id": c.id, "content": kit.tide(**args)})
            calls += 1
    kit.say(m.content)
    kit.check(calls > 0, "no calls")


def responses():
    items = [{"role": "user", "content": kit.QUESTION}]
    for _ in range(20):
        r = client.responses.create(model="sample-loop", input=items, tools=FLAT)
        calls = [o for o in r.output if o.type == "function_call"]
        if not calls:
            break
        for c in calls:
            items.append(c.model_dump(exclude_none=True))
            args = kit.json.loads(c.arguments)
            kit.say(c.call_id, c.name, args)
            items.append({"type": "function_call_output", "call_id": c.call_id, "output": kit.tide(**args)})
    kit.say(r.id, r.output_text)
    with client.responses.stream(model="gpt-5", input=kit.QUESTION) as s:
        deltas = [e.delta for e in s if e.type == "response.output_text.delta"]
        kit.check("".join(deltas) == s.get_final_response().output_text, "the stream is not its sum")
    kit.say(deltas)


def stream():
    text = []
    with client.chat.completions.create(
        model="gpt-5", messages=[{"role": "user", "content": kit.QUESTION}], stream=True, stream_options={"include_usage": True}
    ) as s:
        for chunk in s:
            text += [c.delta.content for c in chunk.choices if c.delta.content]
            usage = chunk.usage
    kit.say(text)
    kit.check(usage.completion_tokens == len(text), "the count is not that of the pieces")


def cut():
    text = []
    try:
        for chunk in client.chat.completions.create(model="sample-cut", messages=[{"role": "user", "content": kit.QUESTION}], stream=True):
            text += [c.delta.content for c in chunk.choices if c.delta.content]
    except Exception as e:
        kit.say(text, kit.trouble(e))
        return
    kit.check(False, "the stream was not cut")


def retry():
    r = client.chat.completions.with_raw_response.create(model="sample-429-once", messages=[{"role": "user", "content": kit.QUESTION}])
    kit.check(r.retries_taken == 1, f"{r.retries_taken} retries")
    kit.say(r.headers["x-request-id"], r.parse().choices[0].message.content)


def fanout():
    async def one(c, i):
        r = await c.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": f"Question {i}"}])
        return r.choices[0].message.content

    async def all():
        async with openai.AsyncOpenAI() as c:
            return await asyncio.gather(*(one(c, i) for i in range(kit.WAYS)))

    for i, text in enumerate(asyncio.run(all())):
        kit.say(i, text)


def embed():
    r = client.embeddings.create(model="text-embedding-3-small", input=["high", "low"], dimensions=8)
    kit.say([[round(f, 6) for f in d.embedding] for d in r.data])


def upload():
    f = client.files.create(file=("notes.txt", io.BytesIO(b"high tide at noon\r\n")), purpose="assistants")
    kit.say(f.id, f.filename, f.bytes)
    kit.say([m.id for m in client.models.list()])


kit.main(tools=tools, responses=responses, stream=stream, cut=cut, retry=retry, fanout=fanout, embed=embed, upload=upload)
