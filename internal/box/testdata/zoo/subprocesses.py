# Subprocesses: pids, pipes in both directions, limits of time, a pipeline.
import subprocess
import sys

p = subprocess.Popen([sys.executable, "-c", "import os; print(os.getpid(), os.getppid(), os.urandom(4).hex())"], stdout=subprocess.PIPE)
print(p.pid, p.communicate()[0])
both = subprocess.run(["sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; done; cat"], input="x" * 100_000, capture_output=True, text=True)
print(len(both.stdout), both.stderr)
try:
    subprocess.run(["sleep", "100"], timeout=0.1)
except subprocess.TimeoutExpired as e:
    print(e)
print(subprocess.getoutput("seq 1000 | sort -R | head -5 | tr '\\n' ' '"))
children = [subprocess.Popen(["sh", "-c", f"exit {n}"]) for n in range(5)]
print([(c.pid, c.wait()) for c in children])
