# Descriptors that are ready at once, as selectors tell of them.
import os
import selectors
import threading
import time

selector = selectors.DefaultSelector()
pipes = [os.pipe() for _ in range(10)]
for n, (r, _) in enumerate(pipes):
    selector.register(r, selectors.EVENT_READ, n)


def write(start):
    for n in range(10):
        os.write(pipes[(start + n * 3) % 10][1], b"x")
        time.sleep(0.0002)


for start in range(3):
    threading.Thread(target=write, args=(start,)).start()
left = 30
while left:
    ready = [(key.data, len(os.read(key.fd, 10))) for key, _ in selector.select(0.001)]
    left -= sum(n for _, n in ready)
    print(ready)
