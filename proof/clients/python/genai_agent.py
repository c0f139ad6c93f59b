"""Google's SDK for Gemini."""

import asyncio

import kit
from google import genai
from google.genai import types

client = genai.Client(
    http_options=types.HttpOptions(retry_options=types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.05, jitter=0.01))
)
TOOL = types.Tool(
    function_declarations=[types.FunctionDeclaration(name="tide", description="The height of the tide.", parameters_json_schema=kit.TIDE_SCHEMA)]
)


def tools():
    config = types.GenerateContentConfig(tools=[TOOL])
    contents = [types.Content(role="user", parts=[types.Part(text=kit.QUESTION)])]
    calls = 0
    while True:
        r = client.models.generate_content(model="sample-loop", contents=contents, config=config)
        if not r.function_calls:
            break
        contents.append(r.candidates[0].content)
        parts = []
        for c in r.function_calls:
            kit.say(c.name, c.args)
            parts.append(types.Part.from_function_response(name=c.name, response={"result": kit.tide(**c.args)}))
        contents.append(types.Content(role="user", parts=parts))
        calls += len(parts)
    kit.say(r.response_id, r.text)
    kit.check(calls > 0, "no calls")


def stream():
    kit.say([c.text for c in client.models.generate_content_stream(model="gemini-2.5-flash", contents=kit.QUESTION)])


def cut():
    text = []
    try:
        for c in client.models.generate_content_stream(model="sample-cut", contents=kit.QUESTION):
            text.append(c.text)
    except Exception as e:
        kit.say(text, kit.trouble(e))
        return
    kit.check(False, "the stream was not cut")


def retry():
    kit.say(client.models.generate_content(model="sample-429-once", contents=kit.QUESTION).text)


def fanout():
    async def all():
        ask = client.aio.models.generate_content
        got = await asyncio.gather(*(ask(model="gemini-2.5-flash", contents=f"Question {i}") for i in range(kit.WAYS)))
        await client.aio.aclose()
        return got

    for i, r in enumerate(asyncio.run(all())):
        kit.say(i, r.text)


kit.main(tools=tools, stream=stream, cut=cut, retry=retry, fanout=fanout)
