# asyncio: subprocesses that talk in both directions, limits of time, a queue.
import asyncio
import random
import sys

CHILD = "import sys,time,random\nfor l in sys.stdin:\n time.sleep(random.random()/200); print(l.strip()[::-1], flush=True)"


async def worker(n, queue):
    p = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    while not queue.empty():
        word = await queue.get()
        p.stdin.write(f"{word}\n".encode())
        try:
            answer = await asyncio.wait_for(p.stdout.readline(), 5)
        except TimeoutError:
            answer = b"late"
        print(n, p.pid, word, answer.decode().strip())
        await asyncio.sleep(random.random() / 300)
    p.stdin.close()
    print(n, "ended", await p.wait())


async def main():
    queue = asyncio.Queue()
    for i in range(40):
        queue.put_nowait(f"word-{i}-{random.randrange(1000)}")
    await asyncio.gather(*[worker(n, queue) for n in range(4)])


asyncio.run(main())
