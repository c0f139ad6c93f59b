"""aiohttp as it comes: it takes no proxy from its environment."""

import asyncio

import aiohttp
import kit
import plain


async def asked(session, path, body, headers):
    async with session.post(plain.BASE + path, data=body, headers={**plain.HEADERS, **headers}) as r:
        return r.status, r.headers, await r.read()


def post(path, body, headers):
    async def one():
        async with aiohttp.ClientSession() as session:
            return await asked(session, path, body, headers)

    return asyncio.run(one())


def lines(path, body):
    """The lines, and then the error that ended them."""
    got = []

    async def read():
        async with aiohttp.ClientSession() as session, session.post(plain.BASE + path, data=body, headers=plain.HEADERS) as r:
            async for line in r.content:
                got.append(line.decode().rstrip("\n"))

    error = None
    try:
        asyncio.run(read())
    except aiohttp.ClientError as e:
        error = e
    yield from got
    if error is not None:
        raise error


def fanout():
    async def all():
        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(*(asked(session, plain.CHAT, plain.question(f"Question {i}"), {}) for i in range(kit.WAYS)))

    for i, (status, _, body) in enumerate(asyncio.run(all())):
        kit.say(i, status, body.decode())


kit.main(
    tools=lambda: plain.tools(post), stream=lambda: plain.stream(lines), cut=lambda: plain.cut(lines), retry=lambda: plain.retry(post),
    fanout=fanout, coded=lambda: plain.coded(post), redirected=lambda: plain.redirected(post),
)
