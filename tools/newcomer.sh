#!/usr/bin/env bash
# README.md, followed word by word on a fresh machine: a root directory of its
# own with the system's programs, Go, and nothing else; an empty home, a user
# without rights, no network but loopback. What the page clones is this
# working tree, and what Go downloads comes from this machine's module cache.
# Needs root, and namespaces; without them it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "newcomer: only root can make a fresh machine: sudo -E env PATH=\"\$PATH\" $0" >&2
	exit 1
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

# The repository, as it is published: everything here that git would keep.
mkdir -p "$root/srv/coo" "$root/home/newcomer" "$root/etc" "$root/srv/modules" "$root/opt/go"
git ls-files -coz --exclude-standard | while IFS= read -rd '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done |
	tar -c --null -T - | tar -x -C "$root/srv/coo"
(
	cd "$root/srv/coo"
	git init -q -b main
	git add -A
	git -c user.name=x -c user.email=x@example.invalid commit -q -m x
)
# Modules by the protocol of a proxy, which the module cache keeps.
(cd tools && go mod download)
go mod download
modules=$(go env GOMODCACHE)/cache/download
cat >"$root/etc/gitconfig" <<-'EOF'
	[url "file:///srv/coo"]
		insteadOf = https://github.com/coo-runtime/coo
	[safe]
		directory = *
EOF
printf 'root:x:0:0::/:/bin/sh\nnewcomer:x:1000:1000::/home/newcomer:/bin/bash\n' >"$root/etc/passwd"
printf 'root:x:0:\nnewcomer:x:1000:\n' >"$root/etc/group"
chown -R 1000:1000 "$root/home/newcomer"
cp tools/newcomer.py "$root/srv/newcomer.py"

export root modules
goroot=$(go env GOROOT)
export goroot
unshare --mount --uts --ipc --net --pid --fork bash -euc '
	mount --make-rprivate /
	hostname fresh
	ip link set lo up
	for d in usr bin sbin lib lib32 lib64 etc/alternatives; do
		if [ -L "/$d" ]; then
			ln -s "$(readlink "/$d")" "$root/$d"
		elif [ -d "/$d" ]; then
			mkdir -p "$root/$d"
			mount --rbind -o ro "/$d" "$root/$d"
		fi
	done
	mount --bind -o ro "$goroot" "$root/opt/go"
	mount --bind -o ro "$modules" "$root/srv/modules"
	mkdir "$root/proc" "$root/dev" "$root/tmp"
	mount -t proc proc "$root/proc"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	for d in null zero full random urandom; do
		touch "$root/dev/$d"
		mount --bind "/dev/$d" "$root/dev/$d"
	done
	cd /
	exec chroot "$root" /usr/bin/setpriv --reuid=1000 --regid=1000 --clear-groups /usr/bin/env -i \
		HOME=/home/newcomer USER=newcomer LANG=C.UTF-8 PATH=/opt/go/bin:/usr/bin:/bin \
		GOPROXY=file:///srv/modules GOSUMDB=off GOTOOLCHAIN=local \
		/usr/bin/python3 /srv/newcomer.py /srv/coo/README.md
'
