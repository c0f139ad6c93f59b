# NumPy in threads: random arrays, products, sums in the order they end.
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np


def task(n):
    rng = np.random.default_rng()
    a, b = rng.random((120, 120)), rng.random((120, 120))
    return n, float((a @ b).sum()), float(np.linalg.norm(np.linalg.inv(a)))


total = np.float32(0)
with ThreadPoolExecutor(4) as pool:
    for done in as_completed([pool.submit(task, n) for n in range(12)]):
        n, s, norm = done.result()
        total = total * np.float32(1.1) + np.float32(s)
        print(n, s, norm)
print(total)
np.save("total.npy", total)
