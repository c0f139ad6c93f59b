# Every clock of Python.
import datetime
import resource
import time

for name in ("time", "time_ns", "monotonic", "perf_counter", "process_time", "thread_time"):
    print(name, getattr(time, name)())
print(datetime.datetime.now(datetime.timezone.utc), time.gmtime())
begin = time.monotonic()
time.sleep(0.05)
print("slept", time.monotonic() - begin)
print(resource.getrusage(resource.RUSAGE_SELF))
