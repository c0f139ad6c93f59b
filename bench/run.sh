#!/usr/bin/env bash
# Measures coo and prints the figures of docs/performance.md. Loopback only;
# some two minutes. Arguments are sections (see main.go); none means all.
# Stores are made below $TMPDIR, which should be on a real disk.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$bin/coo" ./cmd/coo
(cd bench && CGO_ENABLED=0 go build -trimpath -o "$bin/bench" .)
"$bin/bench" -coo "$bin/coo" "$@"
