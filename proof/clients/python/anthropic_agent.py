"""The Anthropic SDK: tools, thoughts that come back, and streams with pings."""

import asyncio

import anthropic
import kit

client = anthropic.Anthropic()
TOOLS = [{"name": "tide", "description": "The height of the tide.", "input_schema": kit.TIDE_SCHEMA}]
USER = {"role": "user", "content": kit.QUESTION}


def tools():
    messages = [USER]
    calls = 0
    while True:
        r = client.messages.create(
            model="sample-loop", max_tokens=4000, messages=messages, tools=TOOLS, thinking={"type": "enabled", "budget_tokens": 1024}
        )
        # A thought goes back with its signature, which the server checks.
        messages.append({"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in r.content]})
        results = []
        for b in r.content:
            if b.type == "tool_use":
                kit.say(b.id, b.name, b.input)
                results.append({"type": "tool_result", "tool_use_id": b.id, "content": kit.tide(**b.input)})
        if not results:
            break
        calls += len(results)
        messages.append({"role": "user", "content": results})
    kit.say([b.model_dump(exclude_none=True) for b in r.content])
    kit.check(calls > 0 and r.stop_reason == "end_turn", "no calls")


def stream():
    with client.messages.stream(
        model="claude-sonnet-4-5", max_tokens=4000, messages=[USER], tools=TOOLS, thinking={"type": "enabled", "budget_tokens": 1024}
    ) as s:
        kinds = [e.type for e in s]
        final = s.get_final_message()
    kit.say(kinds)
    kit.say(final.id, [b.model_dump(exclude_none=True) for b in final.content])


def cut():
    text = []
    try:
        with client.messages.stream(model="sample-cut", max_tokens=1000, messages=[USER]) as s:
            text += s.text_stream
    except Exception as e:
        kit.say(kit.trouble(e))
        return
    kit.check(False, "the stream was not cut")


def overloaded():
    try:
        with client.messages.stream(model="sample-overloaded", max_tokens=1000, messages=[USER]) as s:
            for _ in s:
                pass
    except anthropic.APIStatusError as e:
        kit.say(type(e).__name__, e.body)
        return
    kit.check(False, "no error in the stream")


def retry():
    r = client.messages.with_raw_response.create(model="sample-429-once", max_tokens=1000, messages=[USER])
    kit.check(r.retries_taken == 1, f"{r.retries_taken} retries")
    kit.say(r.headers["request-id"], r.parse().content[0].text)


def fanout():
    async def one(c, i):
        r = await c.messages.create(model="claude-sonnet-4-5", max_tokens=500, messages=[{"role": "user", "content": f"Question {i}"}])
        return r.content[0].text

    async def all():
        async with anthropic.AsyncAnthropic() as c:
            return await asyncio.gather(*(one(c, i) for i in range(kit.WAYS)))

    for i, text in enumerate(asyncio.run(all())):
        kit.say(i, text)


kit.main(tools=tools, stream=stream, cut=cut, overloaded=overloaded, retry=retry, fanout=fanout)
