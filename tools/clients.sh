#!/usr/bin/env bash
# Installs the clients that proof/clients runs and the examples use, in the
# versions that its lock files name: a Python environment, a directory with
# LiteLLM, and a node_modules with Node itself, in .cache/clients. What is
# there for these lock files is left as it is.
#
# python3 (3.10 or newer, with venv), npm and curl come from the machine, or from
# Debian packages where this may install them.
set -euo pipefail
cd "$(dirname "$0")/.."
from=$PWD/proof/clients
dir=$PWD/.cache/clients
start=$(date +%s)
say() { printf 'clients: %s  [%ss]\n' "$*" "$(($(date +%s) - start))"; }

missing=()
python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || missing+=(python3 python3-venv)
command -v npm >/dev/null || missing+=(nodejs npm)
command -v curl >/dev/null || missing+=(curl)
if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "missing: ${missing[*]}: install these Debian packages, or run as root where apt-get is" >&2
		exit 1
	fi
	say "installing ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
mkdir -p "$dir"

# part NAME FILE… makes a part anew unless it was made from just these files,
# with this Python.
part() {
	local name=$1
	shift
	local sum
	sum=$({ cat tools/clients.sh "$@"; uname -m; python3 -c 'import sys; print(sys.version, sys.base_prefix)'; } | sha256sum | cut -d' ' -f1)
	if [ "$(cat "$dir/$name.sum" 2>/dev/null)" = "$sum" ]; then
		say "$name is here"
		return
	fi
	rm -rf "${dir:?}/$name" "$dir/$name.sum"
	"make_$name" >"$dir/$name.log" 2>&1 || {
		tail -20 "$dir/$name.log" >&2
		echo "clients: $name: not made; all output is in .cache/clients/$name.log" >&2
		exit 1
	}
	echo "$sum" >"$dir/$name.sum"
	say "$name is made"
}
# Every package is named, so pip has nothing to resolve. All of it is compiled, on
# all cores, which pip would not do: what a client compiled while another is recorded at
# level deterministic would be files that change under that one.
install() { "$dir/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --only-binary :all: "$@"; }
compile() { "$dir/python/bin/python" -m compileall -q -j 0 "$@" || :; } # some files are for other Pythons
make_python() {
	python3 -m venv "$dir/python"
	install -r "$from/requirements.txt"
	compile "$dir"/python/lib/python3*/site-packages
}
make_litellm() {
	install --target "$dir/litellm" -r "$from/requirements-litellm.txt"
	compile "$dir/litellm"
}
make_node() {
	mkdir "$dir/node"
	cp "$from/package.json" "$from/package-lock.json" "$dir/node/"
	npm ci --prefix "$dir/node" --ignore-scripts --no-audit --no-fund
}
part node "$from/package.json" "$from/package-lock.json" &
node=$!
trap 'kill "$node" 2>/dev/null || :' EXIT
part python "$from/requirements.txt"
part litellm "$from/requirements-litellm.txt" "$from/requirements.txt"
wait "$node"
trap - EXIT
say "$("$dir/python/bin/python" -V), Node $("$dir/node/node_modules/node24/bin/node" -v), $("$dir/node/node_modules/node20/bin/node" -v), $(curl -V | head -n 1 | cut -d' ' -f1-2)"
