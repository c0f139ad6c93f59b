#!/usr/bin/env bash
# The same bytes on other machines and in other surroundings: coo run demo, the
# replay of every recording in testdata/recordings/v0, and every mission there
# run again from its recording's answers: on this machine in many surroundings;
# under qemu-user-static on arm64, riscv64 and big-endian s390x; and as
# WebAssembly (wasip1) under wazero. COO_PROOF=full: on ppc64le, too. Prints a
# table of digests, a row for each result: one row, one value, or the exit
# status is 1. What this machine cannot do is named; an architecture that
# cannot be measured is a failure, too.
#
#	tools/machines.sh [CELL…]      all cells, or plain and those
#
# Two cells are measured at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
./tools/deps.sh >/dev/null
tmp=$(mktemp -d)
chmod 755 "$tmp"
shm='' folded=
clean() {
	[ -z "$folded" ] || umount "$folded" || true
	rm -rf "$tmp" ${shm:+"$shm"}
}
trap clean EXIT
host=$(go env GOHOSTARCH)
only=" ${*:+plain }$* "
corpus=$tmp/corpus
cp -r testdata/recordings/v0 "$corpus"
chmod -R a+rX "$corpus"

arches=(s390x riscv64 arm64)
[ "${COO_PROOF:-small}" != full ] || arches+=(ppc64le)
declare -A qemu=([amd64]=x86_64 [arm64]=aarch64 [s390x]=s390x [riscv64]=riscv64 [ppc64le]=ppc64le)
wanted() { [ "$only" = "  " ] || [[ $only == *" $1 "* ]]; }
build() { CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' "$@"; }
build -o "$tmp/coo-$host" ./cmd/coo
for arch in "${arches[@]}"; do
	! wanted "$arch" || GOARCH=$arch build -o "$tmp/coo-$arch" ./cmd/coo
done

wasm() {
	./tools/wasm.sh "$tmp/coo.wasm"
	(cd tools && build -o "$tmp/wazero" github.com/tetratelabs/wazero/cmd/wazero)
	cat >"$tmp/coo-wasm" <<-SH
		#!/bin/sh
		exec $tmp/wazero run -cachedir=$tmp/wazero-cache -mount=/:/ -env-inherit -env "PWD=\$PWD" $tmp/coo.wasm -- "\$@"
	SH
	chmod +x "$tmp/coo-wasm"
}
! wanted wasm || wasm

# measure.sh CORPUS DIR COO…: performs everything in DIR and prints
# "row<TAB>digest".
cat >"$tmp/measure.sh" <<'MEASURE'
set -euo pipefail
corpus=$1 dir=$2
shift 2
row() { printf '%s\t%s\n' "$1" "$(sha256sum | cut -c1-8)"; }
# check STATUS CMD…: the command must exit so.
check() {
	local want=$1 got=0
	shift
	"$@" 2>"$dir/err" || got=$?
	[ "$got" = "$want" ] || { echo "exit $got, want $want: $*" >&2; tail -5 "$dir/err" >&2; return 1; }
}
# fill DIR: the workspace, its files made in the order that ORDER says.
fill() {
	(cd "$corpus/workspace" && find . -type f) | LC_ALL=C sort ${ORDER:-} | while read -r f; do
		mkdir -p "$1/${f%/*}"
		cat "$corpus/workspace/$f" >"$1/$f"
	done
}
files() { (cd "$1" && find . -type f ! -path './.coo/*' | LC_ALL=C sort | xargs -d '\n' -r sha256sum); }
mkdir -p "$dir/demo" "$dir/store/.coo/tmp" "$dir/store/.coo/locks" "$dir/store/.coo/executions"
cp -r "$corpus/store/." "$dir/store/.coo/"
chmod -R u+w "$dir/store"
cd "$dir/demo"
check 0 "$@" run demo >"$dir/out"
row 'demo: stdout' <"$dir/out"
files coo-demo | row 'demo: files'
(cd .coo/runs && echo * && cat ./*/flight.jsonl) | row 'demo: records'
check 0 "$@" replay @last >"$dir/out"
row 'demo: replay' <"$dir/out"
while read -r name id status flags; do
	check 0 "$@" --store "$dir/store" replay "$id" >"$dir/out"
	row "$name: replay" <"$dir/out"
	rm -rf "$dir/work"
	mkdir "$dir/work"
	fill "$dir/work"
	cd "$dir/work"
	# shellcheck disable=SC2046,SC2086 # flags are words, and so are variables
	check "$status" env $(grep -v golden-secret "$corpus/env") "$@" --store "$dir/store" run "$corpus/missions/$name.star" \
		--calls=frozen --from "$id" --json $flags >"$dir/out"
	grep -q "\"run\":\"$id\"" "$dir/out" || { echo "$name: not run $id: $(cut -c1-200 "$dir/out")" >&2; exit 1; }
	files . >>"$dir/out"
	row "$name: run again" <"$dir/out"
done <"$corpus/runs.txt"
MEASURE

labels=()
# cell LABEL CMD…: measures under CMD, in a directory of its own.
cell() {
	local label=$1
	shift
	wanted "$label" || return 0
	labels+=("$label")
	while [ "$(jobs -pr | wc -l)" -ge 2 ]; do wait -n || true; done
	{ "$@" >"$tmp/$label.rows" || : >"$tmp/$label.failed"; } &
}
missing() { echo "machines: not measured here: $*" >&2; }
m=$tmp/measure.sh a=$tmp/coo-$host bare="PATH=$PATH"
cell plain bash "$m" "$corpus" "$tmp/plain" "$a"
! wanted wasm || cell wasm bash "$m" "$corpus" "$tmp/wasm" "$tmp/coo-wasm"
for arch in "${arches[@]}"; do
	q=qemu-${qemu[$arch]}-static
	if ! wanted "$arch" || command -v "$q" >/dev/null; then
		cell "$arch" bash "$m" "$corpus" "$tmp/$arch" "$q" "$tmp/coo-$arch"
	else
		missing "$arch: there is no $q"
		: >"$tmp/incomplete"
	fi
done
cell locale env -i "$bare" HOME=/nonexistent TZ=Pacific/Chatham bash "$m" "$corpus" "$tmp/locale" \
	env LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 LANGUAGE=tr "$a"
cell umask077 env -i "$bare" HOME=/ TZ=America/St_Johns LC_ALL=C GOMAXPROCS=1 bash -c 'umask 077; exec bash "$@"' - "$m" "$corpus" "$tmp/umask077" "$a"
cell umask000 env GOMAXPROCS=2 GOGC=5 TERM=dumb COLUMNS=17 bash -c 'umask 000; exec bash "$@"' - "$m" "$corpus" "$tmp/umask000" "$a"
deep=$tmp/deep/$(printf 'd/%.0s' {1..30})$(printf 'n%.0s' {1..200})/'ü b'
mkdir -p "$deep"
cell deep env ORDER=-r bash "$m" "$corpus" "$deep" "$a"
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ]; then
	shm=$(mktemp -d /dev/shm/coo-machines-XXXXXX)
	cell tmpfs bash "$m" "$corpus" "$shm" "$a"
else
	missing "tmpfs: /dev/shm is none"
fi
if [ "$(id -u)" = 0 ]; then
	mkdir "$tmp/nobody"
	chown nobody "$tmp/nobody"
	cell nobody env HOME=/ setpriv --reuid=nobody --regid=nogroup --clear-groups bash "$m" "$corpus" "$tmp/nobody" "$a"
	# Another host name, process numbers from 1, no network, mounts of its own.
	cell host unshare --uts --ipc --net --mount --pid --fork --mount-proc \
		bash -c 'hostname elsewhere.invalid; exec bash "$@"' - "$m" "$corpus" "$tmp/host" "$a"
	if ! wanted folded; then
		:
	elif [ -e /dev/fuse ]; then # names that are not told apart by case
		folded=$tmp/folded
		mkdir "$tmp/below" "$folded"
		go build -C tools -o "$tmp/foldfs" ./foldfs
		"$tmp/foldfs" "$tmp/below" "$folded" &
		disown
		for _ in $(seq 100); do
			if mountpoint -q "$folded"; then break; fi
			sleep 0.1
		done
		cell folded bash "$m" "$corpus" "$folded/x" "$a"
	else
		missing "names without case: there is no /dev/fuse"
		: >"$tmp/incomplete"
	fi
else
	missing "another user, another host: only root can"
fi
wait
for l in "${labels[@]}"; do
	[ ! -e "$tmp/$l.failed" ] || { echo "machines: $l did not come to its end" >&2; : >"$tmp/incomplete"; }
done

# The table.
line() { printf '%-30s' "$1"; shift; printf ' %-9s' "$@"; echo; }
line result "${labels[@]}"
awk -F '\t' -v labels="${labels[*]}" -v dir="$tmp" '
	BEGIN {
		n = split(labels, label, " ")
		for (i = 1; i <= n; i++) while ((getline <(dir "/" label[i] ".rows")) > 0) value[label[i], $1] = $2
	}
	{
		printf "%-30s", $1
		for (i = 1; i <= n; i++) {
			v = (label[i], $1) in value ? value[label[i], $1] : "missing"
			if (v != $2) { v = v "!"; print $1 >(dir "/differs") }
			printf " %-9s", v
		}
		print ""
	}' "$tmp/plain.rows" | sed 's/ *$//'
rows=$(wc -l <"$tmp/plain.rows")
if [ -e "$tmp/differs" ] || [ -e "$tmp/incomplete" ] || [ "$rows" != $((4 + 2 * $(wc -l <"$corpus/runs.txt"))) ]; then
	echo "machines: the bytes differ, or could not be compared" >&2
	exit 1
fi
echo "$rows results, ${#labels[@]} machines and surroundings: one value a row"
