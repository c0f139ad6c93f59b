# Waiting with limits: queues, events, conditions, locks, timers.
import queue
import threading
import time

begin = time.monotonic()


def told(what):
    print(f"{time.monotonic() - begin:.9f} {what}")


try:
    queue.Queue().get(timeout=0.3)
except queue.Empty:
    told("queue")
told(threading.Event().wait(0.02))
lock = threading.Lock()
lock.acquire()
told(lock.acquire(timeout=0.03))
condition = threading.Condition()
with condition:
    told(condition.wait(0.01))
done = threading.Event()
for n in range(5):
    threading.Timer(0.05 - n / 100, told, (f"timer {n}",)).start()
threading.Timer(0.06, done.set).start()
told(done.wait(10))
