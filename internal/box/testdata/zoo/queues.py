# Queues between threads: who gets what.
import queue
import threading

jobs, results = queue.Queue(maxsize=5), queue.Queue()


def worker(n):
    while (job := jobs.get()) is not None:
        results.put((n, job))
        jobs.task_done()
    jobs.task_done()


threads = [threading.Thread(target=worker, args=(n,)) for n in range(4)]
for t in threads:
    t.start()
for job in list(range(60)) + [None] * 4:
    jobs.put(job)
jobs.join()
while not results.empty():
    print(*results.get())
