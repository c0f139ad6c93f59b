#!/usr/bin/env python3
"""Check a log of rollbacks, with nothing but Python's standard library.

    python3 rollback.py FILE    the vectors in a file of lines: each as it expects
    python3 rollback.py DIR     a log: .coo/rollbacks

The format is docs/format/rollback.md. Prints "ok …" and exits 0, or names the
first damage on stderr and exits 4.
"""

import os
import re
import sys

from verify import Damage, Or, decode, fits, integer, need, sha, sha256, text

ENTRY = {
    "changes": [{"is": text, "path": text, "was": text}], "execution": integer, "from": sha256, "n": integer,
    "prev": sha256, "run": sha256, "target": sha256, "to": text, "undoes": Or(integer), "workspace": text,
}
POINT = re.compile(r"(baseline|final|undo|step (0|[1-9][0-9]{0,15}))\Z")
STATE = re.compile(r"(absent|file [0-7]{4} [0-9a-f]{64}|dir [0-7]{4}|link -> [^\0]+)\Z")


def path_ok(p):
    return all(n not in ("", ".", "..") and "\0" not in n and len(n.encode()) <= 255 for n in p.split("/"))


def changes(list_):
    for c in list_:
        need(path_ok(c["path"]), "no path of a workspace")
        need(STATE.match(c["was"]) and STATE.match(c["is"]) and c["was"] != c["is"], "not two states of a path")
    paths = [c["path"].encode() for c in list_]
    need(all(a < b for a, b in zip(paths, paths[1:])), "paths out of order")


def undoing(e, before):
    n = e["undoes"]
    need(1 <= n <= len(before) and before[n - 1]["undoes"] is None, "nothing to undo")
    need(all(b["undoes"] != n for b in before), "undone already")
    need(e["target"] == before[n - 1]["from"] and e["run"] == before[n - 1]["run"], "not the way back")


def log(entries):
    """Check the contents of entry.json, by the names of their directories."""
    before, prev = [], "0" * 64
    for n in range(1, len(entries) + 1):
        need(str(n) in entries, "entry %d is missing" % n)
        data = entries[str(n)]
        need(data.endswith(b"\n"), "entry %d: its last byte is missing" % n)
        e = decode(data[:-1])
        need(fits(e, ENTRY), "entry %d: not an entry" % n)
        need(e["n"] == n and e["prev"] == prev, "entry %d does not follow from the one before" % n)
        need(e["execution"] >= 1 and POINT.match(e["to"]), "entry %d: of nothing, or to nowhere" % n)
        need(e["workspace"] != "" and "\0" not in e["workspace"], "entry %d: no workspace" % n)
        need((e["to"] == "undo") == (e["undoes"] is not None), "entry %d: undoes, or not" % n)
        changes(e["changes"])
        if e["undoes"] is not None:
            undoing(e, before)
        prev = sha(data[:-1])
        before.append(e)
    return len(before)


def vectors(file):
    n = 0
    with open(file, "rb") as f:
        for line in f:
            v = decode(line.rstrip(b"\n"))
            try:
                log({k: s.encode() for k, s in v["entries"].items()})
                ok = True
            except Damage:
                ok = False
            need(ok == (v["expect"] == "ok"), "%s: want %s" % (v["what"], v["expect"]))
            n += 1
    return "ok %d vectors" % n


def directory(name):
    entries = {}
    for n in os.listdir(name):
        with open(os.path.join(name, n, "entry.json"), "rb") as f:
            entries[n] = f.read()
    return "ok %d entries" % log(entries)


def main(args):
    if len(args) != 1:
        sys.exit(__doc__)
    try:
        print(directory(args[0]) if os.path.isdir(args[0]) else vectors(args[0]))
    except (Damage, OSError) as e:
        print("rollback.py: %s" % e, file=sys.stderr)
        sys.exit(4)


if __name__ == "__main__":
    main(sys.argv[1:])
