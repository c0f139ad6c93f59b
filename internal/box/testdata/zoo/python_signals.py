# Signals between processes and timers, as Python handles them.
import os
import signal
import time

begin = time.monotonic()


def told(number, frame):
    print(signal.Signals(number).name, f"{time.monotonic() - begin:.9f}")


for s in (signal.SIGALRM, signal.SIGUSR1, signal.SIGCHLD):
    signal.signal(s, told)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
for _ in range(3):
    signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
child = os.fork()
if child == 0:
    for _ in range(3):
        os.kill(os.getppid(), signal.SIGUSR1)
        time.sleep(0.002)
    os._exit(4)
print(os.waitpid(child, 0)[1])
signal.alarm(1)
print(signal.sigtimedwait({signal.SIGRTMIN}, 0.01), signal.alarm(0))
