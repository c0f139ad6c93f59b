#!/usr/bin/env python3
"""Verify a pack of coo, with nothing but Python's standard library.

    python3 pack.py PACK.zip [RUN-ID]

The format is docs/format/pack.md. Prints "ok <run id> <n> records, <m> files,
pack <digest>" and exits 0, or names the first damage on stderr and exits 4.
What lineage.json says is checked by its digest only; verify.py checks the run.
"""

import mmap
import os
import re
import struct
import sys
import zlib

from environment import manifest
from tree import MAX_DEPTH, tree
from verify import MAX_INLINE, Damage, Or, Run, canonical, decode, fits, integer, need, sha, sha256, text

FULL, MANY = 0xFFFFFFFF, 0xFFFF
MAX_FILES = 1 << 20
DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9]) *(\.|\Z)", re.I)
NAME = re.compile(r"[A-Za-z0-9 !#$&'()+,\-.;=@\[\]^_{}~%]+\Z")
PLAIN = re.compile(rb"[A-Za-z0-9 !#$&'()+,\-.;=@\[\]^_{}~]")


# The archive: every header is made again and compared.

def common(crc, long):
    return struct.pack("<HHHHHI", 45 if long else 10, 0, 0, 0, 0x21, crc)


def local(name, crc, size):
    long = size >= FULL
    head = struct.pack("<I", 0x04034B50) + common(crc, long) + struct.pack("<II", *[min(size, FULL)] * 2)
    extra = struct.pack("<HHQQ", 1, 16, size, size) if long else b""
    return head + struct.pack("<HH", len(name), len(extra)) + name + extra


def central(name, crc, size, at):
    extra = struct.pack("<QQ", size, size) if size >= FULL else b""
    extra += struct.pack("<Q", at) if at >= FULL else b""
    extra = struct.pack("<HH", 1, len(extra)) + extra if extra else b""
    head = struct.pack("<IH", 0x02014B50, 0x0314) + common(crc, bool(extra)) + struct.pack("<II", *[min(size, FULL)] * 2)
    return head + struct.pack("<HHHHHII", len(name), len(extra), 0, 0, 0, 0x81A40000, min(at, FULL)) + name + extra


def ending(files, size, at):
    out = b""
    if files >= MANY or size >= FULL or at >= FULL:
        out += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 0x0314, 45, 0, 0, files, files, size, at)
        out += struct.pack("<IIQI", 0x07064B50, 0, at + size, 1)
    return out + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, min(files, MANY), min(files, MANY), min(size, FULL), min(at, FULL), 0)


def name_ok(name):
    parts = name.split("/")
    return 0 < len(name) <= 1000 and len(parts) <= 64 and all(
        0 < len(p) <= 255 and NAME.match(p) and p[-1] not in ". " and not DEVICE.match(p) for p in parts)


def unzip(data):
    """The files of an archive in its one form: name to content, in order."""
    need(len(data) >= 22 and data[-22:-18] == b"PK\5\6", "end record: missing, or bytes after it")
    files, size, at = struct.unpack("<HII", data[-12:-2])
    if (files == MANY or size == FULL or at == FULL) and len(data) >= 98:
        files, size, at = struct.unpack("<QQQ", data[-66:-42])
    need(files <= MAX_FILES, "end record: too many files")
    need(at <= len(data) and size <= len(data), "end record: a directory that is not within the archive")
    end = ending(files, size, at)
    need(at + size + len(end) == len(data) and data[-len(end):] == end, "end record: not in its one form")
    out, start, here = {}, at, 0
    last = None
    for _ in range(files):
        head = data[at:at + 46]
        need(len(head) == 46 and head[:4] == b"PK\1\2", "directory: no header where one belongs")
        crc, length = struct.unpack("<I4xI", head[16:28])
        n, extra = struct.unpack("<HH", head[28:32])
        name = data[at + 46:at + 46 + n]
        if extra >= 20:
            length = int.from_bytes(data[at + 50 + n:at + 58 + n], "little")
        want = central(name, crc, length, here)
        shown = name.decode("latin-1")
        need(data[at:at + len(want)] == want, f"{shown}: directory: not in its one form")
        need(name_ok(shown), f"{shown}: no name for a file")
        need(last is None or last < name, f"{shown}: twice, or out of order")
        header = local(name, crc, length)
        need(data[here:here + len(header)] == header, f"{shown}: local header: not what the directory says")
        here += len(header)
        need(here + length <= start, f"{shown}: a size beyond the archive")
        content = data[here:here + length]
        need(zlib.crc32(content) == crc, f"{shown}: content: CRC-32 does not match")
        out[shown] = content
        here, at, last = here + length, at + len(want), name
    need(here == start and at == start + size, "directory: bytes that belong to no file")
    folded = sorted(n.lower().split("/") for n in out)
    for a, b in zip(folded, folded[1:]):
        need(b[:len(a)] != a, f"{'/'.join(b)}: one name with another on some systems")
    return out


# The run, and who names what.

class PackRun(Run):
    """A run whose contents are those of a pack; it notes why each is there."""

    def __init__(self, contents):
        super().__init__(None)
        self.contents, self.names, self.roles, self.rec = contents, set(contents), {}, None
        self.docs, self.rows = [], []

    def read(self, name):
        return self.contents[name]

    def use(self, name, role):
        self.roles.setdefault(name, set()).add(role)

    def record(self, r, n, last):
        self.rec = r
        self.rows.append(r)
        super().record(r, n, last)

    def blob(self, name, what):
        data = super().blob(name, what)
        self.note(name, what, data)
        return data

    def content(self, name, what):
        data = super().blob(name, what)
        self.note(name, what, data)
        return len(data), data[:MAX_INLINE]

    def note(self, name, what, data):
        """Note that the present record names a content, in a member or by way of a document."""
        r = self.rec
        t = r["t"]
        if t == "open":
            for kind, holders in (("mission", r["mission"]["files"]), ("rules", r["rules"])):
                if any(h["sha256"] == name for h in holders):
                    self.use(name, kind)
        elif what in ("req tree content", "req dotenv"):
            self.use(name, "input")
        elif what in ("tree", "before", "after", "req tree"):
            self.use(name, "footprint")
        elif t in ("call", "answer", "tail"):
            role = what.replace("req", "request").replace("ans", "answer")
            self.use(name, role)
            json = role in ("request", "answer") or role == "request body" and self.json_body
            self.docs.append((r["n"] if t == "call" else r["call"], role.replace(" ", "-") + (".json" if json else ""), name))
            self.json_body = role == "request" and data.startswith(b'{"body":{"json":')
        elif t == "exit":
            for kind, names in (("stdout", [r["stdout"]]), ("stderr", [r["stderr"]]), ("write", [w["sha256"] for w in r["writes"]])):
                if name in names:
                    self.use(name, kind)
        elif t == "end":
            self.use(name, "result")
        elif what == "wrote":
            self.use(name, "undone")
        elif what == "freeze":
            self.use(name, "freeze")
        else:
            self.use(name, "output" if t == "seal" else t)

    json_body = False

    def attachment(self, value, member=None):
        if member is None and isinstance(value, dict) and value.get("t") == "environment":
            self.environment(value)
        elif isinstance(value, dict):
            for k in sorted(value):
                self.attachment(value[k], k)
        elif isinstance(value, list):
            for v in value:
                self.attachment(v, member)
        elif sha256(value):
            if member == "tree":
                self.tree(value)
            elif value in self.contents:
                self.use(value, "workspace")

    surroundings = None

    def environment(self, value):
        need(set(value) == {"manifest", "t"} and sha256(value["manifest"]) and not self.surroundings, "attachments.jsonl: a bad environment manifest")
        self.surroundings = value["manifest"]
        need(self.surroundings in self.contents, f"attachments.jsonl: the environment manifest {self.surroundings} is missing")
        self.use(self.surroundings, "environment")
        try:
            manifest(self.contents[self.surroundings])
        except Damage as e:
            raise Damage(f"environment.jsonl: {e}") from None

    def tree(self, name, depth=0):
        need(depth <= MAX_DEPTH, "attachments.jsonl: a tree that is too deep")
        need(name in self.contents, f"attachments.jsonl: tree {name} is missing")
        self.use(name, "workspace")
        try:
            entries = tree(self.contents[name])
        except Damage as e:
            raise Damage(f"tree {name}: {e}") from None
        for e in entries:
            if e["type"] == "dir":
                self.tree(e["sha256"], depth + 1)
            elif e["type"] == "file":
                need(e["sha256"] in self.contents, f"{e['name']}: content {e['sha256']} is missing")
                self.use(e["sha256"], "workspace")


def plain(path):
    """A recorded path as a path of every system, None where it cannot be one."""
    parts = []
    for part in path.split("/"):
        b, out = part.encode(), ""
        for i, c in enumerate(b):
            keep = PLAIN.match(b[i:i + 1]) and not (i == 0 and DEVICE.match(part)) and not (i == len(b) - 1 and c in b". ")
            out += chr(c) if keep else f"%{c:02X}"
        if not 0 < len(out) <= 200:
            return None
        parts.append(out)
    return "/".join(parts)


def places(run):
    """Where each content belongs: path to digest."""
    out, files, dirs, placed = {}, set(), set(), set()

    def put(directory, path, name):
        p = plain(path)
        full = f"{directory}/{p}"
        if p is None or len(full) > 900 or not name_ok(full):
            return
        parts = full.lower().split("/")
        parents = {"/".join(parts[:i]) for i in range(1, len(parts))}
        if "/".join(parts) in files | dirs or parents & files:
            return
        files.add("/".join(parts))
        dirs.update(parents)
        out[full] = name
        placed.add(name)

    def once(path, name):
        if name not in placed:
            out[path] = name
            placed.add(name)

    seal = run.rows[-1]
    for f in run.rows[0]["mission"]["files"]:
        put("mission", f["path"], f["sha256"])
    for f in seal["outputs"]:
        if f["sha256"]:
            put("outputs", f["path"], f["sha256"])
    for r in run.rows:
        if r["t"] == "input" and r["kind"] == "file" and r["sha256"]:
            put("inputs", r["name"], r["sha256"])
    once("freeze/manifest.json", seal["freeze"])
    if run.surroundings:
        once("environment.jsonl", run.surroundings)
    for n, what, name in run.docs:
        once(f"freeze/{n:04d}-{what}", name)
    for name in run.roles:
        once(f"blobs/{name}", name)
    return out


def chained(data):
    """The values of attachments.jsonl, and the digest of its last line."""
    lines, prev, values = data.split(b"\n"), "0" * 64, []
    need(lines.pop() == b"" and lines, "attachments.jsonl: it does not end with a newline")
    for n, line in enumerate(lines):
        v = decode(line)
        need(fits(v, {"n": integer, "prev": sha256, "v": lambda _: True}) and v["n"] == n and v["prev"] == prev,
             f"attachments.jsonl: line {n}: does not follow from the line before")
        values.append(v["v"])
        prev = sha(line)
    return values, prev


def rollbacks(rows):
    out = ""
    for r in rows:
        if r["t"] == "rollback":
            step = rows[r["step"]]
            out += canonical({"kind": step["kind"], "name": step["name"], **{k: r[k] for k in ("n", "step", "tree", "undone", "why")}}) + "\n"
    return out.encode()


MANIFEST = {"format": text, "run": sha256, "attachments": Or(sha256),
            "files": [{"path": text, "roles": [text], "sha256": sha256, "size": integer}]}
TEXTS = {"README.txt": "readme", "attachments.jsonl": "attachments", "flight.jsonl": "flight",
         "lineage.json": "lineage", "replay.txt": "replay", "rollbacks.jsonl": "rollbacks"}


def verify(data, want=None):
    """Check a pack; return what there is to say of it."""
    files = unzip(data)
    for name in ("manifest.json", "flight.jsonl", "rollbacks.jsonl"):
        need(name in files, f"{name}: missing")
    manifest = files.pop("manifest.json")
    try:
        need(manifest.endswith(b"\n"), "it does not end with a newline")
        m = decode(manifest[:-1])
        need(fits(m, MANIFEST) and m["format"] == "coo.pack/0", "not a manifest of coo.pack/0")
    except Damage as e:
        raise Damage(f"manifest.json: {e}") from None
    need([f["path"] for f in m["files"]] == list(files), "manifest.json: its list is not that of the archive")
    told = {f["path"]: f for f in m["files"]}
    contents = {}
    for name, f in told.items():
        need(f["size"] == len(files[name]) and f["sha256"] == sha(files[name]), f"{name}: not what the manifest says")
        if name not in TEXTS:
            contents[f["sha256"]] = files[name]
    run = PackRun(contents)
    count = run.lines(files["flight.jsonl"], want)
    need(run.id == m["run"], "flight.jsonl: the manifest names another run")
    head = None
    if "attachments.jsonl" in files:
        values, head = chained(files["attachments.jsonl"])
        for v in values:
            run.attachment(v)
    need(head == m["attachments"], "attachments.jsonl: not what the manifest says")
    need(rollbacks(run.rows) == files["rollbacks.jsonl"], "rollbacks.jsonl: not what follows from the records")
    belongs = {path: (name, sorted(run.roles[name])) for path, name in places(run).items()}
    for path, role in TEXTS.items():
        if path != "attachments.jsonl" or head:
            need(path in told, f"{path}: missing")
            belongs[path] = (told[path]["sha256"], [role])
    for path in sorted(belongs.keys() | told.keys()):
        need(path in told, f"{path}: missing")
        need(path in belongs, f"{path}: belongs elsewhere, or nowhere")
        need(belongs[path] == (told[path]["sha256"], told[path]["roles"]), f"{path}: content or roles are not those the run says")
    return f"ok {run.id} {count} records, {len(files) + 1} files, pack {sha(manifest)}"


def main(args):
    if len(args) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(args[0], "rb") as f:
            empty = os.fstat(f.fileno()).st_size == 0
            data = b"" if empty else mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
            print(verify(data, args[1] if len(args) > 1 else None))
    except (Damage, OSError) as e:
        print(f"damage: {e}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
