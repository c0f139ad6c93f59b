#!/usr/bin/env bash
# Makes the recordings that are missing: one sealed run of each mission below
# that runs.txt does not list, its calls answered by the sample server. What is
# recorded already is left as it is, and what is not listed goes; --anew makes
# all of it again, which takes a reason in the commit, and is over with version
# 1. Names in workspace/ are those a module zip may hold: letters, no symbols. Afterwards the record
# numbers in tools/shams/shams.txt may have to follow: tools/shams says which.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
tmp=$(mktemp -d)
pids=()
stop() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	rm -rf "$tmp"
}
trap stop EXIT
(cd ../../.. && CGO_ENABLED=0 go build -o "$tmp/" ./cmd/coo ./examples/sampleserver)

# Two certificates, each signed by itself; coo is told to trust one.
for name in trusted untrusted; do
	(mkdir "$tmp/$name" && cd "$tmp/$name" &&
		go run "$(go env GOROOT)/src/crypto/tls/generate_cert.go" --host "tls.coo.invalid" --ca --ecdsa-curve P256 2>/dev/null)
	"$tmp/sampleserver" -ready "$tmp/$name.addr" -tls "$tmp/$name/cert.pem,$tmp/$name/key.pem" >/dev/null &
	pids+=($!)
done
"$tmp/sampleserver" -ready "$tmp/model.addr" >/dev/null &
pids+=($!)
python3 server.py "$tmp/lines.addr" &
pids+=($!)
for name in trusted untrusted model lines; do
	for _ in $(seq 200); do
		[ -s "$tmp/$name.addr" ] && break
		sleep 0.05
	done
done
model=$(cat "$tmp/model.addr") trusted=$(cat "$tmp/trusted.addr")

mkdir "$tmp/store"
touch "$tmp/runs.txt"
if [ "${1:-}" != --anew ]; then
	cp -r store "$tmp/store/.coo"
	rm "$tmp/store/.coo/open/README"
	mkdir "$tmp/store/.coo/locks" "$tmp/store/.coo/tmp" "$tmp/store/.coo/executions"
	cp runs.txt "$tmp/runs.txt"
	for run in "$tmp"/store/.coo/runs/*; do
		grep -q "${run##*/}" runs.txt || rm -r "$run"
	done
fi

# What the missions find in their environment. No byte of the store may hold
# the keys in it: a test searches for them.
set -a
. ./env
set +a
record() {
	local name=$1 want=$2 got=0 id
	shift 2
	! grep -q "^$name " "$tmp/runs.txt" || return 0
	rm -rf "$tmp/workspace"
	cp -r workspace "$tmp/workspace"
	(cd "$tmp/workspace" && "$tmp/coo" --store "$tmp/store" run "$here/missions/$name.star" --json --from none \
		--upstream-ca "$tmp/trusted/cert.pem" \
		--resolve "model.coo.invalid:80:$model" --resolve "away.coo.invalid:80:$model" \
		--resolve "tls.coo.invalid:443:$trusted" --resolve "other.coo.invalid:443:$trusted" \
		--resolve "untrusted.coo.invalid:443:$(cat "$tmp/untrusted.addr")" \
		--resolve "lines.coo.invalid:80:$(cat "$tmp/lines.addr")" \
		--resolve "dead.coo.invalid:80:127.0.0.1:1" "$@") >"$tmp/out" 2>"$tmp/err" || got=$?
	[ "$got" = "$want" ] || { tail -20 "$tmp/err"; echo "$name: exit $got, want $want" >&2; exit 1; }
	grep '^coo: run' "$tmp/err" | sed "s/^coo:/$name:/"
	id=$(grep -oE '"run":"[0-9a-f]{64}"' "$tmp/out" | cut -d'"' -f4)
	echo "$name $id $want $*" | sed 's/ *$//' >>"$tmp/runs.txt"
}
record language 0 --seed 424242 --arg title=Gezeiten/潮 --clock 2026-11-23T09:00:00Z
record files 0
record failing 1
record http 0
record chat 0
record parallel 0 --seed -3
record clock 0
record retry 0
record stream 0
record tls 0
record coded 0
record redirect 0
record secrets 0
record nested 0 --seed 77
record rollback 0
record names 0
record lists 0
record environment 0
record args 0 --arg topic=Ebbe=Flut --arg größe=ß --arg empty= --arg count=007
record seeded 0 --seed 9223372036854775807
record documents 0
record floats 0
record sorting 0
record blobs 0
record history 0
record logs 0
record loads 0
record pinned 0 --clock 1999-12-31T23:59:59.999Z
record tools 0
record limits 0
record everything 0 --seed -9223372036854775808 --arg title=Übersicht/概要
record fails_in_a_branch 1
record fails_at_a_call 1
record fails_on_conflict 1
record fails_while_loading 1
record nothing 0

# What is true of this machine and this hour only is left out: executions and
# what they have attached, locks, and the store's own .gitignore, which says
# "ignore all". runs.txt says which run is which mission's, and how it was
# made: name, ID, exit status, flags.
rm -rf "$tmp/store/.coo/executions" "$tmp/store/.coo/executions.jsonl"
mkdir "$tmp/store/.coo/executions"
"$tmp/coo" --store "$tmp/store" gc >/dev/null 2>&1
rm -rf store
mkdir store
cp -r "$tmp/store/.coo/blobs" "$tmp/store/.coo/runs" "$tmp/store/.coo/format" store/
: >store/executions.jsonl
mkdir store/open
echo 'Git keeps no empty directory, and a store has this one.' >store/open/README
cp "$tmp/runs.txt" runs.txt
