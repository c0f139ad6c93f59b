"""The client of bench/peers.go in Python: short calls, one after the other,
and slow streams, by requests, alone or with vcrpy."""

import contextlib
import json
import re
import sys
import time

import requests
import vcr

base, how, cassette, out = sys.argv[1:5]
calls, streams = int(sys.argv[5]), int(sys.argv[6])


def question(i):
    return '{"messages":[{"content":"question %d","role":"user"}],"model":"m"}' % i


def stream(i):
    return '{"messages":[{"content":"stream %d","role":"user"}],"model":"m","stream":true}' % i


def traffic():
    took, first = [], []
    session = requests.Session()
    session.trust_env = False
    headers = {"content-type": "application/json"}
    for i in range(calls + 1):
        start = time.perf_counter_ns()
        r = session.post(base + "/v1/chat/completions", question(i), headers=headers)
        r.raise_for_status()
        assert r.content
        if i > 0:
            took.append(time.perf_counter_ns() - start)
    for i in range(streams):
        start = time.perf_counter_ns()
        r = session.post(base + "/slow", stream(i), headers=headers, stream=True)
        r.raise_for_status()
        chunks = r.iter_content(None)
        next(chunks)
        first.append(time.perf_counter_ns() - start)
        for _ in chunks:
            pass
    return took, first


# Bodies decide which answer a question to a model gets, so they are compared.
with contextlib.nullcontext() if how == "bare" else vcr.use_cassette(
    cassette,
    record_mode={"record": "once", "replay": "none"}[how],
    match_on=["method", "scheme", "host", "port", "path", "query", "body"],
):
    took, first = traffic()
memory = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read()).group(1)) << 10
json.dump({"calls": took, "first": first, "memory": memory}, open(out, "w"))
