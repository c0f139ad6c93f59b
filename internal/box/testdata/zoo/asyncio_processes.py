# Subprocesses of asyncio: which ends first, and how their output comes.
import asyncio


async def child(n):
    p = await asyncio.create_subprocess_exec(
        "sh", "-c", f"echo $$ {n}; sleep 0.0{n * 3 % 5}; echo done", stdout=asyncio.subprocess.PIPE
    )
    chunks = []
    while chunk := await p.stdout.read(100):
        chunks.append(chunk)
    return n, p.pid, await p.wait(), chunks


async def main():
    for done in asyncio.as_completed([child(n) for n in range(6)]):
        print(await done)
    p = await asyncio.create_subprocess_exec("sleep", "100")
    try:
        await asyncio.wait_for(p.wait(), 0.05)
    except TimeoutError:
        p.kill()
        print("killed", await p.wait())


asyncio.run(main())
