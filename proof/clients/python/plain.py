"""An agent over any HTTP library: the loop, without the library.

A library is two functions: post(path, body, headers) gives (status, headers,
bytes), and lines(path, body) gives the lines of a stream as they come.
"""

import json
import os
import time

import kit

BASE = os.environ.get("AGENT_BASE", "https://api.openai.com")
HEADERS = {"content-type": "application/json", "authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
TOOLS = [{"type": "function", "function": {"name": "tide", "parameters": kit.TIDE_SCHEMA}}]
CHAT = "/v1/chat/completions"


def question(text=kit.QUESTION, model="gpt-5", **more):
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **more}).encode()


def tools(post):
    messages = [{"role": "user", "content": kit.QUESTION}]
    calls = 0
    while True:
        _, _, body = post(CHAT, json.dumps({"model": "sample-loop", "messages": messages, "tools": TOOLS}).encode(), {})
        m = json.loads(body)["choices"][0]["message"]
        if not m.get("tool_calls"):
            break
        messages.append(m)
        for c in m["tool_calls"]:
            args = json.loads(c["function"]["arguments"])
            kit.say(c["id"], args)
            messages.append({"role": "tool", "tool_call_id": c["id"], "content": kit.tide(**args)})
            calls += 1
    kit.say(m["content"])
    kit.check(calls > 0, "no calls")


def stream(lines):
    got = [line for line in lines(CHAT, question(stream=True)) if line]
    kit.say(got)
    kit.check(got[-1] == "data: [DONE]", "the stream has no end")


def cut(lines):
    got, error = [], None
    try:
        for line in lines(CHAT, question(model="sample-cut", stream=True)):
            got.append(line)
    except Exception as e:
        error = e
    # Reading lines, http.client takes the end of a connection for the end.
    kit.say(got, kit.trouble(error))
    kit.check(got and "data: [DONE]" not in got, "the stream was not cut")


def retry(post):
    for _ in range(3):
        status, headers, body = post(CHAT, question(model="sample-429-once"), {})
        kit.say(status)
        if status == 200:
            kit.say(json.loads(body)["choices"][0]["message"]["content"])
            return
        time.sleep(int(headers["retry-after-ms"]) / 1000)
    kit.check(False, "no answer")


def coded(post):
    """Asks in each coding that the library undoes itself."""
    for coding in ("gzip", "deflate"):
        _, _, body = post(CHAT, question(f"In {coding}", model="sample-coded"), {"accept-encoding": coding})
        kit.say(coding, json.loads(body)["choices"][0]["message"]["content"])


def redirected(post):
    status, _, body = post(CHAT, question("Elsewhere"), {"x-sample": "redirect; code=308"})
    kit.say(status, json.loads(body)["choices"][0]["message"]["content"])
