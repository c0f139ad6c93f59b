#!/usr/bin/env bash
# Makes testdata/golden/store anew: one sealed run of each mission, its calls
# answered by the sample server. The runs that are there are replaced: with a
# format that is released, that takes a reason in the commit. Afterwards the
# record numbers in tools/shams/shams.txt may have to follow: tools/shams says
# which.
set -euo pipefail
cd "$(dirname "$0")"
golden=$PWD
tmp=$(mktemp -d)
pids=()
stop() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	rm -rf "$tmp"
}
trap stop EXIT
(cd ../.. && CGO_ENABLED=0 go build -o "$tmp/" ./cmd/coo ./examples/sampleserver)

"$tmp/sampleserver" -ready "$tmp/model" >/dev/null &
pids+=($!)
python3 lines.py "$tmp/lines.part" &
pids+=($!)
for _ in $(seq 200); do
	[ -s "$tmp/model" ] && [ -s "$tmp/lines.part" ] && break
	sleep 0.05
done
model=$(cat "$tmp/model") lines=$(cat "$tmp/lines.part")

# What the missions find in their environment. No byte of the store may hold
# the keys in it: golden_test.go searches for them.
set -a
. ./env
set +a
mkdir "$tmp/store"
record() {
	local name=$1 want=$2 got=0 id
	shift 2
	rm -rf "$tmp/workspace"
	cp -r workspace "$tmp/workspace"
	(cd "$tmp/workspace" && "$tmp/coo" --store "$tmp/store" run "$golden/missions/$name.star" \
		--resolve "model.coo.invalid:80:$model" --resolve "lines.coo.invalid:80:$lines" \
		--resolve "dead.coo.invalid:80:127.0.0.1:1" "$@") >/dev/null 2>"$tmp/err" || got=$?
	[ "$got" = "$want" ] || { cat "$tmp/err"; echo "$name: exit $got, want $want" >&2; exit 1; }
	grep '^coo: run' "$tmp/err" | sed "s/^coo:/$name:/"
	id=$(ls -t "$tmp/store/.coo/runs" | head -1)
	echo "$name $id $want $*" | sed 's/ *$//' >>"$tmp/runs.txt"
}
record language 0 --seed 424242 --arg title=Gezeiten/潮 --clock 2026-11-23T09:00:00Z
record files 0
record failing 1
record http 0
record chat 0
record parallel 0 --seed -3
record clock 0

# What is true of this machine and this hour only is left out: executions and
# their observations, locks, and the store's own .gitignore, which says "ignore
# all". runs.txt says which run is which mission's, and how it was made: name,
# ID, exit status, flags.
rm -rf store
mkdir store
cp -r "$tmp/store/.coo/blobs" "$tmp/store/.coo/runs" "$tmp/store/.coo/format" store/
: >store/executions.jsonl
mkdir store/open
echo 'Git keeps no empty directory, and a store has this one.' >store/open/README
cp "$tmp/runs.txt" runs.txt
