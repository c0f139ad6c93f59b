package main

import (
	"fmt"
	"os"

	"github.com/coo-runtime/coo/internal/dockerlike"
)

// confined are commands of scripts that run another where namespaces are
// forbidden: docker as in Docker's default profile, runner as on a runner of
// GitHub's.
var confined = map[string]func(){
	"docker": func() { confine(dockerlike.Profile{}) },
	"runner": func() { confine(dockerlike.Profile{ASLR: true}) },
}

func confine(p dockerlike.Profile) {
	fmt.Fprintln(os.Stderr, p.Exec(os.Args[1:]))
	os.Exit(1)
}
