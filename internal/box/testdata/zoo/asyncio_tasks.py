# Tasks, time, an executor and streams of asyncio.
import asyncio
import random
import time


async def task(n):
    await asyncio.sleep(random.random() / 50)
    return n


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
    writer.close()


async def ask(port, n):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"client {n}\n".encode())
    answer = await reader.readline()
    writer.close()
    return answer, writer.get_extra_info("sockname")


async def main():
    for done in asyncio.as_completed([task(n) for n in range(20)]):
        print(await done, end=" ")
    print()
    try:
        await asyncio.wait_for(asyncio.sleep(60), 0.02)
    except TimeoutError:
        print("too late")
    loop = asyncio.get_running_loop()
    print(loop.time(), await asyncio.gather(*[loop.run_in_executor(None, time.thread_time) for _ in range(4)]))
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for done in asyncio.as_completed([ask(port, n) for n in range(6)]):
        print(await done)
    server.close()


asyncio.run(main())
