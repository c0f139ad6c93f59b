"""LiteLLM, over two providers."""

import asyncio

import kit
import litellm

litellm.suppress_debug_info = True
TOOLS = [{"type": "function", "function": {"name": "tide", "description": "The height of the tide.", "parameters": kit.TIDE_SCHEMA}}]
USER = {"role": "user", "content": kit.QUESTION}


def tools():
    for model in ("openai/sample-loop", "anthropic/sample-loop"):
        messages = [USER]
        calls = 0
        while True:
            m = litellm.completion(model=model, messages=messages, tools=TOOLS).choices[0].message
            if not m.tool_calls:
                break
            messages.append(m.model_dump(exclude_none=True))
            for c in m.tool_calls:
                args = kit.json.loads(c.function.arguments)
                kit.say(c.id, c.function.name, args)
                messages.append({"role": "tool", "tool_call_id": c.id, "content": kit.tide(**args)})
                calls += 1
        kit.say(m.content)
        kit.check(calls > 0, "no calls")


def stream():
    kit.say([c.choices[0].delta.content for c in litellm.completion(model="openai/gpt-5", messages=[USER], stream=True)])


def cut():
    text = []
    try:
        for c in litellm.completion(model="openai/sample-cut", messages=[USER], stream=True, num_retries=0):
            text.append(c.choices[0].delta.content)
    except Exception as e:
        kit.say(text, kit.trouble(e))
        return
    kit.check(False, "the stream was not cut")


def retry():
    kit.say(litellm.completion(model="openai/sample-429-once", messages=[USER], max_retries=2).choices[0].message.content)


def fanout():
    async def all():
        return await asyncio.gather(
            *(litellm.acompletion(model="openai/gpt-5", messages=[{"role": "user", "content": f"Question {i}"}]) for i in range(kit.WAYS))
        )

    for i, r in enumerate(asyncio.run(all())):
        kit.say(i, r.choices[0].message.content)


kit.main(tools=tools, stream=stream, cut=cut, retry=retry, fanout=fanout)
