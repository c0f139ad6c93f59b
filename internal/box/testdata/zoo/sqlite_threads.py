# Threads and one SQLite file: who finds it locked, and what comes out.
import sqlite3
import threading
import time

sqlite3.connect("db").execute("create table t (id integer primary key, who, at default current_timestamp, r default (random()))")
busy = [0] * 4


def work(n):
    db = sqlite3.connect("db", timeout=0.01, isolation_level=None)
    done = 0
    while done < 10:
        try:
            db.execute("insert into t (who) values (?)", (n,))
            done += 1
        except sqlite3.OperationalError:
            busy[n] += 1
            time.sleep(0.001)


threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
for row in sqlite3.connect("db").execute("select * from t"):
    print(*row)
print(busy)
