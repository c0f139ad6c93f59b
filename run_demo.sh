#!/usr/bin/env bash
# Builds coo, runs the demo, replays it, verifies it, compares two runs, and
# packs them: the same bytes as the pack that the repository holds.
# Needs Go; nothing else. Writes bin/coo here, and the rest in a directory of
# its own that is removed at the end.
set -euo pipefail
cd "$(dirname "$0")"
say() { printf '\n== %s\n' "$*"; }

say "build bin/coo"
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/coo ./cmd/coo
root=$PWD coo=$PWD/bin/coo
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/a" "$dir/b"

say "run the demo"
cd "$dir/a"
"$coo" run demo | tee "$dir/a.out"

say "replay it from its record, offline"
"$coo" replay @last

say "verify every byte of it"
"$coo" verify @last

say "run it again elsewhere: the same result, the same files, the same run ID"
cd "$dir/b"
TZ=Pacific/Chatham LC_ALL=C GOMAXPROCS=1 "$coo" run demo >"$dir/b.out" 2>"$dir/b.err"
cmp "$dir/a.out" "$dir/b.out"
diff -r "$dir/a/coo-demo" "$dir/b/coo-demo"
first=$(ls "$dir/a/.coo/runs") second=$(ls "$dir/b/.coo/runs")
[ "$first" = "$second" ]
printf 'run %s, twice\n' "$first"

say "pack both: the same file, which anybody can verify and replay"
(cd "$dir/a" && "$coo" pack @last -o demo.zip --yes)
(umask 077 && "$coo" pack @last -o demo.zip --yes >/dev/null 2>&1)
cmp "$dir/a/demo.zip" "$dir/b/demo.zip"
cmp demo.zip "$root/artefacts/demo_pack_v1.zip"
"$coo" verify demo.zip
"$coo" replay demo.zip | tail -1
