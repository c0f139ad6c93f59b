"""httpx: HTTP/1.1 and, for the fan-out, HTTP/2."""

import asyncio

import httpx
import kit
import plain

client = httpx.Client(timeout=60, follow_redirects=True)


def post(path, body, headers):
    r = client.post(plain.BASE + path, content=body, headers={**plain.HEADERS, **headers})
    return r.status_code, r.headers, r.content


def lines(path, body):
    with client.stream("POST", plain.BASE + path, content=body, headers=plain.HEADERS) as r:
        yield from r.iter_lines()


def fanout():
    async def all():
        async with httpx.AsyncClient(timeout=60, http2=True) as c:
            ask = [c.post(plain.BASE + plain.CHAT, content=plain.question(f"Question {i}"), headers=plain.HEADERS) for i in range(kit.WAYS)]
            return await asyncio.gather(*ask)

    for i, r in enumerate(asyncio.run(all())):
        kit.say(i, r.http_version, r.text)


kit.main(
    tools=lambda: plain.tools(post), stream=lambda: plain.stream(lines), cut=lambda: plain.cut(lines), retry=lambda: plain.retry(post),
    fanout=fanout, coded=lambda: plain.coded(post), redirected=lambda: plain.redirected(post),
)
