# A process pool, timers, signals, sets of objects and asyncio in one program.
import asyncio, concurrent.futures as cf, random, time, os, uuid, hashlib, tempfile, subprocess, select, signal
def work(i):
    time.sleep(random.random()/50); return os.getpid(), i, uuid.uuid4().hex
if __name__ == "__main__":
    with cf.ProcessPoolExecutor(4) as p:
        for f in cf.as_completed([p.submit(work, i) for i in range(12)]): print(f.result())
    signal.signal(signal.SIGALRM, lambda *a: print("alarm", time.monotonic())); signal.setitimer(signal.ITIMER_REAL, 0.05)
    print(select.select([], [], [], 0.2)); print({object() for _ in range(4)}, hash("x"), tempfile.mkdtemp())
    async def a(i):
        await asyncio.sleep(random.random()/10); return i
    async def main():
        print([await x for x in asyncio.as_completed([a(i) for i in range(10)])])
    asyncio.run(main())
