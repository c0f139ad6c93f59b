package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/proofs"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A bench is where generated missions are run: a store, and a server to which
// their calls go.
type bench struct {
	st      *store.Store
	resolve map[string]string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	srv := httptest.NewServer(modelserver.New(modelserver.Options{MinDelay: 50 * time.Microsecond, MaxDelay: 2 * time.Millisecond}))
	t.Cleanup(srv.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	return &bench{st: newStore(t), resolve: map[string]string{
		"model.test:80":  srv.Listener.Addr().String(),
		"nobody.test:80": closed.Addr().String(),
	}}
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	st, _, err := store.Init(tempDir(t))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// tempDir is a directory in memory where there is one: what outlives a power
// cut is not the question here, and asking the disk is most of the time.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "coo-rerun-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// load parses a generated mission.
func load(t *testing.T, text string) *mission.Program {
	t.Helper()
	p, err := mission.Load("m.star", func(path string) ([]byte, error) {
		switch path {
		case "m.star":
			return []byte(text), nil
		case "lib/ask.star":
			return []byte(library), nil
		}
		return nil, errors.New("no such file")
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// A made is a run and what its making left in the workspace.
type made struct {
	handle store.Handle
	st     *store.Store
	flight []byte
	files  string
	failed bool
	sent   int
	calls  int
}

// perform runs a mission in a fresh workspace with the given answers.
func (b *bench) perform(t *testing.T, st *store.Store, text string, answers freeze.Answerer, clock freeze.Clock) made {
	t.Helper()
	where := tempDir(t)
	for name, content := range map[string]string{"notes.txt": "The gauge was moved.\n", "more.txt": "Twice.\n"} {
		if err := os.WriteFile(filepath.Join(where, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := workspace.OpenDir(where)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	defer answers.Close()
	o, err := run.Do(context.Background(), run.Config{
		Store: st, Name: "m.star", Program: load(t, text), Dir: dir,
		Args: map[string]string{"topic": "tides"}, Seed: "7", Answers: answers, Clock: clock,
		Know: func(string) error { return nil }, Print: func(string) {}, Facts: map[string]string{"t": "start"},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if o.Applied != nil {
		t.Fatalf("apply: %v", o.Applied)
	}
	h := store.Handle{Sealed: true, ID: o.ID, Dir: "runs/" + o.ID.String()}
	lines, err := os.ReadFile(st.Path(h.Dir + "/flight.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return made{
		handle: h, st: st, flight: lines, files: tree(t, where),
		failed: o.End.Outcome != "ok", sent: o.Sent, calls: o.Calls,
	}
}

func (b *bench) live(t *testing.T, text string) made {
	return b.perform(t, b.st, text, b.network(), freeze.LiveClock())
}

func (b *bench) network() *freeze.Live { return freeze.NewLive(freeze.LiveOptions{Resolve: b.resolve}) }

// fill runs a mission with frozen answers where there are some.
func (b *bench) fill(t *testing.T, text string, from ...made) made {
	sources, readings := b.sources(t, from)
	return b.perform(t, newStore(t), text, freeze.NewFill(b.network(), sources...), freeze.FillClock(readings))
}

// frozen runs a mission with frozen answers only, recording in another store.
func (b *bench) frozen(t *testing.T, text string, from ...made) made {
	sources, readings := b.sources(t, from)
	return b.perform(t, newStore(t), text, freeze.NewFrozen(sources...), freeze.FrozenClock(readings))
}

func (b *bench) sources(t *testing.T, from []made) (out []*freeze.Source, readings []int64) {
	t.Helper()
	for _, m := range from {
		out = append(out, freeze.FromRun(m.st, m.handle))
	}
	readings, err := out[0].Clock()
	if err != nil {
		t.Fatal(err)
	}
	return out, readings
}

// again replays a run from its record.
func again(t *testing.T, m made) {
	t.Helper()
	if _, err := flight.Verify(m.st, m.handle.ID); err != nil {
		t.Errorf("verify: %v", err)
	}
	r, err := flight.LoadHandle(m.st, m.handle)
	if err != nil {
		t.Fatal(err)
	}
	if err := replay.Do(context.Background(), replay.Config{Run: r, Source: freeze.FromRun(m.st, m.handle), Blob: r.Blob}); err != nil {
		t.Errorf("replay: %v", err)
	}
}

// same fails unless the second run has the first one's bytes.
func same(t *testing.T, what string, a, b made) {
	t.Helper()
	if a.handle.ID == b.handle.ID && bytes.Equal(a.flight, b.flight) && a.files == b.files {
		return
	}
	left, right := bytes.Split(a.flight, []byte("\n")), bytes.Split(b.flight, []byte("\n"))
	for i := range min(len(left), len(right)) {
		if !bytes.Equal(left[i], right[i]) {
			t.Fatalf("%s: record %d is\n%s\nand was\n%s", what, i, right[i], left[i])
		}
	}
	t.Fatalf("%s: %d records, were %d, or other files:\n%s\n%s", what, len(right), len(left), b.files, a.files)
}

// tree lists the files below a directory with their digests.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %s\n", path[len(dir):], digest.Of(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A tally counts what the proof has been through.
type tally struct {
	mu                           sync.Mutex
	programs, runs, calls, mixed int
}

func (c *tally) add(m made) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs++
	c.calls += m.calls
	if m.sent > 0 && m.sent < m.calls {
		c.mixed++
	}
}

// TestReruns makes missions at random, of nested branches, equal calls,
// refusals and retries, failing attempts, streams, writes and clocks, and runs
// each against a server with random answers and delays. Then the run, the same
// run filled or frozen from it in another store and another directory, and its
// replay must be the same bytes; and so for a changed mission that found part
// of its answers frozen. COO_PROOF=full makes 300 of them.
func TestReruns(t *testing.T) {
	proofs.Needed(t)
	t.Setenv("COO_RERUN_TOPIC", "waves")
	n := 30
	if os.Getenv("COO_PROOF") == "full" {
		n = 300
	}
	base := rand.Uint64()
	if s := os.Getenv("COO_PROOF_SEED"); s != "" {
		if _, err := fmt.Sscan(s, &base); err != nil {
			t.Fatal(err)
		}
	}
	var count tally
	ok := t.Run("programs", func(t *testing.T) {
		for i := range n {
			seed := base + uint64(i)
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("to repeat: COO_PROOF_SEED=%d go test -run 'TestReruns/programs/0$'", seed)
						return
					}
					count.mu.Lock()
					count.programs++
					count.mu.Unlock()
				})
				rerun(t, newBench(t), seed, &count)
			})
		}
	})
	line := fmt.Sprintf("proof: reruns: %d of %d identical (%d runs, %d calls, %d runs part frozen and part live, first seed %d)",
		count.programs, n, count.runs, count.calls, count.mixed, base)
	t.Log(line)
	fmt.Println(line)
	if ok && count.mixed == 0 {
		t.Error("no changed mission found part of its answers frozen: the proof proves too little")
	}
}

func rerun(t *testing.T, b *bench, seed uint64, count *tally) {
	r := rand.New(rand.NewPCG(seed, 1))
	body := generate(r, 2)
	fails := r.IntN(8) == 0
	text := source(body, fails)

	first := b.live(t, text)
	count.add(first)
	if first.failed != fails {
		t.Fatalf("the mission failed unasked\n%s", text)
	}
	again(t, first)
	frozen := b.frozen(t, text, first)
	count.add(frozen)
	same(t, "frozen", first, frozen)
	if fails {
		return // fill asks again what a failed run ended on
	}
	filled := b.fill(t, text, first)
	count.add(filled)
	same(t, "filled", first, filled)
	if filled.sent != 0 {
		t.Errorf("filled: %d of %d calls were sent", filled.sent, filled.calls)
	}

	changed := source(change(r, body), false)
	second := b.fill(t, changed, first)
	count.add(second)
	again(t, second)
	frozen = b.frozen(t, changed, second)
	same(t, "changed, frozen", second, frozen)
	filled = b.fill(t, changed, second, first)
	same(t, "changed, filled", second, filled)
	count.add(frozen)
	count.add(filled)
}
