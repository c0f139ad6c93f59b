#!/usr/bin/env bash
# The tests of snapshots on an xfs with reflinks, made in a file and mounted: it
# needs root, a loop device and mkfs.xfs.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'umount "$dir/xfs" 2>/dev/null || true; rm -rf "$dir"' EXIT
truncate -s 600M "$dir/xfs.img"
mkfs.xfs -q -m reflink=1 "$dir/xfs.img"
mkdir "$dir/xfs"
mount -o loop "$dir/xfs.img" "$dir/xfs"
mkdir -m 1777 "$dir/xfs/tmp"
chmod 755 "$dir" "$dir/xfs"
TMPDIR=$dir/xfs/tmp COO_REFLINKS=1 go test -count=1 -v -run 'Clone|Restore|ThereAndBack|Model' ./internal/snapshot >"$dir/out" 2>&1 ||
	{ cat "$dir/out"; exit 1; }
sed -n 's/^.*_test.go:[0-9]*: \(proof: \)/\1/p; /^ok/p' "$dir/out"
