//go:build linux && amd64

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coo-runtime/coo/internal/modelserver"
)

// soakDir is where the parts are that random agents are made of: a prelude in
// each language, with a function for each step.
const soakDir = "internal/box/testdata/soak"

// A step is a call of a function of the prelude. What its number means is
// told there.
type step struct {
	name   string
	number int
}

// steps are the functions of each prelude. In C some have an underscore: the
// library has taken the name.
var steps = []string{"compute", "nap", "locked", "put", "get", "signal", "await_", "dice", "racy", "child", "write", "ask"}

// An agent is a random program: its threads are lists of steps.
type agent struct {
	seed     uint64
	language string // its file's extension
	threads  [][]step
}

func newAgent(seed uint64) *agent {
	r := rand.New(rand.NewPCG(seed, 0))
	a := &agent{seed: seed, language: []string{".py", ".go", ".c"}[seed%3]}
	for range 2 + r.IntN(6) {
		var thread []step
		for range 3 + r.IntN(15) {
			thread = append(thread, step{steps[r.IntN(len(steps))], r.IntN(300)})
		}
		a.threads = append(a.threads, thread)
	}
	return a
}

// program writes the agent down. What it asks, it asks the model at an address.
func (a *agent) program(root, model string) (*program, error) {
	prelude, err := os.ReadFile(filepath.Join(root, soakDir, "prelude"+a.language))
	if err != nil {
		return nil, err
	}
	return &program{
		file: fmt.Sprintf("agent-%d%s", a.seed, a.language), topic: "soak", model: model,
		source: strings.ReplaceAll(string(prelude), "MODEL_ADDRESS", model) + a.text(),
	}, nil
}

func (a *agent) text() string {
	head, line, foot, end := "\nfunc thread%d() {\n", "\t%s(%d, %d)\n", "}\n", "\nfunc main() { run(%s) }\n"
	switch a.language {
	case ".py":
		head, line, foot, end = "\n\ndef thread%d():\n    pass\n", "    %s(%d, %d)\n", "", "\n\nrun([%s])\n"
	case ".c":
		head, line, foot = "\nstatic void *thread%d(void *arg) {\n", "\t%s(%d, %d);\n", "\treturn NULL;\n}\n"
		end = "\nint main(void) { return run(" + fmt.Sprint(len(a.threads)) + ", (void *(*[])(void *)){%s}); }\n"
	}
	var b strings.Builder
	var names []string
	for t, thread := range a.threads {
		fmt.Fprintf(&b, head, t)
		for _, s := range thread {
			if a.language == ".c" && (s.name == "signal" || s.name == "write") {
				s.name += "_"
			}
			fmt.Fprintf(&b, line, s.name, t, s.number)
		}
		b.WriteString(foot)
		names = append(names, fmt.Sprintf("thread%d", t))
	}
	fmt.Fprintf(&b, end, strings.Join(names, ", "))
	return b.String()
}

// shrink returns the smallest agent it finds that does not come out: it
// leaves out threads, then steps, as long as what is left does not either.
func (a *agent) shrink(fails func(*agent) bool) *agent {
	for i := 0; i < len(a.threads); {
		if smaller := a.without(i, -1); len(a.threads) > 1 && fails(smaller) {
			a = smaller
			continue
		}
		for k := 0; k < len(a.threads[i]); {
			if smaller := a.without(i, k); fails(smaller) {
				a = smaller
				continue
			}
			k++
		}
		i++
	}
	return a
}

// without leaves out a step of a thread; step -1 is all of the thread.
func (a *agent) without(thread, step int) *agent {
	b := &agent{seed: a.seed, language: a.language}
	for i, t := range a.threads {
		switch {
		case i != thread:
			b.threads = append(b.threads, t)
		case step >= 0:
			b.threads = append(b.threads, append(t[:step:step], t[step+1:]...))
		}
	}
	return b
}

// soak records and replays n random agents. The first that does not come out
// is made as small as it can be, and kept.
func (b *bench) soak(first uint64, n, workers int) error {
	// Its answers, and when they come, are random each time.
	model := httptest.NewServer(modelserver.New(modelserver.Options{MaxDelay: 3 * time.Millisecond}))
	defer model.Close()
	addr := model.Listener.Addr().String()
	var programs []*program
	for seed := range uint64(n) {
		p, err := newAgent(first+seed).program(b.root, addr)
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	bad := b.tryAll(programs, workers)
	if len(bad) == 0 {
		return nil
	}
	a := newAgent(first + uint64(bad[0].place))
	attempt := 0
	a = a.shrink(func(smaller *agent) bool {
		p, err := smaller.program(b.root, addr)
		if err != nil {
			return false
		}
		attempt++
		p.file = fmt.Sprintf("smaller-%d-%s", attempt, p.file)
		t := &try{bench: b, program: p}
		return t.perform() != nil
	})
	p, err := a.program(b.root, addr)
	if err != nil {
		return err
	}
	name := filepath.Join(b.dir, "smallest-"+p.file)
	if err := os.WriteFile(name, []byte(p.source), 0o644); err != nil {
		return err
	}
	return fmt.Errorf("%d of %d random agents did not come out; the first, made smaller, is %s:\n%s", len(bad), n, name, a.text())
}
