#!/usr/bin/env python3
"""Check environment manifests, coo.environment/0, with nothing but Python's standard library.

    python3 environment.py FILE      the vectors in a file of lines: each as it expects

The format is docs/format/environment.md. Prints "ok …" and exits 0, or names
the first damage on stderr and exits 4.
"""

import posixpath
import re
import sys

from verify import Damage, MAX_INT, decode, integer, need, sha, sha256, text

MODE = re.compile(r"[0-7]{4}\Z")
MAX_ENTRIES = 1 << 17
MAX_BYTES = 128 << 20
MAX_PATH = 4096


def told(v):
    return text(v) and 0 < len(v.encode()) <= MAX_PATH and "\0" not in v


def entry(e):
    need(isinstance(e, dict) and told(e.get("path")), "an entry without a path")
    p = e["path"]
    # normpath leaves a second slash at the beginning where it is.
    need(p != "/" and p.startswith("/") and not p.startswith("//") and posixpath.normpath(p) == p,
         "a path that is not absolute, or not in its shortest form")
    if "link" in e:
        need(set(e) == {"link", "path"} and told(e["link"]), "a bad link")
        return
    need(set(e) | {"changed", "package"} == {"changed", "mode", "package", "path", "sha256", "size"}, "members that do not fit")
    need(e.get("changed", True) is True, "changed is true or absent")
    need(text(e["mode"]) and MODE.match(e["mode"]), "a bad mode")
    need(sha256(e["sha256"]), "a bad digest")
    need(integer(e["size"]) and 0 <= e["size"] <= MAX_INT, "a bad size")
    if "package" in e:
        by = e["package"]
        need(isinstance(by, dict) and set(by) == {"name", "system", "version"} and all(map(told, by.values())), "a bad package")


def manifest(data):
    """The entries of a manifest."""
    need(len(data) <= MAX_BYTES, "too long")
    lines = data.split(b"\n")
    need(lines.pop() == b"" and lines, "it does not end with a newline")
    need(len(lines) <= MAX_ENTRIES + 1, "too many entries")
    head = decode(lines[0])
    need(isinstance(head, dict) and set(head) == {"format", "omitted"}, "not a manifest")
    need(head["format"] == "coo.environment/0", "not a manifest of this format")
    need(integer(head["omitted"]) and head["omitted"] >= 0, "a bad number of omitted files")
    entries = [decode(line) for line in lines[1:]]
    for e in entries:
        entry(e)
    paths = [e["path"].encode() for e in entries]
    need(all(a < b for a, b in zip(paths, paths[1:])), "paths out of order")
    return entries


def vectors(file):
    n = 0
    with open(file, "rb") as f:
        for line in f:
            v = decode(line.rstrip(b"\n"))
            data = v["manifest"].encode()
            need(sha(data) == v["sha256"], "%s: another digest" % v["what"])
            try:
                manifest(data)
                ok = True
            except Damage:
                ok = False
            need(ok == (v["expect"] == "ok"), "%s: want %s" % (v["what"], v["expect"]))
            n += 1
    return "ok %d vectors" % n


def main(args):
    if len(args) != 1:
        sys.exit(__doc__)
    try:
        print(vectors(args[0]))
    except Damage as e:
        print("environment.py: %s" % e, file=sys.stderr)
        sys.exit(4)


if __name__ == "__main__":
    main(sys.argv[1:])
