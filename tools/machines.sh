#!/usr/bin/env bash
# The same bytes on other machines and in other surroundings: coo run demo, the
# replay of every golden run, and every golden mission run again from its
# recording's answers, on amd64 in many surroundings and, under
# qemu-user-static, on arm64 and big-endian s390x (COO_PROOF=full: riscv64 and
# ppc64le too). Prints a table of digests, a row for each result: one row, one
# value, or the exit status is 1.
set -euo pipefail
cd "$(dirname "$0")/.."
./tools/deps.sh >/dev/null
tmp=$(mktemp -d)
chmod 755 "$tmp"
shm=
trap 'rm -rf "$tmp" ${shm:+"$shm"}' EXIT
host=$(go env GOHOSTARCH)
cp -r testdata/recordings/v0 "$tmp/golden"
chmod -R a+rX "$tmp/golden"

arches=(arm64 s390x)
[ "${COO_PROOF:-small}" != full ] || arches+=(riscv64 ppc64le)
declare -A qemu=([amd64]=x86_64 [arm64]=aarch64 [s390x]=s390x [riscv64]=riscv64 [ppc64le]=ppc64le)
for arch in "$host" "${arches[@]}"; do
	CGO_ENABLED=0 GOARCH=$arch go build -trimpath -o "$tmp/coo-$arch" ./cmd/coo
done

# measure.sh DIR COO…: performs everything in DIR and prints "row<TAB>digest".
cat >"$tmp/measure.sh" <<'MEASURE'
set -euo pipefail
golden=$1 dir=$2
shift 2
row() { printf '%s\t%s\n' "$1" "$(sha256sum | cut -c1-12)"; }
# check STATUS CMD…: the command must exit so.
check() {
	local want=$1 got=0
	shift
	"$@" 2>"$dir/err" || got=$?
	[ "$got" = "$want" ] || { echo "exit $got, want $want: $*" >&2; tail -5 "$dir/err" >&2; return 1; }
}
# fill DIR: the workspace, its files made in the order that ORDER says.
fill() {
	(cd "$golden/workspace" && find . -type f) | LC_ALL=C sort ${ORDER:-} | while read -r f; do
		mkdir -p "$1/$(dirname "$f")"
		cat "$golden/workspace/$f" >"$1/$f"
	done
}
mkdir -p "$dir/demo" "$dir/store/.coo/tmp" "$dir/store/.coo/locks" "$dir/store/.coo/executions"
cp -r "$golden/store/." "$dir/store/.coo/"
chmod -R u+w "$dir/store"
cd "$dir/demo"
check 0 "$@" run demo >"$dir/out"
row 'demo: stdout' <"$dir/out"
find coo-demo -type f | LC_ALL=C sort | while read -r f; do echo "$f"; cat "$f"; done | row 'demo: files'
ls .coo/runs | row 'demo: run ID'
check 0 "$@" replay @last >"$dir/out"
row 'demo: replay' <"$dir/out"
while read -r name id status flags; do
	check 0 "$@" --store "$dir/store" replay "$id" >"$dir/out"
	row "$name: replay" <"$dir/out"
	rm -rf "$dir/work"
	mkdir -p "$dir/work"
	fill "$dir/work"
	cd "$dir/work"
	# shellcheck disable=SC2086 # flags are words
	check "$status" env $(grep -v golden-secret "$golden/env") "$@" --store "$dir/store" run "$golden/missions/$name.star" \
		--calls=frozen --from "$id" --json $flags >"$dir/out"
	grep -q "\"run\":\"$id\"" "$dir/out" || { echo "$name: not run $id: $(cut -c1-200 "$dir/out")" >&2; exit 1; }
	row "$name: run again" <"$dir/out"
	find . -type f | LC_ALL=C sort | while read -r f; do echo "$f"; cat "$f"; done | row "$name: files"
done <"$golden/runs.txt"
MEASURE

labels=()
# cell LABEL CMD…: measures under CMD, in a directory of its own.
cell() {
	local label=$1
	shift
	labels+=("$label")
	if ! "$@" >"$tmp/$label.rows"; then
		echo "machines: $label did not come to its end" >&2
		failed=1
	fi
}
failed=0
m=$tmp/measure.sh g=$tmp/golden a=$tmp/coo-$host bare="PATH=$PATH"
cell plain bash "$m" "$g" "$tmp/plain" "$a"
cell locale env -i "$bare" HOME=/nonexistent TZ=Pacific/Chatham LANG=tr_TR.UTF-8 LC_NUMERIC=tr_TR.UTF-8 LC_COLLATE=tr_TR.UTF-8 bash "$m" "$g" "$tmp/locale" "$a"
cell umask077 env -i "$bare" HOME=/ TZ=America/St_Johns LC_ALL=C GOMAXPROCS=1 bash -c 'umask 077; exec bash "$@"' - "$m" "$g" "$tmp/umask077" "$a"
cell umask000 env GOMAXPROCS=2 GOGC=5 bash -c 'umask 000; exec bash "$@"' - "$m" "$g" "$tmp/umask000" "$a"
deep=$tmp/deep/$(printf 'd/%.0s' {1..30})$(printf 'n%.0s' {1..200})/'ü b'
mkdir -p "$deep"
cell order env ORDER=-r bash "$m" "$g" "$deep" "$a"
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ]; then
	shm=$(mktemp -d /dev/shm/coo-machines-XXXXXX)
	cell tmpfs bash "$m" "$g" "$shm" "$a"
else
	echo "machines: not measured: tmpfs: /dev/shm is none" >&2
fi
if [ "$(id -u)" = 0 ]; then
	mkdir "$tmp/nobody"
	chown nobody "$tmp/nobody"
	cell nobody env HOME=/ setpriv --reuid=nobody --regid=nogroup --clear-groups bash "$m" "$g" "$tmp/nobody" "$a"
else
	echo "machines: not measured: another user: only root can" >&2
fi
for arch in "${arches[@]}"; do
	q=qemu-${qemu[$arch]}-static
	if command -v "$q" >/dev/null; then
		cell "$arch" bash "$m" "$g" "$tmp/$arch" "$q" "$tmp/coo-$arch"
	else
		echo "machines: not measured: $arch: there is no $q" >&2
		failed=1
	fi
done

# The table.
line() { printf '%-20s' "$1"; shift; printf ' %-13s' "$@"; echo; }
line result "${labels[@]}"
while IFS=$'\t' read -r row want; do
	cells=()
	for l in "${labels[@]}"; do
		v=$(awk -F '\t' -v r="$row" '$1 == r {print $2}' "$tmp/$l.rows")
		[ "$v" = "$want" ] || { v="${v:-missing}!"; : >"$tmp/differs"; }
		cells+=("$v")
	done
	line "$row" "${cells[@]}"
done <"$tmp/plain.rows"
rows=$(wc -l <"$tmp/plain.rows")
if [ -e "$tmp/differs" ] || [ "$failed" != 0 ] || [ "$rows" -lt 20 ]; then
	echo "machines: the bytes differ, or could not be compared" >&2
	exit 1
fi
echo "$rows results, ${#labels[@]} machines and surroundings: one value a row"
