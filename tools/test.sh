#!/usr/bin/env bash
# Everything that must hold. "small" is what CI runs; "full" repeats the
# proofs at full n. Nothing is skipped silently: what is missing is installed,
# or named, and then this fails.
set -euo pipefail
cd "$(dirname "$0")/.."
n=${1:-small}
mkdir -p .cache
start=$(date +%s)
step() { printf '\n== %s  [%ss]\n' "$*" "$(($(date +%s) - start))"; }

step "tools the tests need"
./tools/deps.sh
# Mostly it waits for registries, so it does that beside the next steps.
./tools/clients.sh >.cache/clients.out 2>&1 &
clients=$!
trap 'kill "$clients" 2>/dev/null || :' EXIT
step "check"
./tools/check.sh
step "demo"
./run_demo.sh
step "clients that the tests use"
wait "$clients" || { cat .cache/clients.out; exit 1; }
trap - EXIT
tail -1 .cache/clients.out
step "tests, with the race detector, at small n (all output in .cache/test.out)"
status=0
COO_PROOF=small go test -race -shuffle=on -timeout 60m -v ./... >.cache/test.out 2>&1 || status=$?
grep -E '^(ok|FAIL|panic|proof:)' .cache/test.out || true
if [ "$status" != 0 ]; then
	grep -E -B40 '^ *--- FAIL' .cache/test.out | tail -200
	exit "$status"
fi
if grep -E '^ *--- SKIP' .cache/test.out; then
	echo "the tests above were skipped: what they need is missing" >&2
	exit 1
fi
if [ "$n" = full ]; then
	# Great numbers tell the detector nothing new, and take it ten times as long.
	for p in $(grep -rlE 'COO_PROOF' --include='*_test.go' cmd internal | xargs -n1 dirname | sort -u); do
		step "$p at full n, without the detector (all output in .cache/full.out)"
		COO_PROOF=full go test -count=1 -timeout 60m -v "./$p" >.cache/full.out 2>&1 ||
			{ grep -E -B40 '^ *--- FAIL|^panic' .cache/full.out | tail -200; exit 1; }
		sed -n 's/^.*_test.go:[0-9]*: \(proof: \)/\1/p; /^ok/p' .cache/full.out
	done
fi
if [ "$n" = full ]; then
	step "snapshots where files can share their blocks"
	./tools/reflinks.sh
	step "files where names are not told apart by case"
	./tools/caseless.sh
fi
step "hungry missions, without the detector, which takes memory of its own"
COO_PROOF=$n go test -count=1 -run TestAbuse ./internal/mission
step "releases: reproducible, installed by pip and by go install"
COO_PROOF=$n go test -C tools -count=1 -v ./release >.cache/release.out 2>&1 || { cat .cache/release.out; exit 1; }
grep -E '^(ok|--- )' .cache/release.out
step "flipped bits of the demo's pack, without the detector"
COO_PROOF=$n go test -count=1 -timeout 60m -v -run "Flip" ./internal/pack | grep -E 'flips|^(ok|FAIL|---)'
step "real clients, recorded and replayed"
COO_PROOF=$n go run ./proof/clients
step "shams: builds that must be caught"
if [ "$n" = full ]; then
	go run -C tools ./shams
else
	go run -C tools ./shams -every 5
fi
step "crashes, failing calls and full disks, on the binary itself"
COO_PROOF=$n go run ./proof/crash
step "crashes of builds without a sync, which must be caught"
if [ "$n" = full ]; then
	go run ./proof/crash -self-test
else
	go run ./proof/crash -self-test -scenario intent
fi
step "a zoo of nondeterminism, whole programs and random agents, at level deterministic (all output in .cache/box.out)"
./tools/box.sh
COO_PROOF=$n go run ./proof/box >.cache/box.out 2>&1 || { cat .cache/box.out; exit 1; }
tail -1 .cache/box.out
step "README.md, word by word, on a fresh machine"
./tools/newcomer.sh >.cache/newcomer.out 2>&1 || { cat .cache/newcomer.out; exit 1; }
tail -1 .cache/newcomer.out
step "the same bytes on other machines and in other surroundings"
./tools/machines.sh
printf '\nall proofs passed (%s) in %ss\n' "$n" "$(($(date +%s) - start))"
