# multiprocessing: a pool that counts words, a manager, a shared counter.
import multiprocessing as mp
import os
import random
import time
from collections import Counter


def count(text):
    time.sleep(random.random() / 200)
    return os.getpid(), Counter(text.split())


def add(counter, lock, log, n):
    for _ in range(20):
        with lock:
            counter.value += n
            log.append((n, counter.value))


if __name__ == "__main__":
    texts = [" ".join(random.choices(["ebb", "flow", "tide"], k=50)) for _ in range(40)]
    total = Counter()
    with mp.Pool(4) as pool:
        for pid, words in pool.imap_unordered(count, texts):
            print(pid, dict(words))
            total += words
    with mp.Manager() as manager:
        log = manager.list()
        counter, lock = mp.Value("i", 0), mp.Lock()
        children = [mp.Process(target=add, args=(counter, lock, log, n)) for n in range(4)]
        for c in children:
            c.start()
        for c in children:
            c.join()
        print(counter.value, list(log))
    with open("total", "w") as f:
        print(total, file=f)
