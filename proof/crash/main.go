//go:build linux

// Crash proves, on the binary that is shipped and with the system calls it
// really makes, what docs/durability.md promises. It needs strace.
//
// It follows a coo command with strace and replays the calls on a model of a
// weak file system ([disk]): what was not synced may be lost, torn, or kept
// without the rest. At every instant and under every [policy] it writes what
// a crash could leave, and demands that coo's promises hold of it. Then it
// makes the system calls of the same commands fail, one after the other, and
// fills the disk.
//
//	go run ./proof/crash                 states and faults sampled evenly
//	COO_PROOF=full go run ./proof/crash  all of them, but for scenarios with a
//	                                     fullPart: most of an hour on two cores
//	go run ./proof/crash -self-test      builds that do not sync must be caught; with
//	                                     -scenario TEXT, those with TEXT in the name
//
// One line is printed for each scenario. At the first promise that is broken
// the state is kept in a directory, said what it is, and the status is 1.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coo-runtime/coo/internal/modelserver"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "crash: %v\n", err)
		os.Exit(1)
	}
}

// A bench is where scenarios are performed.
type bench struct {
	coo  string
	dir  string // of everything temporary
	url  string // of the sample model server
	full bool
	all  bool // go on after a failure
	seed uint64
	only string
	// quiet keeps no states: they are meant to be bad.
	quiet bool
}

func run() error {
	b := &bench{full: os.Getenv("COO_PROOF") == "full"}
	selfTest := flag.Bool("self-test", false, "show that builds that do not sync are caught")
	flag.StringVar(&b.coo, "coo", "", "the binary `FILE`; none: it is built")
	flag.StringVar(&b.only, "scenario", "", "only what has `TEXT` in its name; with -self-test, shams")
	flag.BoolVar(&b.all, "all", false, "go on after a failure")
	flag.Uint64Var(&b.seed, "seed", 1, "of random choices")
	flag.Parse()
	syscall.Umask(umask)
	if _, err := exec.LookPath("strace"); err != nil {
		return errors.New("strace is missing: tools/deps.sh installs it")
	}
	dir, err := tempRoot()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	server := httptest.NewServer(modelserver.New(modelserver.Options{MinDelay: -1, MaxDelay: -1}))
	defer server.Close()
	b.url = server.URL
	if *selfTest {
		return b.selfTest()
	}
	if b.coo == "" {
		err = b.build("coo")
	} else {
		b.coo, err = filepath.Abs(b.coo)
	}
	if err != nil {
		return err
	}
	return b.prove()
}

// tempRoot makes a directory, in memory where there is one: thousands of
// stores are synced in it.
func tempRoot() (string, error) {
	for _, dir := range []string{"/dev/shm", ""} {
		if d, err := os.MkdirTemp(dir, "coo-crash-*"); err == nil {
			return filepath.EvalSymlinks(d)
		}
	}
	return os.MkdirTemp("", "coo-crash-*")
}

func (b *bench) build(name string, flags ...string) error {
	b.coo = filepath.Join(b.dir, name)
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-o", b.coo}, flags...), "./cmd/coo")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// prove runs everything.
func (b *bench) prove() error {
	takes := map[string]*take{}
	var failures []error
	report := func(name string, n int, errs []error, note string) error {
		failures = append(failures, errs...)
		if name != "" && n > 0 {
			fmt.Printf("proof: crash: %s: %d of %d hold%s\n", name, n-len(errs), n, note)
		}
		for _, err := range errs {
			fmt.Fprintf(os.Stderr, "crash: %s: %v\n", name, err)
		}
		if len(errs) > 0 && !b.all {
			return errors.New("a promise is broken")
		}
		return nil
	}
	for _, s := range scenarios {
		if b.only != "" && !strings.Contains(s.name, b.only) && !neededBy(s.name, b.only) {
			continue
		}
		n, errs, note, err := b.crashes(s, takes)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := report(s.name, n, errs, note); err != nil {
			return err
		}
	}
	for _, s := range scenarios {
		name := "faults of " + s.name
		if s.kills != "" || b.only != "" && !strings.Contains(name, b.only) {
			continue
		}
		n, errs, note, err := b.faults(s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := report(name, n, errs, note); err != nil {
			return err
		}
	}
	if b.only == "" || strings.Contains("full disk", b.only) || strings.Contains("read-only", b.only) {
		n, errs, err := b.space()
		if err != nil {
			return fmt.Errorf("full disk: %w", err)
		}
		if err := report("full disk and read-only disk", n, errs, ""); err != nil {
			return err
		}
	}
	if len(failures) > 0 {
		return fmt.Errorf("%d promises are broken", len(failures))
	}
	return nil
}

func neededBy(name, only string) bool {
	return slices.ContainsFunc(scenarios, func(s scenario) bool { return s.kills == name && strings.Contains(s.name, only) })
}

// A state is one tree that a crash can leave, and the most that was promised
// when it can.
type state struct {
	take *take
	tree *node
	said promise
	what string // instant and policy
}

// crashes checks the states of one scenario.
func (b *bench) crashes(s scenario, takes map[string]*take) (n int, errs []error, note string, err error) {
	var list []*take
	limit := s.part
	if b.full {
		limit = s.fullPart
	}
	if s.kills != "" {
		kills := 6
		if b.full {
			kills = 60
		}
		if list, err = b.second(s, takes[s.kills], kills); err != nil {
			return 0, nil, "", err
		}
	} else {
		t, err := b.record(s)
		if err != nil {
			return 0, nil, "", err
		}
		takes[s.name] = t
		list = []*take{t}
	}
	if b.only != "" && !strings.Contains(s.name, b.only) {
		return 0, nil, "", nil
	}
	var sum figures
	for i, t := range list {
		f, more, err := b.statesOf(t, (limit+i)/len(list))
		if err != nil {
			return 0, nil, "", err
		}
		sum.add(f)
		if errs = append(errs, more...); len(errs) > 0 && !b.all {
			break
		}
	}
	return sum.checked, errs, fmt.Sprintf(" (states; %d instants, %d with policies, %d differ)", sum.instants, sum.pairs, sum.distinct), nil
}

type figures struct{ instants, pairs, distinct, checked int }

func (f *figures) add(g figures) {
	f.instants += g.instants
	f.pairs += g.pairs
	f.distinct += g.distinct
	f.checked += g.checked
}

// A pick is an instant and a policy: enough to make a state again.
type pick struct{ k, policy int }

// statesOf checks the different states of a take, at every instant and under
// every policy, or, if there are more than limit (unless that is 0), so many
// of them. A tree is checked with the last promises under which it comes up:
// they are the most.
func (b *bench) statesOf(t *take, limit int) (f figures, errs []error, err error) {
	list := policies(3)
	at := map[[32]byte]int{}
	var picks []pick
	err = t.each(func(m moment) error {
		f.instants++
		for i := range list {
			tree := b.tree(m, list, i)
			if tree == nil {
				continue
			}
			f.pairs++
			sum := tree.sum()
			if n, ok := at[sum]; ok {
				picks[n] = pick{m.k, i}
				continue
			}
			at[sum] = len(picks)
			picks = append(picks, pick{m.k, i})
		}
		return nil
	})
	if err != nil {
		return f, nil, err
	}
	f.distinct = len(picks)
	if limit == 0 {
		limit = len(picks)
	}
	chosen := map[pick]bool{}
	for _, i := range spread(len(picks), limit) {
		chosen[picks[i]] = true
	}
	f.checked = len(chosen)
	checked, end := b.progress(t.name, len(chosen))
	defer end()
	check, wait := workers(b, func(s state) error {
		defer checked()
		return b.checkState(s)
	})
	var later []state
	err = t.each(func(m moment) error {
		for i, p := range list {
			if !chosen[pick{m.k, i}] {
				continue
			}
			what := fmt.Sprintf("after op %d of %d (%s), %s", m.k, len(t.ops), t.last(m.k), p.name)
			s := state{t, b.tree(m, list, i), m.said.clone(), what}
			if b.quiet {
				later = append(later, s)
			} else {
				check(s)
			}
		}
		return nil
	})
	// What a sham breaks lies together, and is met sooner in no order.
	rand.New(rand.NewPCG(b.seed, 0)).Shuffle(len(later), func(i, j int) { later[i], later[j] = later[j], later[i] })
	for _, s := range later {
		check(s)
	}
	return f, wait(), err
}

// progress says on stderr twice a minute how far something is that takes long.
func (b *bench) progress(name string, total int) (done, end func()) {
	var n atomic.Int64
	ticker := time.NewTicker(30 * time.Second)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				fmt.Fprintf(os.Stderr, "crash: %s: %d of %d so far\n", name, n.Load(), total)
			}
		}
	}()
	return func() { n.Add(1) }, func() { ticker.Stop(); close(stop) }
}

// tree returns what a crash leaves at an instant under a policy, nil where
// the policy does not apply. It is the same every time.
func (b *bench) tree(m moment, list []policy, i int) *node {
	r := rand.New(rand.NewPCG(b.seed, uint64(m.k)<<16|uint64(i)))
	chosen := list[i].choose(m.disk.pending, r)
	if chosen == nil && list[i].partial {
		return nil
	}
	return m.disk.state(chosen)
}

func (t *take) last(k int) string {
	if k == 0 {
		return "the start"
	}
	return t.ops[k-1].String()
}

func (b *bench) checkState(s state) error {
	dir, err := b.temp("state")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := s.tree.write(dir); err != nil {
		return err
	}
	if err := b.check(dir, s.tree, &s.take.story, s.said); err != nil {
		return b.keep(s.tree, fmt.Sprintf("%s: %s: %v", s.take.name, s.what, err))
	}
	return nil
}

// keep writes a tree to a directory that stays, and says why.
func (b *bench) keep(tree *node, why string) error {
	if b.quiet {
		return errors.New(why)
	}
	dir, err := os.MkdirTemp("", "coo-crash-kept-*")
	if err != nil {
		return err
	}
	work := filepath.Join(dir, "work")
	if err := errors.Join(os.Mkdir(work, 0o755), os.WriteFile(filepath.Join(dir, "why.txt"), []byte(why+"\n"), 0o644)); err != nil {
		return err
	}
	if err := tree.write(work); err != nil {
		return err
	}
	return fmt.Errorf("%s\n  kept in %s", why, dir)
}

// parallel calls do for 0..n-1.
func (b *bench) parallel(n int, do func(int) error) []error {
	give, wait := workers(b, do)
	for i := range n {
		give(i)
	}
	return wait()
}

// workers returns a function that has do called in one of two goroutines, and
// one that waits and returns the errors: the first, unless all are wanted.
// After the first nothing more is done.
func workers[T any](b *bench, do func(T) error) (give func(T), wait func() []error) {
	var mu sync.Mutex
	var errs []error
	next := make(chan T)
	var wg sync.WaitGroup
	for range min(2, runtime.NumCPU()) {
		wg.Go(func() {
			for v := range next {
				mu.Lock()
				stop := len(errs) > 0 && !b.all
				mu.Unlock()
				if stop {
					continue
				}
				if err := do(v); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	wait = func() []error {
		close(next)
		wg.Wait()
		if len(errs) > 1 && !b.all {
			errs = errs[:1]
		}
		return errs
	}
	return func(v T) { next <- v }, wait
}

func (b *bench) temp(name string) (string, error) { return os.MkdirTemp(b.dir, name+"-*") }

// A result is what a command did.
type result struct {
	args           []string
	status         int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("coo %s: status %d: %.600s", strings.Join(r.args, " "), r.status, r.stderr)
}

// run runs coo in dir. Status -2 is a death that no input may cause.
func (b *bench) run(dir string, args ...string) result {
	r := b.command(dir, b.coo, args...)
	r.args = args
	return r
}

const patience = 60 * time.Second

func (b *bench) command(dir, name string, args ...string) result {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "TMPDIR=" + b.dir, "GOMAXPROCS=2"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	r := result{args: append([]string{name}, args...)}
	if err := cmd.Start(); err != nil {
		r.status, r.stderr = -2, err.Error()
		return r
	}
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	late := !timer.Stop()
	r.status, r.stdout, r.stderr = cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
	switch {
	case late:
		r.status, r.stderr = -2, "it hangs: "+r.stderr
	case strings.Contains(r.stderr, "goroutine ") || strings.Contains(r.stderr, "panic:") || strings.Contains(r.stderr, "fatal error:"):
		r.status = -2
	case err != nil && cmd.ProcessState.ExitCode() < 0:
		r.status = -1
	}
	return r
}
