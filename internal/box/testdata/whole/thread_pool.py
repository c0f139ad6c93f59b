# CPython's thread pool: two hundred tasks that read, hash, wait and write.
import hashlib
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

lock = threading.Lock()
names = sorted(os.listdir("before"))


def task(n):
    with open(os.path.join("before", names[n % len(names)]), "rb") as f:
        digest = hashlib.sha256(f.read() * (n + 1)).hexdigest()
    time.sleep(random.random() / 500)
    with lock, open("log", "a") as log:
        log.write(f"{n} {digest[:8]} {threading.get_native_id()}\n")
    return n, digest, threading.current_thread().name


with ThreadPoolExecutor(8) as pool:
    for done in as_completed([pool.submit(task, n) for n in range(200)]):
        print(*done.result())
