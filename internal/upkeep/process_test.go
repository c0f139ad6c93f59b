package upkeep

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/rollback"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

const (
	workerEnv = "COO_UPKEEP_TEST_WORKER" // role and store
	proofEnv  = "COO_PROOF"
)

// TestMain runs a worker instead of the tests when a test has started it. The
// tests' stores are in memory where they can be: nothing of them has to last.
func TestMain(m *testing.M) {
	if role, dir, ok := strings.Cut(os.Getenv(workerEnv), " "); ok {
		if err := work(role, dir); err != nil {
			fmt.Println("wrong:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if flag.Parse(); !full() {
		flag.Set("rapid.checks", "15")
	}
	const memory = "/dev/shm"
	if fi, err := os.Stat(memory); err == nil && fi.IsDir() && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", memory)
	}
	os.Exit(m.Run())
}

func full() bool { return os.Getenv(proofEnv) == "full" }

// work is what one process does, for ever: it is killed.
func work(role, dir string) error {
	st, err := store.Open(dir)
	if err != nil {
		return err
	}
	one := map[string]func(*store.Store) error{"record": recordOne, "collect": collectOne, "check": checkOne, "rollback": rollbackOne}[role]
	for {
		if err := one(st); err != nil {
			return err
		}
		time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
	}
}

// recordOne is one "coo run": recover, record, seal, say so.
func recordOne(st *store.Store) error {
	done, err := st.Use()
	if err != nil {
		return err
	}
	defer done()
	if err := recoverAll(st); err != nil {
		return err
	}
	// What nothing names yet: the next runs that draw it rely on it. And
	// what nothing will ever name.
	for _, seed := range []uint64{rand.Uint64N(20), rand.Uint64()} {
		if _, err := st.Put([]byte(noise(9<<10, seed))); err != nil {
			return err
		}
	}
	p := record(st, "m.star")
	p.open(fmt.Sprintf("# %d\n", rand.IntN(3)))
	for range rand.IntN(3) {
		p.ask(fmt.Sprintf(`{"q":%d}`, rand.IntN(3)), noise(9<<10, rand.Uint64N(20)))
		if p.err == nil {
			p.err = p.r.Flush()
		}
	}
	if rand.IntN(2) == 0 {
		p.attach(map[string]string{"a": noise(9<<10, rand.Uint64N(20)), "b": fmt.Sprint(rand.IntN(4))})
	}
	if rand.IntN(4) == 0 && p.err == nil {
		return p.r.Abandon("given up")
	}
	id, err := p.seal()
	if err == nil {
		fmt.Println("sealed", id)
	}
	return err
}

func collectOne(st *store.Store) error {
	done, err := st.Alone()
	if _, busy := errors.AsType[*store.BusyError](err); busy {
		return nil
	}
	if err != nil {
		return err
	}
	defer done()
	if err := recoverAll(st); err != nil {
		return err
	}
	fmt.Println("collecting")
	c, err := Collect(context.Background(), config(st), Options{Incomplete: rand.IntN(2) == 0})
	if err == nil {
		fmt.Println("collected", c.Blobs.N)
	}
	return err
}

func checkOne(st *store.Store) error {
	done, err := st.Use()
	if err != nil {
		return err
	}
	defer done()
	rep, err := Check(context.Background(), config(st))
	if err != nil {
		return err
	}
	for _, d := range rep.Damage {
		return fmt.Errorf("%w, affects %q", d.DamageError, d.Affects)
	}
	fmt.Println("checked", rep.Runs)
	return nil
}

func recoverAll(st *store.Store) error {
	if _, err := flight.Recover(st); err != nil {
		return err
	}
	back, err := rollback.Recover(st)
	for _, r := range back {
		if len(r.Kept) > 0 {
			return fmt.Errorf("rollback %d left %q: nobody else changes the workspace", r.N, r.Kept)
		}
		fmt.Println("mended", r.N, r.Finished)
	}
	return err
}

// rollbackOne is one "coo rollback", to either of two states or to the one
// before the last rollback.
func rollbackOne(st *store.Store) error {
	done, err := st.Use()
	if err != nil {
		return err
	}
	defer done()
	if err := recoverAll(st); err != nil {
		return err
	}
	dir, err := workspace.OpenDir(st.PlaceOf("ws"))
	if err != nil {
		return err
	}
	defer dir.Close()
	trees, err := twoTrees(st)
	if err != nil {
		return err
	}
	c := rollback.Config{
		Store: st, Dir: dir, Execution: 1, To: "baseline", Expected: trees[0], Target: trees[rand.IntN(2)],
		Recover: func() error { return recoverAll(st) },
	}
	entries, err := rollback.Log(st)
	if err != nil {
		return err
	}
	if last, ok := rollback.LastDone(entries); ok && rand.IntN(3) == 0 {
		c.To, c.Expected, c.Target, c.Undoes = "undo", last.Target, last.From, &last.N
	}
	p, err := rollback.Prepare(c)
	if err != nil {
		return err
	}
	defer p.Close()
	if len(p.Changes()) > 0 {
		fmt.Println("rolling")
	}
	e, err := p.Do(true)
	if _, late := errors.AsType[*rollback.NotUndoableError](err); late {
		return nil // another was faster
	}
	if err == nil && e != nil {
		fmt.Println("rolled", e.N)
	}
	return err
}

// twoTrees returns the states between which the workspace is rolled back.
func twoTrees(st *store.Store) (trees [2]digest.Digest, err error) {
	b, err := os.ReadFile(st.PlaceOf("trees"))
	if err == nil {
		err = json.Unmarshal(b, &trees)
	}
	return trees, err
}

// makeTwoStates makes a workspace, ws beside the store, in two states, and a run
// that names both.
func makeTwoStates(t *testing.T, st *store.Store) (trees [2]digest.Digest) {
	t.Helper()
	dir := st.PlaceOf("ws")
	p := record(st, "states.star")
	p.open("# states\n")
	for i := range trees {
		for k := range 20 {
			name := filepath.Join(dir, fmt.Sprintf("d%d", k%3), fmt.Sprintf("%d-%d.txt", k, i*(k%2)))
			err := os.MkdirAll(filepath.Dir(name), 0o755)
			if err == nil {
				err = os.WriteFile(name, []byte(noise(3<<10, uint64(100*i+k))), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		s, err := snapshot.Take(dir, st, snapshot.Options{})
		if err != nil {
			t.Fatal(err)
		}
		trees[i] = s.Tree
		if err := p.r.Attach(map[string]string{"t": "tree", "tree": s.Tree.String()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.seal(); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(trees)
	if err == nil {
		err = os.WriteFile(st.PlaceOf("trees"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return trees
}

// checkRolled demands that the workspace is one of its two states, and that every
// rollback that was told of is in the log.
func checkRolled(t *testing.T, st *store.Store, c *crew, trees [2]digest.Digest) {
	t.Helper()
	s, err := snapshot.Take(st.PlaceOf("ws"), st, snapshot.Options{NoCache: true})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(trees[:], s.Tree) {
		t.Error("the workspace is in neither of its two states")
	}
	entries, err := rollback.Log(st)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range c.rolled {
		if n > len(entries) {
			t.Errorf("rollback %d was told of, and the log has %d", n, len(entries))
		}
	}
	for _, e := range entries {
		if !slices.Contains(trees[:], e.From) || !slices.Contains(trees[:], e.Target) {
			t.Errorf("rollback %d is from or to half a state: %+v", e.N, e)
		}
	}
}

// A crew is the processes of a test and what they have said.
type crew struct {
	mu   sync.Mutex
	said map[string]int // first words
	runs map[string]bool
	// rolled are the numbers of the rollbacks that were told of.
	rolled []int
	wrong  []string
}

// start starts one process, which is killed a little after its n-th line.
func (c *crew) start(t *testing.T, wg *sync.WaitGroup, role, dir string, n int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+role+" "+dir)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// One that has nothing to say must come to an end, too.
	last := time.AfterFunc(60*time.Second, func() { cmd.Process.Kill() })
	wg.Go(func() {
		defer last.Stop()
		sc := bufio.NewScanner(pipe)
		for i := 1; sc.Scan(); i++ {
			c.hear(sc.Text())
			if i == n {
				time.Sleep(time.Duration(rand.IntN(15)) * time.Millisecond)
				cmd.Process.Kill()
			}
		}
		cmd.Wait() // killed, or it has said what was wrong
	})
}

func (c *crew) hear(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	word, rest, _ := strings.Cut(line, " ")
	c.said[word]++
	switch word {
	case "sealed":
		c.runs[rest] = true
	case "rolled":
		n, err := strconv.Atoi(rest)
		if err != nil {
			c.wrong = append(c.wrong, line)
		}
		c.rolled = append(c.rolled, n)
	case "collected":
		if rest != "0" {
			c.said["removed"]++
		}
	case "wrong:":
		c.wrong = append(c.wrong, line)
	}
}

// 32 processes record runs, roll one workspace back, collect and check in one
// store, each of them killed at some moment: no run that was said to be sealed
// loses a byte, no rollback is done by half or forgotten, and nothing is ever
// damaged.
func TestManyProcesses(t *testing.T) {
	st := newStore(t)
	trees := makeTwoStates(t, st)
	c := &crew{said: map[string]int{}, runs: map[string]bool{}}
	rounds := 1
	if full() {
		rounds = 30
	}
	for range rounds {
		var wg sync.WaitGroup
		for i := range 32 {
			role := []string{"record", "rollback", "record", "collect", "rollback", "check", "record", "collect"}[i%8]
			n := 1 + i/16
			if role == "rollback" {
				n += i / 16 // in the middle of its first or second
			}
			c.start(t, &wg, role, st.Dir(), n)
		}
		wg.Wait()
	}
	for _, w := range c.wrong {
		t.Error(w)
	}
	if err := recoverAll(st); err != nil {
		t.Fatal(err)
	}
	checkRolled(t, st, c, trees)
	whole(t, st, "after the kills")
	collect(t, st, Options{Incomplete: true})
	whole(t, st, "after a last collection")
	for text := range c.runs {
		id, err := digest.Parse(text)
		if err != nil {
			t.Fatalf("a worker said %q", text)
		}
		if _, err := flight.Verify(st, id); err != nil {
			t.Error(err)
		}
	}
	if c.said["sealed"] < 8 || c.said["rolled"]+c.said["mended"] < 4 || c.said["collecting"] < 4 || c.said["checked"] < 3 || c.said["removed"] == 0 {
		t.Errorf("the processes have done too little: %v", c.said)
	}
	t.Logf("proof: %d processes, all killed: %d runs sealed, %d rollbacks (%d mended), %d collections (%d of them removed blobs), %d checks: nothing lost",
		32*rounds, c.said["sealed"], c.said["rolled"], c.said["mended"], c.said["collecting"], c.said["removed"], c.said["checked"])
}
