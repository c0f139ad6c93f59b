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
// had.
var confined = map[string]func(){
	"docker": func() { confine(dockerlike.Profile{}) },
	"masked": maskProc,
	"runner": func() { confine(dockerlike.Profile{ASLR: true}) },
}

// maskProc hides something of /proc, so that no other can be mounted, and goes
// on as root who may make user namespaces and nothing else.
func maskProc() {
	const script = `mount -t tmpfs x /proc/tty && exec setpriv --bounding-set -sys_admin,-net_admin --inh-caps -all "$@"`
	unshare, err := exec.LookPath("unshare")
	if err == nil {
		err = syscall.Exec(unshare, append([]string{"unshare", "-Urm", "sh", "-c", script, "sh"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func confine(p dockerlike.Profile) {
	fmt.Fprintln(os.Stderr, p.Exec(os.Args[1:]))
	os.Exit(1)
}
