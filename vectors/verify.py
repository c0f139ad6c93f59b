#!/usr/bin/env python3
"""Verify an exported coo run, with nothing but Python's standard library.

    python3 verify.py DIR [RUN-ID]

DIR holds flight.jsonl and blobs/<sha256>, each the plain content it is named
by. The format is docs/format/flight.md. Prints "ok <run id> <n> records, <m>
blobs" and exits 0, or names the first damage on stderr and exits 4.
"""

import hashlib
import json
import os
import re
import sys

DIGEST = re.compile(r"[0-9a-f]{64}\Z")
MAX_INT = 2**53 - 1
MAX_LINE = 4 << 20


class Damage(Exception):
    pass


def need(ok, what):
    if not ok:
        raise Damage(what)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def canonical(v):
    """The RFC 8785 encoding of a value without floating-point numbers."""
    if isinstance(v, dict):
        names = sorted(v, key=lambda k: k.encode("utf-16-be"))
        return "{" + ",".join(canonical(k) + ":" + canonical(v[k]) for k in names) + "}"
    if isinstance(v, list):
        return "[" + ",".join(map(canonical, v)) + "]"
    need(not isinstance(v, float), "a floating-point number")
    need(isinstance(v, (bool, str, type(None))) or abs(v) <= MAX_INT, "an integer out of range")
    return json.dumps(v, ensure_ascii=False)


def decode(data):
    """Decode bytes that must be exactly the canonical encoding of their value."""
    try:
        v = json.loads(data)
        same = canonical(v).encode() == data
    except (ValueError, RecursionError) as e:
        raise Damage("not canonical JSON") from e
    need(same, "not in canonical form")
    return v


# Types of members: a function, [type] for a list of any length, {name: type}
# for an object ("name?": may be absent), or Or(type) for null or that type.
def text(v): return isinstance(v, str)
def integer(v): return isinstance(v, int) and not isinstance(v, bool)
def boolean(v): return isinstance(v, bool)
def sha256(v): return isinstance(v, str) and DIGEST.match(v) is not None
def texts(v): return isinstance(v, dict) and all(map(text, v.values()))
def given(v): return text(v) and v != ""


class Or:
    def __init__(self, kind):
        self.kind = kind


def fits(v, kind):
    if isinstance(kind, Or):
        return v is None or fits(v, kind.kind)
    if isinstance(kind, list):
        return isinstance(v, list) and all(fits(x, kind[0]) for x in v)
    if isinstance(kind, dict):
        known = {k.rstrip("?") for k in kind}
        return isinstance(v, dict) and set(v) <= known and all(
            fits(v[k.rstrip("?")], t) if k.rstrip("?") in v else k.endswith("?") for k, t in kind.items())
    return kind(v)


FILE = {"path": text, "sha256": sha256}
RECORDS = {
    "open": {"format": text, "epoch": integer, "level": text, "limits": text, "args": texts, "seed": text,
             "clock": Or(text), "rules": [{"id": text, "sha256": sha256}],
             "mission": {"kind": text, "main": text, "files": [FILE]}},
    "input": {"kind": text, "name": text, "sha256": Or(sha256)},
    "clock": {"now": text},
    "call": {"kind": text, "req": sha256},
    "answer": {"call": integer, "ans": sha256},
    "write": {"path": text, "mode": text, "sha256": Or(sha256), "size": integer},
    "step": {"name": text, "kind": text, "tree": sha256},
    "rollback": {"step": integer, "tree": sha256, "undone": [{"path": text, "wrote": Or(sha256)}], "why": text},
    "step-end": {"step": integer, "ok": boolean, "error?": given},
    "fork": {"width": integer},
    "branch-end": {"ok": boolean, "error?": given},
    "join": {"fork": integer},
    "log": {"kind": text, "text?": text, "sha256?": sha256},
    "end": {"outcome": text, "status": integer, "result?": sha256, "error?": given,
            "trace?": lambda v: v and fits(v, [{"file": text, "line": integer, "col": integer, "func": text}])},
    "seal": {"count": integer, "root": sha256, "freeze": sha256, "before": sha256, "after": sha256,
             "outputs": [{"path": text, "mode": text, "sha256": Or(sha256)}]},
}
ENVELOPE = {"b?": given, "n": integer, "prev": sha256, "t": text}

PAIR = lambda v: isinstance(v, list) and len(v) == 2 and all(map(text, v))
REQUEST = {"body": Or(lambda v: fits(v, {"json": sha256}) or fits(v, {"bytes": sha256})),
           "headers": [PAIR], "kind": text, "method": text, "url": text}
ANSWER = {"error": Or(text), "headers": [PAIR], "size": integer, "status": integer,
          "text?": text, "body?": sha256, "lens?": [integer], "trailers": [PAIR]}


def merkle(leaves):
    """The root of RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return hashlib.sha256(b"".join(b"\0" + x for x in leaves)).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle(leaves[:k]) + merkle(leaves[k:])).digest()


class Run:
    def __init__(self, root):
        self.root, self.named = root, set()
        self.calls, self.open = {}, {}

    def blob(self, name, what):
        need(name in self.names, f"{what}: blob {name} is missing")
        with open(os.path.join(self.root, "blobs", name), "rb") as f:
            data = f.read()
        need(sha(data) == name, f"{what}: blob {name} has other content")
        self.named.add(name)
        return data

    def request(self, name):
        doc = decode(self.blob(name, "req"))
        need(fits(doc, REQUEST), "req: not a request document")
        for body in (doc["body"] or {}).values():
            self.blob(body, "req body")

    def answer(self, name):
        doc = decode(self.blob(name, "ans"))
        if set(doc) == {"error"} and text(doc["error"]):
            return
        need(fits(doc, ANSWER) and ("text" in doc) != ("body" in doc), "ans: not an answer document")
        body = self.blob(doc["body"], "ans body") if "body" in doc else doc["text"].encode()
        need(len(body) == doc["size"] == sum(doc.get("lens", [doc["size"]])), "ans: size is not that of the body")

    def ends(self, kind, n):
        need(self.open.get(n) == kind, f"record {n} is not a {kind} that can end")

    def record(self, r, n, last):
        """Check the place of record r and every blob it names."""
        t = r["t"]
        need((t == "open") == (n == 0), "the open record belongs first, and once")
        need(last != "seal" and (t == "seal") == (last == "end"), f"{t} after {last}")
        if t in ("step", "fork"):
            self.open[n] = t
        elif t == "call":
            self.calls[n] = [r["req"], None]
            self.request(r["req"])
        elif t == "answer":
            call = self.calls.get(r["call"])
            need(call and call[1] is None, f"record {r['call']} is not a call without an answer")
            call[1] = r["ans"]
            self.answer(r["ans"])
        elif t in ("rollback", "step-end"):
            self.ends("step", r["step"])
            if t == "step-end":
                del self.open[r["step"]]
        elif t == "join":
            self.ends("fork", r["fork"])
            del self.open[r["fork"]]
        members = r["mission"]["files"] + r["rules"] if t == "open" else r.get("outputs", []) + r.get("undone", [])
        for holder in [r, *members]:
            for key in ("sha256", "tree", "wrote", "result", "freeze", "before", "after"):
                if holder.get(key) is not None:
                    self.blob(holder[key], key)

    def verify(self, want):
        blobs = os.path.join(self.root, "blobs")
        need(sorted(os.listdir(self.root)) == ["blobs", "flight.jsonl"], "a file is missing or foreign")
        self.names = set(os.listdir(blobs))
        with open(os.path.join(self.root, "flight.jsonl"), "rb") as f:
            data = f.read()
        lines = data.split(b"\n")
        need(lines.pop() == b"", f"flight.jsonl: record {len(lines)}: the line has no end")
        prev, last, r = "0" * 64, "", {}
        for n, line in enumerate(lines):
            try:
                need(len(line) <= MAX_LINE, "line too long")
                r = decode(line)
                need(isinstance(r, dict) and r.get("t") in RECORDS, "unknown type of record")
                need(fits(r, ENVELOPE | RECORDS[r["t"]]), f"{r['t']}: members are not those of its type")
                need(r["n"] == n, f"its number is {r['n']}")
                need(r["prev"] == prev, f"previous is {r['prev'][:12]}, want {prev[:12]}")
                if r["t"] == "seal":
                    self.seal(r, lines[:n])
                self.record(r, n, last)
            except Damage as e:
                raise Damage(f"flight.jsonl: record {n}: {e}") from None
            prev, last = sha(line), r["t"]
        need(last == "seal", f"flight.jsonl: record {len(lines)}: the run ends without a seal")
        need(want in (None, prev), f"flight.jsonl: record {len(lines) - 1}: the run is {prev}")
        need(self.names == self.named, f"blobs: not named by the run: {min(self.names - self.named, default='')}")
        return f"ok {prev} {len(lines)} records, {len(self.named)} blobs"

    def seal(self, s, lines):
        need(s["count"] == len(lines), f"seal: count is {s['count']}, want {len(lines)}")
        need(s["root"] == merkle(lines).hex(), "seal: root is not that of the lines")
        manifest = canonical([[n, *call] for n, call in self.calls.items()])
        need(all(call[1] for call in self.calls.values()), "seal: a call has no answer")
        need(s["freeze"] == sha(manifest.encode()), "seal: freeze manifest is not that of the calls")


def main(args):
    if len(args) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(Run(args[0]).verify(args[1] if len(args) > 1 else None))
    except (Damage, OSError) as e:
        print(f"damage: {e}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
