"""requests."""

from concurrent.futures import ThreadPoolExecutor

import kit
import plain
import requests

session = requests.Session()


def post(path, body, headers):
    r = session.post(plain.BASE + path, data=body, headers={**plain.HEADERS, **headers}, timeout=60)
    return r.status_code, r.headers, r.content


def lines(path, body):
    with session.post(plain.BASE + path, data=body, headers=plain.HEADERS, stream=True, timeout=60) as r:
        for line in r.iter_lines():
            yield line.decode()


def fanout():
    def one(i):
        return post(plain.CHAT, plain.question(f"Question {i}"), {})[2].decode()

    with ThreadPoolExecutor(kit.WAYS) as pool:
        for i, text in enumerate(pool.map(one, range(kit.WAYS))):
            kit.say(i, text)


def upload():
    r = session.post(
        plain.BASE + "/v1/files",
        headers={"authorization": plain.HEADERS["authorization"]},
        files={"file": ("notes.txt", b"high tide at noon\r\n")},
        data={"purpose": "assistants"},
        timeout=60,
    )
    kit.say(r.json())


kit.main(
    tools=lambda: plain.tools(post), stream=lambda: plain.stream(lines), cut=lambda: plain.cut(lines), retry=lambda: plain.retry(post),
    fanout=fanout, coded=lambda: plain.coded(post), redirected=lambda: plain.redirected(post), upload=upload,
)
