#!/usr/bin/env bash
# Measures coo and prints the figures of docs/performance.md. Loopback only;
# some two minutes. Arguments are sections (see main.go); none means all but
# peers, which installs other tools into .cache/peers, in the versions that the
# requirements beside this file name, and takes some ten minutes more.
# Stores are made below $TMPDIR, which should be on a real disk.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/.cache/peers
for section in "$@"; do
	[ "$section" = peers ] || continue
	for name in mitmproxy vcrpy; do
		list=bench/requirements-$name.txt
		cmp -s "$list" "$tools/$name.txt" && continue
		rm -rf "${tools:?}/$name"
		python3 -m venv "$tools/$name"
		"$tools/$name/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$list"
		cp "$list" "$tools/$name.txt"
	done
done
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$bin/coo" ./cmd/coo
(cd bench && CGO_ENABLED=0 go build -trimpath -o "$bin/bench" .)
"$bin/bench" -coo "$bin/coo" -tools "$tools" -source bench "$@"
