//go:build linux && amd64

// Box proves that the level deterministic gives an unmodified program the same
// bytes every time.
//
// The zoo, internal/box/testdata/zoo, has one short program for each source of
// nondeterminism. Each runs natively twice, which must differ where it is said
// to, and then through coo in new workspaces, in surroundings that change from
// one run to the next: load on every core, another user, one core, another time
// zone, directory, home, umask, limit of files, size of the environment, order
// in which the files were made. Its output, its files and its run must be the
// same each time.
//
// Whole programs, internal/box/testdata/whole, are recorded once and replayed,
// and so are random agents with threads, locks, queues, limits of time and
// processes; the first of those that differs is made as small as it can be.
//
//	go run ./proof/box                     every program, 3 runs of each
//	COO_PROOF=full go run ./proof/box      20 runs
//	go run ./proof/box -only condvar -v    what has the text in its name, with the commands
//	go run ./proof/box -topic threads      one topic
//	go run ./proof/box -level frozen       a weaker level: says what differs there
//	go run ./proof/box -only - -soak 9     nine random agents and nothing else
//	go run ./proof/box -list               the table
//
// One line is printed for each program. If one differs, the difference is
// printed, what it left behind is kept and named, and the status is 1.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "box: %v\n", err)
		os.Exit(1)
	}
}

// A bench is where programs are tried.
type bench struct {
	coo     string // the binary
	root    string // of the repository
	dir     string // of everything temporary
	tools   tools
	level   string
	trace   string        // the option of coo that writes a trace to a file; none: no traces
	row     string        // the surroundings of every run but the first; none: they change
	runs    int           // of a program of the zoo
	replays int           // of a whole program
	limit   time.Duration // of one run
	native  bool          // natively, too
	keep    bool
	verbose bool
}

const (
	deterministic = "deterministic"
	native        = "native" // no coo at all
)

func run() error {
	b := &bench{runs: 3, replays: 3}
	pairs := 20
	if os.Getenv("COO_PROOF") == "full" {
		b.runs, b.replays, pairs = 20, 50, 1000
	}
	only := flag.String("only", "", "what has `TEXT` in its name")
	topic := flag.String("topic", "", "one `TOPIC` of the table")
	workers := flag.Int("workers", 2, "how many programs at once")
	soak := flag.Int("soak", -1, "`HOW` many random agents; -1: 20, or 1000 with COO_PROOF=full, and none with -only or -topic")
	seed := flag.Uint64("seed", 1, "the `SEED` of the first random agent")
	list := flag.Bool("list", false, "print the table and end")
	flag.StringVar(&b.coo, "coo", "", "the binary `FILE`; none: it is built")
	flag.StringVar(&b.level, "level", deterministic, "the isolation `LEVEL`, or native: not through coo at all")
	flag.StringVar(&b.trace, "trace", "", "the `OPTION` of coo that writes a trace to a file, such as --trace; traces are compared too")
	flag.StringVar(&b.row, "row", "", "one `ROW` of the surroundings for all runs but the first: "+strings.Join(rowNames(), ", "))
	flag.IntVar(&b.runs, "runs", b.runs, "how many runs through coo")
	flag.IntVar(&b.replays, "replays", b.replays, "how many replays of a whole program")
	flag.DurationVar(&b.limit, "limit", time.Minute, "how long one run may take")
	flag.BoolVar(&b.native, "native", true, "run natively, too")
	flag.BoolVar(&b.keep, "keep", false, "keep what all runs left behind")
	flag.BoolVar(&b.verbose, "v", false, "print each command and what it wrote to stderr")
	flag.Parse()
	if *soak < 0 {
		*soak = 0
		if *only == "" && *topic == "" {
			*soak = pairs
		}
	}
	var chosen []*program
	for _, p := range slices.Concat(zoo, whole) {
		if strings.Contains(p.String(), *only) && (*topic == "" || p.topic == *topic) {
			chosen = append(chosen, &p)
		}
	}
	switch {
	case len(chosen) == 0 && *soak == 0:
		return errors.New("no program has such a name or topic")
	case *list:
		for _, p := range chosen {
			fmt.Printf("%-28s %-9s %s\n", p, p.topic, p.differs)
		}
		return nil
	}
	if err := b.furnish(); err != nil {
		return err
	}
	if _, err := os.Stat(b.numpy()); err != nil && slices.ContainsFunc(chosen, func(p *program) bool { return p.numpy }) {
		return errors.New("NumPy is missing: tools/box.sh installs it")
	}
	return b.prove(chosen, *seed, *soak, *workers)
}

// furnish finds the tools, makes the directory and builds coo.
func (b *bench) furnish() error {
	var err error
	if b.root, err = moduleRoot(); err != nil {
		return err
	}
	if b.row != "" && !slices.Contains(rowNames(), b.row) {
		return fmt.Errorf("no row is called %q", b.row)
	}
	if b.tools, err = findTools(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "coo-box-*"); err == nil {
		b.dir, err = filepath.EvalSymlinks(b.dir)
	}
	if err != nil {
		return err
	}
	// Another user runs programs here, too.
	if err := errors.Join(os.Chmod(b.dir, 0o755), os.Mkdir(b.home(), 0o755), os.Chmod(b.home(), 0o777)); err != nil {
		return err
	}
	if b.level == native {
		return nil
	}
	return b.buildCoo()
}

func (b *bench) home() string { return filepath.Join(b.dir, "home") }

// prove tries the programs of the tables, then random agents.
func (b *bench) prove(programs []*program, first uint64, agents, workers int) error {
	begin := time.Now()
	bad := b.tryAll(programs, workers)
	var names []string
	for _, t := range bad {
		names = append(names, t.program.String())
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d did not come out, in %v: %s", len(bad), len(programs), time.Since(begin).Round(time.Second), strings.Join(names, " "))
	}
	if err := b.soak(first, agents, workers); err != nil {
		return err
	}
	fmt.Printf("%d programs and %d random agents at the level %s, %d runs each, in %v\n",
		len(programs), agents, b.level, b.runs, time.Since(begin).Round(time.Second))
	if b.keep {
		fmt.Printf("kept in %s\n", b.dir)
		return nil
	}
	return os.RemoveAll(b.dir)
}

// tryAll tries programs, some at once, prints them in order, and returns
// those that did not come out.
func (b *bench) tryAll(programs []*program, workers int) (bad []*try) {
	tries := make([]*try, len(programs))
	for i, p := range programs {
		tries[i] = &try{bench: b, program: p, place: i, done: make(chan struct{})}
	}
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
	for _, t := range tries {
		<-t.done
		fmt.Println(t.line())
		if t.err != nil {
			bad = append(bad, t)
		}
	}
	group.Wait()
	return bad
}
