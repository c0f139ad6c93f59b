# Threads that race: output, a list without a lock, thread numbers.
import threading
import time

seen = []
racy = 0


def work(n):
    global racy
    for i in range(30):
        seen.append(n)
        v = racy
        time.sleep(0 if i % 3 else 0.0001)
        racy = v + 1


threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads:
    t.start()
print([t.ident for t in threads], [t.native_id for t in threads])
for t in threads:
    t.join()
print(seen, racy)
