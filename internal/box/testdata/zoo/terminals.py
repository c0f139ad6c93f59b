# Programs at terminals of their own, and how much of what they print is there
# when it is read.
import os
import pty
import select
import signal
import time
import tty

begin = time.monotonic()


def told(what, *rest):
    print(what, *rest, f"{time.monotonic() - begin:.6f}", flush=True)


# A shell, as an agent would drive one.
child, m = pty.fork()
if child == 0:
    os.environ["PS1"] = "$ "
    os.execvp("sh", ["sh", "-i"])
for line in (b"echo one; echo two\n", b"tty\n", b"stty -echo; seq 300 | tail -3\n", b"exit 3\n"):
    os.write(m, line)
    while select.select([m], [], [], 0.05)[0]:
        try:
            b = os.read(m, 1000)
        except OSError:
            break
        told("shell", b)
told("ended", os.waitpid(child, 0)[1] >> 8)
os.close(m)

# Two that print at once to one terminal, and nobody reads until they have ended.
m, t = pty.openpty()
told("name", os.ttyname(t), os.stat(os.ttyname(t)).st_rdev == os.fstat(t).st_rdev)
children = []
for n in range(2):
    child = os.fork()
    if child == 0:
        for i in range(20):
            os.write(t, b"%d says %d\n" % (n, i))
            os.sched_yield()
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
while select.select([m], [], [], 0)[0]:
    told("both", os.read(m, 100))

# What is typed, a line at a time, and then without lines.
for line in (b"a\n", b"bb\nccc\n", b"dd\x7fd\n"):
    os.write(m, line)
told("echoed", os.read(m, 1000))
for _ in range(4):
    told("line", os.read(t, 1000))
tty.setraw(t)
for key in (b"x", b"\x1b[A", b"yz"):
    os.write(m, key)
told("keys", os.read(t, 1000))

# A key that is a signal.
child, m2 = pty.fork()
if child == 0:
    told("child at", os.ttyname(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(7))
    os.write(1, b"ready\n")
    while True:
        time.sleep(0.001)
while b"ready" not in os.read(m2, 1000):
    pass
os.write(m2, b"\x03")
told("interrupted", os.waitpid(child, 0)[1] >> 8)

# Its other end goes.
os.close(m)
try:
    told("after", os.read(t, 10))
except OSError as e:
    told("after", e)
