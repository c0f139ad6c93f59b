//go:build linux

// Docker runs a command under a filter of system calls like that of Docker's
// default profile, on a machine that has no Docker:
//
//	go run ./proof/docker [-aslr] -- CMD ARG…
//
// Namespaces and mounts are forbidden, and, without -aslr, fixed addresses.
// With -aslr it is like a runner of GitHub's. The command may be coo, or a
// proof that runs coo.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/coo-runtime/coo/internal/dockerlike"
)

func main() {
	aslr := flag.Bool("aslr", false, "let programs do without random addresses")
	flag.Parse()
	err := fmt.Errorf("give a command")
	if flag.NArg() > 0 {
		err = dockerlike.Profile{ASLR: *aslr}.Exec(flag.Args())
	}
	fmt.Fprintf(os.Stderr, "docker: %v\n", err)
	os.Exit(1)
}
