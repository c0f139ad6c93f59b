"""boto3: Amazon Bedrock, signed requests, AWS event streams."""

import os
from concurrent.futures import ThreadPoolExecutor

import boto3
import kit
from botocore.config import Config

client = boto3.client(
    "bedrock-runtime",
    region_name="us-east-1",
    endpoint_url=os.environ.get("AGENT_BEDROCK"),
    config=Config(retries={"max_attempts": 3}, max_pool_connections=kit.WAYS),
)
TOOLS = {"tools": [{"toolSpec": {"name": "tide", "description": "The height of the tide.", "inputSchema": {"json": kit.TIDE_SCHEMA}}}]}


def user(text=kit.QUESTION):
    return {"role": "user", "content": [{"text": text}]}


def tools():
    messages = [user()]
    calls = 0
    while True:
        r = client.converse(modelId="sample-loop", messages=messages, toolConfig=TOOLS)
        m = r["output"]["message"]
        messages.append(m)
        uses = [b["toolUse"] for b in m["content"] if "toolUse" in b]
        if not uses:
            break
        results = []
        for u in uses:
            kit.say(u["toolUseId"], u["input"])
            results.append({"toolResult": {"toolUseId": u["toolUseId"], "content": [{"text": kit.tide(**u["input"])}]}})
        messages.append({"role": "user", "content": results})
        calls += len(uses)
    kit.say(m["content"], r["usage"])
    kit.check(calls > 0 and r["stopReason"] == "end_turn", "no calls")


def stream():
    events = list(client.converse_stream(modelId="amazon.nova-lite-v1:0", messages=[user()])["stream"])
    kit.say(events)
    kit.check("metadata" in events[-1], "the stream has no end")
    body = kit.json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 500, "messages": [{"role": "user", "content": kit.QUESTION}]})
    for e in client.invoke_model_with_response_stream(modelId="anthropic.claude-sonnet-4-5", body=body)["body"]:
        kit.say(kit.json.loads(e["chunk"]["bytes"]))
    kit.say(kit.json.loads(client.invoke_model(modelId="anthropic.claude-sonnet-4-5", body=body)["body"].read()))


def cut():
    got = []
    try:
        for e in client.converse_stream(modelId="sample-cut", messages=[user()])["stream"]:
            got.append(e)
    except Exception as e:
        kit.say(got, kit.trouble(e))
        return
    # botocore takes the end of a connection for the end of a stream, when the
    # lengths of HTTP say nothing else: the missing end is what tells.
    kit.say(got, "no error")
    kit.check("metadata" not in got[-1], "the stream was not cut")


def overloaded():
    try:
        list(client.converse_stream(modelId="sample-overloaded", messages=[user()])["stream"])
    except Exception as e:
        kit.say(type(e).__name__, str(e))
        return
    kit.check(False, "no error in the stream")


def retry():
    r = client.converse(modelId="sample-429-once", messages=[user()])
    kit.check(r["ResponseMetadata"]["RetryAttempts"] == 1, f"{r['ResponseMetadata']['RetryAttempts']} retries")
    kit.say(r["output"]["message"]["content"])


def fanout():
    def one(i):
        return client.converse(modelId="amazon.nova-lite-v1:0", messages=[user(f"Question {i}")])["output"]["message"]["content"]

    with ThreadPoolExecutor(kit.WAYS) as pool:
        for i, content in enumerate(pool.map(one, range(kit.WAYS))):
            kit.say(i, content)


kit.main(tools=tools, stream=stream, cut=cut, overloaded=overloaded, retry=retry, fanout=fanout)
