#!/usr/bin/env python3
"""Verify an exported coo run, or a pack, with nothing but Python's standard library.

    python3 verify.py DIR [RUN-ID]
    python3 verify.py PACK.zip [RUN-ID]

DIR holds flight.jsonl and blobs/<sha256>, each the plain content it is named
by. The format is docs/format/flight.md; that of a pack is docs/format/pack.md,
and pack.py beside this file reads it. Prints "ok <run id> <n> records, <m>
blobs" and exits 0, or names the first damage on stderr and exits 4.
"""

import hashlib
import json
import os
import re
import sys

DIGEST = re.compile(r"[0-9a-f]{64}\Z")
DOTENV = re.compile(r"([^\\\0]*/)?\.env(\.[^\\\0/]*)?\Z")
MAX_INT = 2**53 - 1
MAX_LINE = 4 << 20
MAX_INLINE = 16 << 10
MAX_BODY = 64 << 20
MAX_STREAM = 8 << 30
# What one record takes: of parts, and of bytes.
FULL = {"data": (256, 1 << 20), "out": (256, 64 << 10)}


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
    "call": {"at?": integer, "kind": text, "req": sha256},
    "answer": {"call": integer, "ans": sha256},
    "head": {"at?": integer, "call": integer, "head": sha256},
    "data": {"at": [integer], "call": integer, "lens": [integer]},
    "tail": {"at?": integer, "call": integer, "how": text, "ans": sha256},
    "out": {"call": integer, "fd": integer, "lens": [integer], "sha256": sha256},
    "exit": {"call": integer, "status": integer, "signal?": given, "stdout": sha256, "stderr": sha256,
             "writes": [{"path": text, "mode": text, "sha256": Or(sha256)}]},
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
ENVELOPE = {"b?": given, "n": integer, "p?": lambda v: integer(v) and v != 0, "prev": sha256, "t": text}

PAIR = lambda v: isinstance(v, list) and len(v) == 2 and all(map(text, v))
REQUEST = {"body": Or(lambda v: fits(v, {"json": sha256}) or fits(v, {"bytes": sha256})),
           "headers": [PAIR], "kind": text, "method": text, "url": text}
EXEC = {"argv": [text], "dotenv?": [lambda v: PAIR(v) and DOTENV.match(v[0]) is not None and sha256(v[1])], "env": [PAIR], "kind": text, "stdin": Or(sha256), "tree": sha256}
TREE = [{"mode": text, "path": text, "sha256": Or(sha256)}]
HEAD = {"headers": [PAIR], "status": lambda v: integer(v) and 100 <= v <= 999}
# The ways a call can go wrong, and whether a part of an answer may have come before.
FAILURES = {"timeout": True, "refused": False, "unresolved": False, "reset": True, "tls": False,
            "cut": True, "limit": True, "encoding": True, "client": True}
ANSWER = {"error": Or(text), "headers": [PAIR], "size": integer, "status": integer,
          "text?": text, "body?": sha256, "lens?": [integer], "trailers": [PAIR]}


def merkle(leaves):
    """The root of RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return hashlib.sha256(b"".join(b"\0" + x for x in leaves)).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle(leaves[:k]) + merkle(leaves[k:])).digest()


def utf8(data):
    try:
        return data.decode() is not None
    except UnicodeDecodeError:
        return False


def increasing(names):
    names = [n.encode() for n in names]
    return all(a < b for a, b in zip(names, names[1:]))


class Run:
    def __init__(self, root):
        self.root, self.named = root, set()
        self.calls, self.open, self.execs = {}, {}, {}
        self.due = None  # a program's call whose head or tail comes next
        self.now = {}  # the latest time inside, by program
        self.starts = False  # the start of a program's clock comes next
        self.unfilled = None  # what the record before had room for

    def content(self, name, what):
        """Check a blob of any length; return its size and first 16 KiB."""
        need(name in self.names, f"{what}: blob {name} is missing")
        h, size, start = hashlib.sha256(), 0, b""
        with open(os.path.join(self.root, "blobs", name), "rb") as f:
            while data := f.read(1 << 20):
                h.update(data)
                start = start or data[:MAX_INLINE]
                size += len(data)
        need(h.hexdigest() == name, f"{what}: blob {name} has other content")
        self.named.add(name)
        return size, start

    def blob(self, name, what):
        need(name in self.names, f"{what}: blob {name} is missing")
        data = self.read(name)
        need(sha(data) == name, f"{what}: blob {name} has other content")
        self.named.add(name)
        return data

    def read(self, name):
        with open(os.path.join(self.root, "blobs", name), "rb") as f:
            return f.read()

    def request(self, name):
        doc = decode(self.blob(name, "req"))
        need(fits(doc, REQUEST), "req: not a request document")
        for body in (doc["body"] or {}).values():
            self.content(body, "req body")

    def start(self, name):
        doc = decode(self.blob(name, "req"))
        need(fits(doc, EXEC) and doc["kind"] == "exec", "req: not the start of a program")
        need(doc["argv"] and doc["argv"][0] and "\0" not in "".join(doc["argv"]), "req: no program is named")
        names = [name for name, _ in doc["env"]]
        need(increasing(names) and all(n and "=" not in n for n in names), "req: environment")
        need(not any("\0" in v for pair in doc["env"] for v in pair), "req: environment")
        files = doc.get("dotenv", [])
        need(files or "dotenv" not in doc, "req: dotenv")
        need(increasing([path for path, _ in files]) and not any(set(p.split("/")) & {"", ".", ".."} for p, _ in files), "req: dotenv")
        for _, content in files:
            self.content(content, "req dotenv")
        if doc["stdin"] is not None:
            self.content(doc["stdin"], "req stdin")
        tree = decode(self.blob(doc["tree"], "req tree"))
        need(fits(tree, TREE) and increasing([e["path"] for e in tree]), "req tree: not the footprint of a workspace")
        for e in tree:
            if e["sha256"] is not None:
                self.content(e["sha256"], "req tree content")

    def answer(self, name, program=False):
        """Check an answer document and return it."""
        doc = decode(self.blob(name, "ans"))
        error = doc.get("error") if isinstance(doc, dict) else ""
        need(error is None or text(error) and error in FAILURES, "ans: not an answer document")
        need(program or error != "client", "ans: no program that could leave")
        if set(doc) == {"error"} and error:
            return doc
        need(fits(doc, ANSWER) and ("text" in doc) != ("body" in doc), "ans: not an answer document")
        need(FAILURES[error] if error else True, "ans: this failure comes before a status")
        if "body" in doc:
            size, start = self.content(doc["body"], "ans body")
            need(size > MAX_INLINE or not utf8(start), "ans: a body that should be inline")
        else:
            size = len(doc["text"].encode())
            need(size <= MAX_INLINE, "ans: a text that should be named")
        lens = doc.get("lens", [doc["size"]] if doc["size"] else [])
        need(all(n > 0 for n in lens) and size == doc["size"] == sum(lens), "ans: size is not that of the body")
        need(size <= (MAX_STREAM if program else MAX_BODY), "ans: body too long")
        need(not program or ("lens" in doc) == (size > 0), "ans: the chunks of a body, and only those, have lengths")
        return doc

    def ends(self, kind, n):
        need(self.open.get(n) == kind, f"record {n} is not a {kind} that can end")

    def record(self, r, n, last):
        """Check the place of record r and every blob it names."""
        t = r["t"]
        need((t == "open") == (n == 0), "the open record belongs first, and once")
        need(last != "seal" and (t == "seal") == (last == "end"), f"{t} after {last}")
        self.program(r, n)
        if t in ("step", "fork"):
            self.open[n] = t
        elif t == "call" and r["kind"] == "exec":
            need(self.level != "script", "a run of level script starts no program")
            self.execs[n], self.now[n] = 0, 0
            self.starts = self.exact and not (self.alone and self.pinned)
            self.start(r["req"])
        elif t == "call":
            need(r["kind"] == "http", "unknown kind of call")
            self.calls[n] = {"p": r.get("p"), "head": None, "lens": [], "req": r["req"], "ans": None}
            self.request(r["req"])
        elif t == "answer":
            self.waiting(r, False)["ans"] = r["ans"]
            self.answer(r["ans"])
        elif t == "head":
            call = self.waiting(r, True)
            need(call["head"] is None, f"call {r['call']} has a head already")
            need(fits(decode(self.blob(r["head"], "head")), HEAD), "head: not a head document")
            call["head"] = r["head"]
        elif t == "data":
            call = self.waiting(r, True)
            need(call["head"] is not None, f"call {r['call']} has no head")
            need(len(r["at"]) == len(r["lens"]), "data: chunks and times differ in number")
            self.parts(r, (r["call"], None))
            call["lens"] += r["lens"]
        elif t == "tail":
            self.tail(r)
        elif t == "out":
            need(r["call"] in self.execs, f"record {r['call']} is not a program that runs")
            need(r["fd"] in (1, 2), "out: fd")
            self.parts(r, (r["call"], r["fd"]))
        elif t == "exit":
            self.exit(r)
        elif t in ("rollback", "step-end"):
            self.ends("step", r["step"])
            if t == "step-end":
                del self.open[r["step"]]
        elif t == "join":
            self.ends("fork", r["fork"])
            del self.open[r["fork"]]
        elif t == "end":
            need(not self.execs, "end before the exit of a program")
        if t not in FULL:
            self.unfilled = None
        members = r["mission"]["files"] + r["rules"] if t == "open" else r.get("outputs", []) + r.get("undone", [])
        for holder in members if t == "out" else [r, *members]:
            for key in ("sha256", "tree", "wrote", "result", "freeze", "before", "after"):
                if holder.get(key) is not None:
                    self.content(holder[key], key)

    def program(self, r, n):
        """Check what is demanded of the records of programs and between them."""
        t = r["t"]
        if t == "open":
            self.level, self.alone, self.pinned = r["level"], r["mission"]["kind"] == "program", r["clock"] is not None
            self.exact = self.level == "deterministic"
            return
        if t == "seal":
            return
        exec = t == "call" and r["kind"] == "exec"
        need("p" not in r or t == "call" and not exec, "p is a member of a program's calls only")
        need(self.due is None or t in ("head", "tail") and r["call"] == self.due, f"call {self.due} waits for its head or tail")
        self.due = None
        if "p" in r:
            need(r["p"] in self.execs, f"record {r['p']} is not a program that runs")
            self.execs[r["p"]] += 1
            self.due = None if self.exact else n
        need(self.exact or t not in FULL, f"{t} in a run of level {self.level}")
        need(t == "clock" or not self.starts, "the start of the program's clock is missing")
        starts, self.starts = self.starts, False
        self.times(r)
        if self.alone:
            need(exec == (n == 1), "the run of a program begins with its exec call, and has no other")
            need(t in ("call", "head", "data", "tail", "out", "exit", "end") or starts, f"{t} in the run of a program")
            need(t != "call" or exec or "p" in r, "p is missing")

    def times(self, r):
        """Check the times inside, which never go back, of a record of a program."""
        t = r["t"]
        p = r.get("p")
        if t in ("head", "data", "tail") and r["call"] in self.calls:
            p = self.calls[r["call"]]["p"]
        if t == "call" and p is None:
            need("at" not in r, "at is a member of a program's calls")
        if p is None or t not in ("call", "head", "data", "tail"):
            return
        need(("at" in r) == self.exact, "at is there at level deterministic, and nowhere else")
        for at in r["at"] if t == "data" else [r["at"]] if self.exact else []:
            need(at >= self.now[p], f"{t}: at {at}, after {self.now[p]}")
            self.now[p] = at

    def parts(self, r, what):
        """Check the parts of a record that takes no more than it should, and no less."""
        most, size = FULL[r["t"]]
        room = lambda lens: len(lens) < most and sum(lens) < size
        need(r["lens"] and min(r["lens"]) > 0, f"{r['t']}: an empty part, or none")
        need(room(r["lens"][:-1]), f"{r['t']}: more than one record takes")
        need(self.unfilled != what, f"{r['t']}: the record before could have held it")
        self.unfilled = what if room(r["lens"]) else None

    def waiting(self, r, program):
        call = self.calls.get(r["call"])
        need(call and call["ans"] is None, f"record {r['call']} is not a call without an answer")
        need((call["p"] is not None) == program, f"record {r['call']} is a call of another kind")
        return call

    def tail(self, r):
        call = self.waiting(r, True)
        call["ans"] = r["ans"]
        self.execs[call["p"]] -= 1
        doc = self.answer(r["ans"], program=True)
        need(r["how"] == (doc["error"] or "eof"), "how is not what the answer says")
        head = None
        if "status" in doc:
            head = sha(canonical({"headers": doc["headers"], "status": doc["status"]}).encode())
        need(call["head"] == head, "the head is not that of the answer")
        if self.exact and head:
            lens, given = doc.get("lens", []), call["lens"]
            more = len(lens) - len(given)
            need(lens[:len(given)] == given and more in ((0,) if r["how"] == "client" else (0, 1)),
                 "the chunks of the answer are not those delivered, and one more at most")

    def exit(self, r):
        need(self.execs.get(r["call"]) == 0, f"record {r['call']} is not a program that can end")
        del self.execs[r["call"]]
        need(0 <= r["status"] < 1 << 32 and r.get("signal", "SIG").startswith("SIG"), "exit: status or signal")
        need(increasing([w["path"] for w in r["writes"]]), "exit: writes out of order")
        for w in r["writes"]:
            gone = w["sha256"] is None
            need(w["mode"] == "file" or not gone and w["mode"] in ("exec", "link"), "exit: mode")
        for d in [r["stdout"], r["stderr"]] + [w["sha256"] for w in r["writes"]]:
            if d is not None:
                self.content(d, "exit")

    def verify(self, want):
        blobs = os.path.join(self.root, "blobs")
        need(sorted(os.listdir(self.root)) == ["blobs", "flight.jsonl"], "a file is missing or foreign")
        self.names = set(os.listdir(blobs))
        with open(os.path.join(self.root, "flight.jsonl"), "rb") as f:
            data = f.read()
        count = self.lines(data, want)
        need(self.names == self.named, f"blobs: not named by the run: {min(self.names - self.named, default='')}")
        return f"ok {self.id} {count} records, {len(self.named)} blobs"

    def lines(self, data, want):
        """Check the records in data, and return how many there are."""
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
        self.id = prev
        return len(lines)

    def seal(self, s, lines):
        need(s["count"] == len(lines), f"seal: count is {s['count']}, want {len(lines)}")
        need(s["root"] == merkle(lines).hex(), "seal: root is not that of the lines")
        need(all(call["ans"] for call in self.calls.values()), "seal: a call has no answer")
        manifest = canonical([[n, call["req"], call["ans"]] for n, call in self.calls.items()])
        need(s["freeze"] == sha(manifest.encode()), "seal: freeze manifest is not that of the calls")


def main(args):
    if len(args) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    if not os.path.isdir(args[0]):
        import pack

        return pack.main(args)
    try:
        print(Run(args[0]).verify(args[1] if len(args) > 1 else None))
    except (Damage, OSError) as e:
        print(f"damage: {e}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
