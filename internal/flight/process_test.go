package flight

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

const workerEnv = "COO_FLIGHT_TEST_WORKER"

// TestMain runs a worker instead of the tests when a test has started it.
func TestMain(m *testing.M) {
	if dir := os.Getenv(workerEnv); dir != "" {
		if err := work(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// work makes and seals runs for ever, and says each ID once it is sealed.
func work(dir string) error {
	st, err := store.Open(dir)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		r, err := Create(st, "m.star")
		if err != nil {
			return err
		}
		main, err := r.Blob(fmt.Appendf(nil, "mission %d", i))
		if err != nil {
			return err
		}
		open := &Open{Format: Format, Epoch: Epoch, Mission: Mission{Files: []File{{"m.star", main}}}}
		for _, rec := range []Record{open, &Clock{Now: fmt.Sprint(i)}, &End{Outcome: "ok"}} {
			if _, err := r.Append(rec); err != nil {
				return err
			}
			if err := r.Flush(); err != nil {
				return err
			}
		}
		sealed, err := r.Seal(SealFields{Before: main, After: main}, store.Execution{Outcome: "ok"})
		if err != nil {
			return err
		}
		fmt.Println(sealed.ID)
	}
}

// Processes record the same runs into one store and are killed at any
// moment. What one has said is sealed verifies; what was under way is an
// incomplete run or is finished by Recover; nothing is damaged.
func TestKilledRecorders(t *testing.T) {
	st := newStore(t)
	said := make(map[string]bool)
	const workers = 6
	lines := make(chan string, 1000)
	done := make(chan struct{}, workers)
	for i := range workers {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), workerEnv+"="+st.Dir())
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			sc := bufio.NewScanner(pipe)
			for n := 0; sc.Scan(); n++ {
				lines <- sc.Text()
				if n == 2+i {
					time.Sleep(time.Duration(i) * 3 * time.Millisecond) // anywhere in the next run
					cmd.Process.Kill()
				}
			}
			cmd.Wait() // killed, always
			done <- struct{}{}
		}()
	}
	for range workers {
		<-done
	}
	close(lines)
	for line := range lines {
		said[line] = true
	}
	checkKilled(t, st, said)
}

func checkKilled(t *testing.T, st *store.Store, said map[string]bool) {
	t.Helper()
	if len(said) < 3 {
		t.Errorf("%d runs were sealed, want 3 or more", len(said))
	}
	if _, err := Recover(st); err != nil {
		t.Fatal(err)
	}
	for text := range said {
		id, err := digest.Parse(text)
		if err != nil {
			t.Fatalf("a worker said %q", text)
		}
		if _, err := Verify(st, id); err != nil {
			t.Error(err)
		}
	}
	open, err := st.OpenRuns()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range open {
		if _, err := LoadOpen(st, o.Dir); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	es, err := st.Executions()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for i, e := range es {
		if e.N != int64(i+1) || names[e.Open] {
			t.Errorf("execution at place %d is %+v", i+1, e)
		}
		names[e.Open] = true
	}
}
