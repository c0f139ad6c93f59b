# Threads that compute and contend for the interpreter's lock.
import sys
import threading

sys.setswitchinterval(1e-5)
order = []


def work(n):
    total = 0
    for i in range(100_000):
        total += i % 7
        if i % 5000 == 0:
            order.append(n)


threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("".join(map(str, order)))
