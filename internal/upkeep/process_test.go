package upkeep

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
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
	one := map[string]func(*store.Store) error{"record": recordOne, "collect": collectOne, "check": checkOne}[role]
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
	if _, err := flight.Recover(st); err != nil {
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
	if _, err := flight.Recover(st); err != nil {
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

// A crew is the processes of a test and what they have said.
type crew struct {
	mu    sync.Mutex
	said  map[string]int // first words
	runs  map[string]bool
	wrong []string
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
	case "collected":
		if rest != "0" {
			c.said["removed"]++
		}
	case "wrong:":
		c.wrong = append(c.wrong, line)
	}
}

// 32 processes record runs, collect and check in one store, each of them
// killed at some moment: no run that was said to be sealed loses a byte, and
// nothing is ever damaged.
func TestManyProcesses(t *testing.T) {
	st := newStore(t)
	c := &crew{said: map[string]int{}, runs: map[string]bool{}}
	rounds := 1
	if full() {
		rounds = 30
	}
	for range rounds {
		var wg sync.WaitGroup
		for i := range 32 {
			role := []string{"record", "record", "record", "collect", "record", "check", "record", "collect"}[i%8]
			c.start(t, &wg, role, st.Dir(), 1+i/16)
		}
		wg.Wait()
	}
	for _, w := range c.wrong {
		t.Error(w)
	}
	if _, err := flight.Recover(st); err != nil {
		t.Fatal(err)
	}
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
	if c.said["sealed"] < 10 || c.said["collecting"] < 4 || c.said["checked"] < 3 || c.said["removed"] == 0 {
		t.Errorf("the processes have done too little: %v", c.said)
	}
	t.Logf("proof: %d processes, all killed: %d runs sealed, %d collections (%d of them removed blobs), %d checks: nothing lost",
		32*rounds, c.said["sealed"], c.said["collecting"], c.said["removed"], c.said["checked"])
}
