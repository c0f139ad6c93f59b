//go:build linux

// Clients proves, with the SDKs and tools that people really use, that coo
// records a program as it is and replays it without the network.
//
// Each client has an agent beside this file that calls tools in a loop, reads
// a stream, reads a stream that is cut, is sent away with 429 and asks again,
// and asks eight things at once, over https to the provider's host name. The
// sample model server answers at random. The agent is recorded, the server is
// stopped, and then the agent is
//
//   - run with --calls=frozen, which must give the same run;
//   - replayed 3 times, which must come out identical.
//
// This is done in the hardest of three ways: at the level frozen, by an agent
// that removes everything from its own environment that leads to a proxy or to
// a certificate. SDKs and frameworks, of which each process takes seconds, have
// only their 3 replays. Some clients, which stand for all, are tried at level
// deterministic as well, where every system call of a replay must be that of
// the recording.
//
//	go run ./proof/clients                 as above
//	COO_PROOF=full go run ./proof/clients  20 replays, all in every way: also at frozen and
//	                                       proxied with the environment that coo puts there
//	go run ./proof/clients -only openai -v what has the text in its name, with the commands
//	go run ./proof/clients -way boxed      every client at level deterministic
//
// tools/clients.sh installs the clients first. One line is printed for each
// client and way. If one does not come out, what it left behind is kept and
// named, and the status is 1.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "clients: %v\n", err)
		os.Exit(1)
	}
}

// A bench is where clients are tried.
type bench struct {
	coo, agent string // binaries
	root       string // of the repository
	dir        string // of everything temporary
	boxes      string // of what is temporary at level deterministic
	full       bool
	replays    int
	verbose    bool
}

func run() error {
	b := &bench{full: os.Getenv("COO_PROOF") == "full", replays: 3}
	if b.full {
		b.replays = 20
	}
	only := flag.String("only", "", "what has `TEXT` in its name")
	way := flag.String("way", "", "one `WAY`: guided, bare, proxied, or boxed")
	workers := flag.Int("workers", 2*runtime.NumCPU(), "how many clients at once")
	flag.StringVar(&b.coo, "coo", "", "the binary `FILE`; none: it is built")
	flag.IntVar(&b.replays, "replays", b.replays, "how many replays")
	flag.BoolVar(&b.verbose, "v", false, "print each command and what it wrote to stderr")
	flag.Parse()
	var err error
	if b.root, err = os.Getwd(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.root, ".cache", "clients", "node")); err != nil {
		return errors.New("the clients are missing: tools/clients.sh installs them")
	}
	if b.dir, err = scratch(""); err != nil {
		return err
	}
	if b.boxes, err = boxes(); err != nil {
		return err
	}
	if err := b.build(); err != nil {
		return err
	}
	var tries []*try
	for i := range clients {
		ways := clients[i].ways(b.full)
		if *way != "" {
			ways = slices.DeleteFunc(clients[i].ways(true), func(w string) bool { return w != *way })
		}
		for _, w := range ways {
			if strings.Contains(clients[i].name, *only) {
				tries = append(tries, b.try(&clients[i], w))
			}
		}
	}
	if len(tries) == 0 {
		return errors.New("no client has such a name")
	}
	for _, t := range tries {
		if err := t.place(); err != nil {
			return err
		}
	}
	return b.prove(tries, *workers)
}

// scratch makes a directory in another one, or where temporary files are.
func scratch(in string) (string, error) {
	dir, err := os.MkdirTemp(in, "coo-clients-*")
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// boxes makes a directory for what is tried at level deterministic: not where
// temporary files are, for its /tmp is empty, and not in the repository, for
// what git says of that changes.
func boxes() (string, error) {
	caches, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(caches, 0o755); err != nil {
		return "", err
	}
	return scratch(caches)
}

// try is one client in one way.
func (b *bench) try(c *client, way string) *try {
	return &try{
		bench: b, client: c, way: way, replays: b.replays, thorough: b.full || !c.heavy, done: make(chan struct{}),
	}
}

// build makes coo and the Go client.
func (b *bench) build() error {
	for _, p := range []struct {
		binary *string
		pkg    string
	}{{&b.coo, "./cmd/coo"}, {&b.agent, "./proof/clients/goagent"}} {
		if *p.binary != "" {
			abs, err := filepath.Abs(*p.binary)
			if err != nil {
				return err
			}
			*p.binary = abs
			continue
		}
		*p.binary = filepath.Join(b.dir, filepath.Base(p.pkg))
		cmd := exec.Command("go", "build", "-trimpath", "-o", *p.binary, p.pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	return nil
}

// prove performs all tries, some at once, and prints them in order.
func (b *bench) prove(tries []*try, workers int) error {
	begin := time.Now()
	next := make(chan *try)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for t := range next {
				t.err = t.perform()
				close(t.done)
			}
		})
	}
	go func() {
		for _, t := range tries {
			next <- t
		}
		close(next)
	}()
	failed := 0
	for _, t := range tries {
		<-t.done
		if t.err != nil {
			failed++
			fmt.Printf("%-26s %-8s FAILED: %v\n    kept in %s\n", t.client.name, t.way, t.err, t.dir)
			continue
		}
		fmt.Println(t.line())
	}
	group.Wait()
	if failed > 0 {
		return fmt.Errorf("%d of %d did not come out", failed, len(tries))
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &used); err != nil {
		return err
	}
	cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano())
	fmt.Printf("%d tries of %d clients in %v, %v of processors\n", len(tries), len(clients), time.Since(begin).Round(time.Second), cpu.Round(time.Second))
	return errors.Join(os.RemoveAll(b.dir), os.RemoveAll(b.boxes))
}
