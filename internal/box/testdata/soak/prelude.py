# What random agents in Python are made of; the threads follow.
import json
import os
import queue
import random
import subprocess
import threading
import time
import urllib.request

locks = [threading.Lock() for _ in range(3)]
queues = [queue.Queue() for _ in range(3)]
events = [threading.Event() for _ in range(3)]
counter = 0


def say(t, what):
    os.write(1, f"{time.monotonic_ns()} {t}: {what}\n".encode())


def compute(t, k):
    n = 0
    for i in range(k * 1000):
        n += i % 7
    say(t, f"computed {n}")


def nap(t, k):
    time.sleep(k / 1e6)


def locked(t, k):
    with locks[k % 3]:
        say(t, f"holds {k % 3}")
        time.sleep(k / 1e6)


def put(t, k):
    queues[k % 3].put((t, k))


def get(t, k):
    try:
        say(t, f"got {queues[k % 3].get(timeout=k / 1e4)}")
    except queue.Empty:
        say(t, "got nothing")


def signal(t, k):
    events[k % 3].set()


def await_(t, k):
    say(t, f"event {events[k % 3].wait(k / 1e4)}")


def dice(t, k):
    say(t, f"rolled {random.random()} {os.urandom(4).hex()}")


def racy(t, k):
    global counter
    v = counter
    time.sleep(0 if k % 2 else 1e-6)
    counter = v + 1
    say(t, f"counted {counter}")


def child(t, k):
    p = subprocess.run(["sh", "-c", f"echo $$; sleep 0.00{k % 10}; exit {k % 4}"], capture_output=True)
    say(t, f"child {p.stdout} {p.returncode}")


def write(t, k):
    with open(f"made-{k % 2}", "a") as f:
        f.write(f"{t} {time.time()}\n")


def ask(t, k):
    body = json.dumps({"model": "sample-small", "stream": k % 2 == 1, "messages": [{"role": "user", "content": f"{t} {k}"}]})
    q = urllib.request.Request("http://MODEL_ADDRESS/v1/chat/completions", body.encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(q) as answer:
        for n, line in enumerate(answer):
            if n % 10 == 0:
                say(t, f"heard {line}")


def run(threads):
    started = [threading.Thread(target=f) for f in threads]
    for s in started:
        s.start()
    for s in started:
        s.join()
    say("main", counter)


