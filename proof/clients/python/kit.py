"""What the agents share: scenarios by name, and a summary that depends on
nothing but the answers.

    python openai_agent.py [--bare] [SCENARIO ...]

Without names, all scenarios of the agent are performed, in their order. With
--bare the agent first takes everything out of its environment that would lead
it to a proxy or to a certificate. A scenario that does not come out as it
should raises, and the status is 1.
"""

import json
import os
import sys

TIDE_SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}, "day": {"type": "integer"}}, "required": ["place", "day"]}
QUESTION = "How high is the tide today?"
WAYS = 8  # of a fan-out

GUIDES = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY", "WS_PROXY", "WSS_PROXY", "GRPC_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "HTTPLIB2_CA_CERTS",
    "NODE_EXTRA_CA_CERTS", "NODE_USE_ENV_PROXY", "NODE_USE_SYSTEM_CA", "NODE_OPTIONS", "PIP_CERT", "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "NIX_SSL_CERT_FILE", "CODEX_CA_CERTIFICATE", "DENO_CERT", "CARGO_HTTP_CAINFO",
)


def bare():
    for name in list(os.environ):
        if name.upper() in GUIDES:
            del os.environ[name]


if "--bare" in sys.argv:
    bare()


def tide(place, day):
    """The tool that all agents have. It is a function of its arguments."""
    return f"{(len(place) * 37 + day * 11) % 90 / 10} m at {place}"


def say(*parts):
    """Prints one line; what is no text is written as JSON with sorted keys."""
    print(*(p if isinstance(p, str) else json.dumps(p, sort_keys=True, ensure_ascii=False, default=str) for p in parts), flush=True)


def trouble(error):
    """The name of an error, with those that it comes from: their texts hold
    addresses of objects and of connections now and then."""
    names = []
    while error is not None and len(names) < 8:
        names.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    return " < ".join(names)


def check(ok, what):
    if not ok:
        raise SystemExit(f"{sys.argv[0]}: {what}")


def main(**scenarios):
    names = [a for a in sys.argv[1:] if not a.startswith("--")] or list(scenarios)
    for name in names:
        print("==", name, flush=True)
        scenarios[name]()
    print("== end", flush=True)
