#!/usr/bin/env bash
# Installs what the tests need beyond Go: python3 for the independent
# verifier, curl and openssl as clients of the proxy, strace for the
# durability proof, qemu-user-static for the other architectures, a C compiler
# for the race detector and, with Node, Perl and xz, for the zoo, groff for the man pages,
# mkfs.xfs for a file system with reflinks.
set -euo pipefail
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need python3 python3
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
need strace strace
need qemu-aarch64-static qemu-user-static
need qemu-s390x-static qemu-user-static
need qemu-riscv64-static qemu-user-static
need gcc gcc
echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || missing+=(libc6-dev)
need node nodejs
need curl curl
need openssl openssl
need perl perl
need xz xz-utils
need unshare util-linux
need groff groff-base
need git git
need make make
need ip iproute2
need mkfs.xfs xfsprogs
need setpriv util-linux
need taskset util-linux
need diff diffutils
if [ ${#missing[@]} -eq 0 ]; then
	echo "everything is here"
	exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "missing: ${missing[*]}: install these Debian packages, or run as root where apt-get is" >&2
	exit 1
fi
echo "installing ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
