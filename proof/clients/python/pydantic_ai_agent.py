"""Pydantic AI with its OpenAI model."""

import asyncio

import kit
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel


def agent(model):
    a = Agent(OpenAIChatModel(model))

    @a.tool_plain
    def tide(place: str, day: int) -> str:
        """The height of the tide."""
        return kit.tide(place, day)

    return a


def told(messages):
    """The parts of a conversation, without their times."""
    return [[p.part_kind, str(getattr(p, "content", "")), str(getattr(p, "args", ""))] for m in messages for p in m.parts]


def tools():
    r = agent("sample-loop").run_sync(kit.QUESTION)
    kit.say(told(r.all_messages()))
    kit.check(any(k == "tool-return" for k, *_ in told(r.all_messages())), "no calls")


def stream():
    async def read():
        async with Agent(OpenAIChatModel("gpt-5")).run_stream(kit.QUESTION) as r:
            return [t async for t in r.stream_text(delta=True, debounce_by=None)]

    kit.say(asyncio.run(read()))


def cut():
    async def read(text):
        async with Agent(OpenAIChatModel("sample-cut")).run_stream(kit.QUESTION) as r:
            async for t in r.stream_text(delta=True, debounce_by=None):
                text.append(t)

    text = []
    try:
        asyncio.run(read(text))
    except Exception as e:
        kit.say(text, kit.trouble(e))
        return
    kit.check(False, "the stream was not cut")


def retry():
    kit.say(Agent(OpenAIChatModel("sample-429-once")).run_sync(kit.QUESTION).output)


def fanout():
    async def all():
        return await asyncio.gather(*(agent("gpt-5").run(f"Question {i}") for i in range(kit.WAYS)))

    for i, r in enumerate(asyncio.run(all())):
        kit.say(i, told(r.all_messages()))


kit.main(tools=tools, stream=stream, cut=cut, retry=retry, fanout=fanout)
