"""LangGraph with LangChain's OpenAI model: a graph that calls tools."""

import asyncio
import warnings

import kit

warnings.simplefilter("ignore")  # one of them names a moving target

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent


@tool
def tide(place: str, day: int) -> str:
    """The height of the tide."""
    return kit.tide(place, day)


def agent(model):
    return create_react_agent(ChatOpenAI(model=model), [tide])


def asked(text=kit.QUESTION):
    return {"messages": [("user", text)]}


def tools():
    got = agent("sample-loop").invoke(asked())["messages"]
    for m in got[1:]:
        kit.say(m.type, m.content, getattr(m, "tool_calls", []))
    kit.check(any(m.type == "tool" for m in got), "no calls")


def stream():
    text = [chunk.content for chunk in ChatOpenAI(model="gpt-5", stream_usage=True).stream(kit.QUESTION)]
    kit.say(text)
    got = [m for m, _ in agent("sample-loop").stream(asked("Stream it"), stream_mode="messages")]
    kit.say([m.content for m in got if m.type != "tool"])
    # Tools that are called at once run in threads, and their results come in
    # the order in which the threads end: nothing that a recorder could know.
    kit.say(sorted(m.content for m in got if m.type == "tool"))


def cut():
    text = []
    try:
        for chunk in ChatOpenAI(model="sample-cut").stream(kit.QUESTION):
            text.append(chunk.content)
    except Exception as e:
        kit.say(text, kit.trouble(e))
        return
    kit.check(False, "the stream was not cut")


def retry():
    kit.say(ChatOpenAI(model="sample-429-once", max_retries=2).invoke(kit.QUESTION).content)


def fanout():
    async def all():
        return await agent("gpt-5").abatch([asked(f"Question {i}") for i in range(kit.WAYS)])

    for i, r in enumerate(asyncio.run(all())):
        kit.say(i, [m.content for m in r["messages"]])


kit.main(tools=tools, stream=stream, cut=cut, retry=retry, fanout=fanout)
