#!/usr/bin/env python3
"""Check objects of coo.tree/0, with nothing but Python's standard library.

    python3 tree.py FILE             the vectors in a file of lines: each as it expects
    python3 tree.py BLOBS DIGEST     a whole tree; BLOBS holds contents named by digest

The format is docs/format/workspace.md. Prints "ok …" and exits 0, or names the
first damage on stderr and exits 4.
"""

import os
import re
import sys

from verify import Damage, MAX_INT, canonical, decode, integer, need, sha, sha256, text

MODE = re.compile(r"[0-7]{4}\Z")
MAX_DEPTH = 250
MEMBERS = {
    "file": {"mode", "name", "sha256", "size", "type"},
    "dir": {"mode", "name", "sha256", "type"},
    "link": {"name", "target", "type"},
}


def name_ok(v):
    return text(v) and v not in ("", ".", "..") and not set(v) & {"/", "\0"} and len(v.encode()) <= 255


def entry(e):
    need(isinstance(e, dict) and text(e.get("type")) and e["type"] in MEMBERS, "an entry of no known type")
    need(set(e) == MEMBERS[e["type"]], "members that do not fit the type")
    need(name_ok(e["name"]), "a name that is none")
    if e["type"] == "link":
        need(text(e["target"]) and 0 < len(e["target"].encode()) <= 4096 and "\0" not in e["target"], "a bad target")
        return
    need(text(e["mode"]) and MODE.match(e["mode"]), "a bad mode")
    need(sha256(e["sha256"]), "a bad digest")
    if e["type"] == "file":
        need(integer(e["size"]) and 0 <= e["size"] <= MAX_INT, "a bad size")


def tree(data):
    """The entries of a directory's object."""
    v = decode(data)
    need(isinstance(v, dict) and set(v) == {"entries", "format"}, "not a tree")
    need(v["format"] == "coo.tree/0" and isinstance(v["entries"], list), "not a tree of this format")
    for e in v["entries"]:
        entry(e)
    names = [e["name"].encode() for e in v["entries"]]
    need(all(a < b for a, b in zip(names, names[1:])), "names out of order")
    return v["entries"]


def walk(blobs, digest, counts, depth=0):
    need(depth <= MAX_DEPTH, "too deep")
    for e in tree(blob(blobs, digest)):
        counts[e["type"]] += 1
        if e["type"] == "dir":
            walk(blobs, e["sha256"], counts, depth + 1)
        elif e["type"] == "file":
            need(len(blob(blobs, e["sha256"])) == e["size"], "%s: another size" % e["sha256"])


def blob(blobs, digest):
    need(sha256(digest), "no digest")
    try:
        with open(os.path.join(blobs, digest), "rb") as f:
            data = f.read()
    except OSError as e:
        raise Damage("%s: missing" % digest) from e
    need(sha(data) == digest, "%s: another content" % digest)
    return data


def vectors(file):
    n = 0
    with open(file, "rb") as f:
        for line in f:
            v = decode(line.rstrip(b"\n"))
            data = v["object"].encode()
            need(sha(data) == v["sha256"], "%s: another digest" % v["what"])
            try:
                ok = canonical({"entries": tree(data), "format": "coo.tree/0"}).encode() == data
            except Damage:
                ok = False
            need(ok == (v["expect"] == "ok"), "%s: want %s" % (v["what"], v["expect"]))
            n += 1
    return "ok %d vectors" % n


def main(args):
    try:
        if len(args) == 1:
            print(vectors(args[0]))
        elif len(args) == 2:
            counts = {"file": 0, "dir": 0, "link": 0}
            walk(args[0], args[1], counts)
            print("ok %s %d files, %d directories, %d links" % (args[1], counts["file"], counts["dir"], counts["link"]))
        else:
            sys.exit(__doc__)
    except Damage as e:
        print("tree.py: %s" % e, file=sys.stderr)
        sys.exit(4)


if __name__ == "__main__":
    main(sys.argv[1:])
