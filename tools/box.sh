#!/usr/bin/env bash
# Installs what proof/box runs beyond what tools/deps.sh does: NumPy, in the version
# that its lock file names, in .cache/box. What is there for it is left as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
from=$PWD/proof/box/requirements.txt
dir=$PWD/.cache/box
sum=$({ cat "$from"; uname -m; python3 -c 'import sys; print(sys.version, sys.base_prefix)'; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$dir/sum" 2>/dev/null)" = "$sum" ]; then
	echo "box: NumPy is here"
	exit 0
fi
rm -rf "$dir"
mkdir -p "$dir"
{
	python3 -m venv "$dir/python"
	"$dir/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: -r "$from"
} >"$dir/log" 2>&1 || {
	tail -20 "$dir/log" >&2
	exit 1
}
echo "$sum" >"$dir/sum"
echo "box: $("$dir/python/bin/python" -c 'import numpy; print("NumPy", numpy.__version__)')"
