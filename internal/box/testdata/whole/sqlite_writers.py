# Two processes that write to one SQLite file, in WAL mode, and one that reads.
import os
import sqlite3
import sys
import time


def connect():
    return sqlite3.connect("db", timeout=0.005, isolation_level=None)


def write(who):
    db, busy = connect(), 0
    for n in range(30):
        while True:
            try:
                db.execute("begin immediate")
                break
            except sqlite3.OperationalError:
                busy += 1
                time.sleep(0.001)
        db.execute("insert into t (who, n, r) values (?, ?, random())", (who, n))
        db.execute("commit")
    print(who, "was kept waiting", busy, flush=True)


connect().executescript("pragma journal_mode = wal; create table t (id integer primary key, who, n, r)")
children = []
for who in ("ebb", "flow"):
    pid = os.fork()
    if pid == 0:
        write(who)
        sys.stdout.flush()
        os._exit(0)
    children.append(pid)
db = connect()
for _ in range(5):
    print(db.execute("select count(*), max(who) from t").fetchone(), flush=True)
    time.sleep(0.01)
for pid in children:
    os.waitpid(pid, 0)
for row in db.execute("select * from t"):
    print(*row)
