package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/coo-runtime/coo/internal/dockerlike"
)

// confined are commands of scripts that run another where namespaces are
// forbidden: docker as in Docker's default profile, runner as on a runner of
// GitHub's, masked as in a container where all but those of processes can be
// had; or where there is no IPv6.
var confined = map[string]func(){
	"ipv4":   ipv4,
	"docker": func() { confine(dockerlike.Profile{}) },
	"masked": maskProc,
	"runner": func() { confine(dockerlike.Profile{ASLR: true}) },
}

// maskProc hides something of /proc, so that no other can be mounted, and goes
// on as root who may make user namespaces and nothing else.
func maskProc() {
	apart("-Urm", `mount -t tmpfs x /proc/tty && exec setpriv --bounding-set -sys_admin,-net_admin --inh-caps -all "$@"`)
}

// ipv4 is for a machine that has no address of IPv6, as most containers.
func ipv4() {
	apart("-Urn", `echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && ip link set lo up && exec "$@"`)
}

// apart runs a command by a script, in namespaces of its own.
func apart(namespaces, script string) {
	unshare, err := exec.LookPath("unshare")
	if err == nil {
		err = syscall.Exec(unshare, append([]string{"unshare", namespaces, "sh", "-c", script, "sh"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func confine(p dockerlike.Profile) {
	fmt.Fprintln(os.Stderr, p.Exec(os.Args[1:]))
	os.Exit(1)
}
