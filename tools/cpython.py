#!/usr/bin/env python3
"""Runs CPython's own tests natively and through coo, and reports which pass
natively and do not inside. It reports only: its status is 0 whatever comes
out.

    tools/cpython.py [--coo FILE] [--level LEVEL] [--only TEXT] [MODULE ...]

Each class of tests runs in a process of its own, so that one that hangs takes
no other with it. The tests are those of the Python that runs this; Debian has
them in libpython3-testsuite.
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

MODULES = ["test_asyncio", "test_threading", "test_subprocess", "test_signal", "test_socket", "test_time"]
LIMIT = 1200  # seconds, of one class


def classes(module):
    """The classes of a module of tests, each with the names of its tests."""
    out = subprocess.run([sys.executable, "-m", "test", "--list-cases", module], capture_output=True, text=True)
    found = collections.defaultdict(list)
    for line in out.stdout.split():
        if line.startswith(("test.", module)) and line.count(".") >= 2:
            name, _, _ = line.rpartition(".")
            found[name].append(line)
    if not found:
        sys.exit(f"{module} has no tests here: {out.stderr.strip()[-500:]}")
    return found


def perform(module, name, prefix):
    """Runs a class; returns what became of each of its tests."""
    with tempfile.TemporaryDirectory() as dir:
        report = os.path.join(dir, "report.xml")
        argv = [sys.executable, "-m", "test", "--junit-xml", report, "--tempdir", dir, "-m", f"{name}.*", module]
        if prefix:
            subprocess.run([prefix[0], "init"], cwd=dir, capture_output=True, check=True)
        p = subprocess.Popen(prefix + argv, cwd=dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            said = p.communicate(timeout=LIMIT)[0].decode(errors="replace").strip().splitlines()
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, 9)
            p.communicate()
            return {}, f"no end after {LIMIT} s"
        try:
            cases = xml.parse(report).iter("testcase")
        except (OSError, xml.ParseError):
            return {}, said[-1] if said else f"status {p.returncode}"
        results = {}
        for case in cases:
            bad = [c for c in case if c.tag in ("failure", "error")]
            skipped = any(c.tag == "skipped" for c in case)
            text = ((bad[0].text or bad[0].get("message") or "").strip().splitlines() or ["?"])[-1] if bad else ""
            results[case.get("name")] = ("bad" if bad else "skipped" if skipped else "good", text)
        return results, "not reported"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coo", default="bin/coo")
    parser.add_argument("--level", default="deterministic")
    parser.add_argument("--only", default="", help="classes that have TEXT in their name")
    parser.add_argument("modules", nargs="*", default=MODULES)
    options = parser.parse_args()
    prefix = [os.path.abspath(options.coo), "run", f"--isolation={options.level}", "--calls=live", "--from=none", "--"]
    lost, total = [], 0
    print(f"{'module':<20} {'tests':>6} {'natively':>9} {'inside too':>11}")
    for module in options.modules:
        tests = natively = both = 0
        for name, ids in sorted(classes(module).items()):
            if options.only not in name:
                continue
            tests += len(ids)
            outside, _ = perform(module, name, [])
            good = [i for i, (result, _) in outside.items() if result == "good"]
            natively += len(good)
            if not good:
                continue
            inside, why = perform(module, name, prefix)
            for i in good:
                result, text = inside.get(i, ("lost", why))
                if result == "good":
                    both += 1
                else:
                    lost.append((i, result, text))
        total += natively
        share = f"{100 * both / natively:.1f} %" if natively else "-"
        print(f"{module:<20} {tests:>6} {natively:>9} {both:>5} {share:>8}", flush=True)
    print(f"\n{len(lost)} of {total} pass natively and not at the level {options.level}:")
    for name, result, text in lost:
        print(f"{name}  {result}: {text[:160]}")


if __name__ == "__main__":
    main()
