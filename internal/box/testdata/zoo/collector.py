# The garbage collector: when objects in cycles die, and what memory it sees.
import gc
import os
import tracemalloc
import weakref

died = []


class Node:
    def __init__(self, n):
        self.n, self.me = n, self
        weakref.finalize(self, died.append, n)


tracemalloc.start()
for n in range(3000):
    Node(n)
print(len(died), gc.get_count(), gc.get_stats())
print(tracemalloc.get_traced_memory(), open("/proc/self/statm").read(), os.times())
print(sorted(map(id, gc.get_objects()[:5])))
