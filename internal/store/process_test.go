package store

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
)

const workerEnv = "COO_STORE_TEST_WORKER"

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

const (
	workers   = 32
	sharedSet = 8
	rounds    = 3
)

// sharedBlob returns a blob that every worker puts.
func sharedBlob(i int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "shared %d ", i), 1+i*400)
}

// work initialises the store, puts the same blobs as all the others, adds
// runs and executions, and says each number on stdout after it is durable.
func work(dir string) error {
	s, _, err := Init(dir)
	if err != nil {
		return err
	}
	for range rounds {
		batch, err := s.NewBatch()
		if err != nil {
			return err
		}
		for i := range sharedSet {
			if _, err := batch.Put(sharedBlob(i)); err != nil {
				return err
			}
		}
		if err := batch.Commit(); err != nil {
			return err
		}
		id := digest.Of([]byte("run\n"))
		if _, err := s.AddRun(id, func(w io.Writer) error { _, err := io.WriteString(w, "run\n"); return err }); err != nil {
			return err
		}
		n, err := s.AppendExecution(Execution{Run: id, Name: "m"}, [][]byte{[]byte(strconv.Itoa(os.Getpid()))}, nil)
		if err != nil {
			return err
		}
		fmt.Println(n)
		if err := s.Sweep(); err != nil {
			return err
		}
	}
	return nil
}

// 32 processes use a new store at once, a third of them killed on the way:
// whatever one has said to be durable is there, once, and nothing is damaged.
func TestManyProcesses(t *testing.T) {
	dir := t.TempDir()
	said := make(map[int64]bool)
	type worker struct {
		cmd *exec.Cmd
		out *bufio.Scanner
	}
	var all []worker
	for range workers {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), workerEnv+"="+dir)
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, worker{cmd, bufio.NewScanner(pipe)})
	}
	for i, w := range all {
		killed := i%3 == 0
		for w.out.Scan() {
			n, err := strconv.ParseInt(w.out.Text(), 10, 64)
			if err != nil || said[n] {
				t.Errorf("worker %d said %q: not a new number", i, w.out.Text())
			}
			said[n] = true
			if killed {
				w.cmd.Process.Kill()
			}
		}
		if err := w.cmd.Wait(); err != nil && !killed {
			t.Errorf("worker %d: %v", i, err)
		}
	}
	checkShared(t, dir, said)
}

func checkShared(t *testing.T, dir string, said map[int64]bool) {
	t.Helper()
	s, created, err := Init(dir)
	if err != nil || created {
		t.Fatalf("Init = %v, %v", created, err)
	}
	for i := range sharedSet {
		if _, err := s.Get(digest.Of(sharedBlob(i))); err != nil {
			t.Error(err)
		}
	}
	appendN(t, s, 1) // mends what a kill has left
	es, err := s.Executions()
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range es {
		if e.N != int64(i+1) {
			t.Errorf("execution %d is at place %d", e.N, i+1)
		}
		if _, err := s.Observations(e); err != nil {
			t.Error(err)
		}
		delete(said, e.N)
	}
	if len(said) > 0 {
		t.Errorf("executions that were said to be durable are not listed: %v", said)
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(s.Path("tmp")); err != nil || len(left) > 0 {
		t.Errorf("tmp holds %d files, %v, want none", len(left), err)
	}
}
