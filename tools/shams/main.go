// Shams proves that coo's proofs can fail. It builds versions of coo that are
// wrong in one place each, a builtin of the mission language that is off by
// one, a journal that is not synced, secrets that are not replaced, a
// verification that looks at nothing, and demands that each is caught by the
// proof that is there for it: the replay of a golden run, which must diverge
// at just the record where that builtin's value comes in, or the proofs of
// durability, redaction and verification (proofs.go, fsync.go). What coo
// itself is must pass all of them.
//
//	go run -C tools ./shams [-run REGEXP] [-every N] [-v]
//
// The shams are listed in shams.txt. They are made with go build -overlay, so
// that the product's source knows nothing of them. The program prints a line
// a sham and exits with 1 unless every one was caught.
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
)

//go:embed shams.txt
var list string

// builders is how many builds there are at once.
const builders = 2

func main() {
	only := flag.String("run", "", "only the shams whose names match `REGEXP`")
	every := flag.Int("every", 1, "of those that a proof catches, only the first and then each `N`th")
	verbose := flag.Bool("v", false, "print what the proofs say")
	flag.Parse()
	if err := run(*only, max(1, *every), *verbose); err != nil {
		fmt.Fprintf(os.Stderr, "shams: %v\n", err)
		os.Exit(1)
	}
}

func run(only string, every int, verbose bool) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	all, err := parse(list)
	if err != nil {
		return err
	}
	b, err := newBench()
	if err != nil {
		return err
	}
	defer b.close()
	passed, failed := 0, 0
	say := func(name, text string, err error) {
		if err == nil {
			passed++
			fmt.Printf("ok    %s: %s\n", name, text)
			return
		}
		failed++
		fmt.Printf("FAIL  %s: %v\n", name, err)
	}
	for _, p := range proofs {
		text, err := p.check(b, b.coo, nil)
		say("coo itself", p.name+": "+text, err)
	}
	say("the list", fmt.Sprintf("%d shams, of every builtin", len(all)), b.complete(all))

	var mu sync.Mutex // of say
	var wg sync.WaitGroup
	work := make(chan *sham)
	for range builders {
		wg.Go(func() {
			for s := range work {
				text, err := b.try(s)
				mu.Lock()
				say(s.name, first(text, verbose), err)
				mu.Unlock()
			}
		})
	}
	seen := map[string]int{} // shams of a proof
	for _, s := range all {
		if !match.MatchString(s.name) {
			continue
		}
		if seen[s.proof]%every == 0 {
			work <- s
		}
		seen[s.proof]++
	}
	close(work)
	wg.Wait()
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return errors.New("a proof did not do its work")
	}
	return nil
}

// first returns the first line of text, or all of it.
func first(text string, all bool) string {
	line, _, more := strings.Cut(strings.TrimSpace(text), "\n")
	if all || !more {
		return strings.TrimSpace(text)
	}
	return line
}

// A bench holds what the proofs work with.
type bench struct {
	root   string // of the module
	dir    string // temporary
	coo    string // the program as it is
	server *server
	runs   map[string]goldenRun
}

func newBench() (*bench, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	b := &bench{root: root}
	if b.dir, err = os.MkdirTemp("", "shams-*"); err != nil {
		return nil, err
	}
	if b.runs, err = goldenRuns(root); err != nil {
		return nil, err
	}
	if b.coo, err = b.build("coo", "", "./cmd/coo"); err != nil {
		return nil, err
	}
	sample, err := b.build("sampleserver", "", "./examples/sampleserver")
	if err != nil {
		return nil, err
	}
	b.server, err = start(sample, b.dir)
	return b, err
}

func (b *bench) close() {
	if b.server != nil {
		b.server.stop()
	}
	os.RemoveAll(b.dir)
}

// moduleRoot finds the directory of coo's own go.mod, in which this program's
// is a directory named tools.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "testdata", "recordings", "v0", "runs.txt")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("run it within coo's source")
}

// build builds a program, with an overlay if there is one.
func (b *bench) build(name, overlay, pkg string) (string, error) {
	out := filepath.Join(b.dir, name)
	if runtime.GOOS == "windows" {
		out += ".exe"
	}
	args := []string{"build", "-p", "1", "-ldflags=-s -w", "-o", out}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	text, err := b.command("go", append(args, pkg)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("it does not build: %w\n%s", err, text)
	}
	return out, nil
}

// command prepares a command in the root of the module.
func (b *bench) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = b.root
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "PWD="+b.root)
	return c
}
