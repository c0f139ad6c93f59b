# Processes of multiprocessing: a pool, a queue, shared values, forked and spawned.
import multiprocessing as mp
import os
import time


def task(n):
    time.sleep(n * 7 % 5 / 1000)
    return n, os.getpid()


def count(value, results, n):
    for _ in range(50):
        value.value += 1
    results.put(n)


if __name__ == "__main__":
    for method in ("fork", "spawn"):
        context = mp.get_context(method)
        with context.Pool(3) as pool:
            print(list(pool.imap_unordered(task, range(12))))
        value, results = context.Value("i", 0, lock=False), context.Queue()
        children = [context.Process(target=count, args=(value, results, n)) for n in range(4)]
        for c in children:
            c.start()
        print([results.get() for _ in children], [c.name for c in children])
        for c in children:
            c.join()
        print(value.value)
