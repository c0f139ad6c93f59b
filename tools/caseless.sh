#!/usr/bin/env bash
# The tests of files on a file system that does not tell names apart by their case
# or by Unicode's normal forms, served by tools/foldfs: it needs root and /dev/fuse.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'umount "$dir/m" 2>/dev/null || true; rm -rf "$dir"' EXIT
mkdir "$dir/m" "$dir/below"
go build -C tools -o "$dir/foldfs" ./foldfs
for p in internal/workspace internal/snapshot cmd/coo; do
	go test -c -o "$dir/$(basename $p).test" ./$p
done
"$dir/foldfs" "$dir/below" "$dir/m" &
for _ in $(seq 100); do
	if mountpoint -q "$dir/m"; then break; fi
	sleep 0.1
done
mkdir -m 1777 "$dir/m/tmp"
chmod 755 "$dir" "$dir/m"
try() { # package, tests
	(cd "$1" && TMPDIR=$dir/m/tmp COO_CASELESS=1 "$dir/$(basename "$1").test" -test.v -test.timeout 10m -test.run "$2") >"$dir/out" 2>&1 ||
		{ cat "$dir/out"; exit 1; }
	printf 'proof: caseless: %s: %s tests passed\n' "$1" "$(grep -c '^ *--- PASS' "$dir/out")"
}
try internal/workspace 'Names|Dir|TestApply$|TestApplyModel|LooksAgain|RecoverKeeps|RecoverGoesBack|PrepareRefuses|TradePlaces|ThereAndBack|ManyFilesAreSynced'
try internal/snapshot 'Names|TestNameThat|TestRestore|Rollback(Keeps|Refuses|Recovers)|RecoverRestores|TestTake'
try cmd/coo 'TestScripts/(caseless|rollback|restore|unsnapshotted|gc|fsck)$'
