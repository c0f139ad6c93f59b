"""urllib, of Python's own library, and http.client, which takes no proxy from
its environment."""

import http.client
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import kit
import plain


def post(path, body, headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(plain.BASE + path, body, {**plain.HEADERS, **headers}), timeout=60) as r:
            return r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


def lines(path, body):
    with urllib.request.urlopen(urllib.request.Request(plain.BASE + path, body, plain.HEADERS), timeout=60) as r:
        for line in r:
            yield line.decode().rstrip("\n")


def fanout():
    def one(i):
        u = urlsplit(plain.BASE)
        c = http.client.HTTPSConnection(u.netloc, timeout=60)
        c.request("POST", plain.CHAT, plain.question(f"Question {i}"), plain.HEADERS)
        text = c.getresponse().read().decode()
        c.close()
        return text

    with ThreadPoolExecutor(kit.WAYS) as pool:
        for i, text in enumerate(pool.map(one, range(kit.WAYS))):
            kit.say(i, text)


kit.main(
    tools=lambda: plain.tools(post), stream=lambda: plain.stream(lines), cut=lambda: plain.cut(lines), retry=lambda: plain.retry(post), fanout=fanout
)
