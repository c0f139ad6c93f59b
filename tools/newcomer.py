"""Follows README.md word by word, as somebody would who reads it from the top.

    python3 newcomer.py README.md

Every line of an "sh" block and every "$ " line of a "console" block is typed
into one shell, in the order of the page; a block with a file name is saved
under that name, where the shell is. What a console command prints must be what
the page shows, "…" standing for anything; an sh command must succeed. Exits
with 1 at the first thing that is not so.
"""

import os
import re
import subprocess
import sys

END = "@@end@@"


def blocks(text):
    """Yields (kind, file name, lines) of each fenced block."""
    for m in re.finditer(r"^```([a-z]*) ?(.*)\n((?:.*\n)*?)```$", text, re.M):
        yield m[1], m[2], m[3].splitlines()


class Shell:
    def __init__(self):
        self.p = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def type(self, command):
        """Returns the lines that a command prints, its status last if not 0.
        It does not read what is typed next."""
        self.p.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{END}%d %s\\n' $? \"$PWD\"\n".encode())
        self.p.stdin.flush()
        lines = []
        for line in self.p.stdout:
            line = line.decode().rstrip("\n")
            if line.startswith(END):
                status, self.cwd = line[len(END):].split(" ", 1)
                break
            lines.append(line)
        else:
            sys.exit(f"newcomer: the shell ended at: {command}")
        while lines and not lines[-1]:
            lines.pop()
        return lines + ([f"[exit status {status}]"] if status != "0" else [])


def matches(want, got):
    if not want:
        return not got
    if want[0] == "…":
        return any(matches(want[1:], got[i:]) for i in range(len(got) + 1))
    pattern = ".*".join(map(re.escape, want[0].split("…")))
    return bool(got) and re.fullmatch(pattern, got[0]) is not None and matches(want[1:], got[1:])


def sessions(kind, lines):
    """Yields each command of a block with what it must print (None: anything)."""
    if kind == "sh":
        for line in lines:
            yield line, None
        return
    at = [i for i, line in enumerate(lines) if line.startswith("$ ")] + [len(lines)]
    for i, j in zip(at, at[1:]):
        yield lines[i][2:], lines[i + 1:j]


def main(readme):
    shell, typed = Shell(), 0
    shell.type("cd; set -o pipefail")
    with open(readme, encoding="utf-8") as f:
        text = f.read()
    for kind, name, lines in blocks(text):
        if name:
            with open(os.path.join(shell.cwd, name), "w", encoding="utf-8") as f:
                f.write("\n".join(lines) + "\n")
        if kind not in ("sh", "console"):
            continue
        for command, want in sessions(kind, lines):
            got, typed = shell.type(command), typed + 1
            print("$", command, flush=True)
            failed = got and got[-1].startswith("[exit status ")
            if failed if want is None else not matches(want, got):
                print("\n".join(got))
                if want is not None:
                    print("--- README.md says\n" + "\n".join(want))
                return f"newcomer: README.md does not work as written: {command}"
    if typed < 20:
        return f"newcomer: README.md has only {typed} commands"
    print(f"{typed} commands of README.md did what it says, from a clone on")
    return None


sys.exit(main(*sys.argv[1:]))
