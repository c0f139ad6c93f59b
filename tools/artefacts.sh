#!/usr/bin/env bash
# Makes artefacts/demo_pack_v1.zip, examples/demo_v1/ and
# docs/demo-transcript.txt from nothing. A pack is for others to read, so it is
# made on an explicit yes only.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" != 1 ]; then
	echo "this replaces what strangers are given to check: say yes with make artefacts YES=1" >&2
	exit 1
fi
go test -count=1 ./cmd/coo -run '^TestArtefacts$' -write-artefacts
git status --short artefacts examples/demo_v1 docs/demo-transcript.txt
