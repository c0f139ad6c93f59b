# A ProcessPoolExecutor, whose answers come through threads and pipes.
import os
import random
import time
from concurrent.futures import ProcessPoolExecutor, as_completed


def task(n):
    time.sleep(random.random() / 100)
    return n, os.getpid()


if __name__ == "__main__":
    with ProcessPoolExecutor(3) as pool:
        print([f.result() for f in as_completed([pool.submit(task, n) for n in range(12)])])
