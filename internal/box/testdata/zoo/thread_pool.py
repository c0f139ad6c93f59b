# A pool of threads: who takes which task, and which ends first.
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, as_completed, wait
import random


def task(n):
    time.sleep(random.random() / 100)
    return n, threading.current_thread().name


with ThreadPoolExecutor(8) as pool:
    print([f.result() for f in as_completed([pool.submit(task, n) for n in range(30)])])
    done, left = wait([pool.submit(task, n) for n in range(8)], return_when=FIRST_COMPLETED)
    print(len(done), len(left))
    print(list(pool.map(task, range(5))))
