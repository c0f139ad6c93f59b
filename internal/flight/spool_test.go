package flight

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

func newRecorder(t testing.TB) (*store.Store, *Recorder) {
	t.Helper()
	st := newStore(t)
	r, err := Create(st, "agent")
	if err != nil {
		t.Fatal(err)
	}
	return st, r
}

func (s script) spool(name string, chunks ...string) Spool {
	s.t.Helper()
	spool, err := s.r.Spool(name)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range chunks {
		if n, err := spool.Write([]byte(c)); err != nil || n != len(c) {
			s.t.Fatalf("Write = %d, %v", n, err)
		}
	}
	return spool
}

// A chunk is there as soon as it is written, whatever happens to the process.
func TestSpoolOutlivesAKill(t *testing.T) {
	st, r := newRecorder(t)
	s := script{t, r}
	exec := s.openProgram()
	call := s.programCall(exec, "https://api.example.test/", "x")
	s.head(call, 200, eventStream)
	s.spool("2", "data: 1\n\n", "data: 2\n\n")
	s.spool("stdout", "ebb\n")
	if err := r.Push(); err != nil {
		t.Fatal(err)
	}
	// No flush, no close: this is what another process sees after a kill.
	run, err := LoadOpen(st, r.Dir())
	want := []Spooled{{"2", 18}, {"stdout", 4}}
	if err != nil || !slices.Equal(run.Spools, want) {
		t.Errorf("LoadOpen: spools %v, %v, want %v", run.Spools, err, want)
	}
	b, err := os.ReadFile(st.Path(r.Dir() + "/spool-2"))
	if err != nil || string(b) != "data: 1\n\ndata: 2\n\n" {
		t.Errorf("the spool holds %q, %v", b, err)
	}
	if rep, err := VerifyOpen(st, r.Dir()); err != nil || rep.Unfinished != 22 {
		t.Errorf("VerifyOpen = %+v, %v, want 22 unfinished bytes", rep, err)
	}
}

// A spool's file goes when a record that says what was in it is written, and not
// before: at any moment what was shown is in one place or the other.
func TestSpoolGoesWithItsTail(t *testing.T) {
	st, r := newRecorder(t)
	s := script{t, r}
	exec := s.openProgram()
	call := s.programCall(exec, "https://api.example.test/", "x")
	s.head(call, 200, nil)
	body := strings.Repeat("binary \xff", 3000)
	spool := s.spool("2", body)
	left := func() int {
		run, err := LoadOpen(st, r.Dir())
		if err != nil {
			t.Fatal(err)
		}
		return len(run.Spools)
	}
	d, n, err := spool.Finish()
	if err != nil || n != int64(len(body)) || d != digest.Of([]byte(body)) {
		t.Fatalf("Finish = %s, %d, %v", d, n, err)
	}
	if err := r.Flush(); err != nil || left() != 1 {
		t.Errorf("Flush before the tail = %v, %d spools left, want 1", err, left())
	}
	doc, err := (&wire.AnswerInfo{Answer: wire.Answer{Status: 200, Lens: []int{len(body)}}, Size: n, Body: &d}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	s.add(&Tail{Call: call, How: HowEOF, Ans: digest.Answer(s.blob(string(doc)))})
	if left() != 1 {
		t.Errorf("%d spools before the tail is written, want 1", left())
	}
	if err := r.Push(); err != nil || left() != 0 {
		t.Errorf("Push after the tail = %v, %d spools left, want none", err, left())
	}
	run, err := LoadOpen(st, r.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := run.Blob(d); err != nil || string(b) != body {
		t.Errorf("Blob(%s) = %d bytes, %v", d.Short(), len(b), err)
	}
}

// A kill between the tail and the removal leaves a file that is no unfinished answer.
func TestSpoolThatIsRecordedIsNotListed(t *testing.T) {
	st, r := newRecorder(t)
	s := script{t, r}
	exec := s.openProgram()
	call := s.programCall(exec, "https://api.example.test/", "x")
	s.tail(call, wire.Answer{Error: "refused"})
	s.exit(exec)
	for _, name := range []string{"spool-2", "spool-stdout", "spool-3"} {
		if err := os.WriteFile(st.Path(r.Dir()+"/"+name), []byte("ebb"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Push(); err != nil {
		t.Fatal(err)
	}
	run, err := LoadOpen(st, r.Dir())
	if err != nil || !slices.Equal(run.Spools, []Spooled{{"3", 3}}) {
		t.Errorf("LoadOpen: spools %v, %v, want the one of call 3", run.Spools, err)
	}
}

// A long content goes from the spool to the store, in pieces.
func TestSpoolOfALongContent(t *testing.T) {
	st, r := newRecorder(t)
	s := script{t, r}
	long := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // 3.2 MB
	spools := []Spool{s.spool("2"), s.spool("3")}
	var wg sync.WaitGroup
	for _, spool := range spools { // as two answers do that arrive together
		wg.Go(func() {
			for chunk := range slices.Chunk(long, 7777) {
				if _, err := spool.Write(chunk); err != nil {
					t.Error(err)
				}
			}
			if err := spool.Settle(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, spool := range spools {
		d, n, err := spool.Finish()
		if err != nil || n != int64(len(long)) || d != digest.Of(long) {
			t.Fatalf("Finish = %s, %d, %v", d, n, err)
		}
		if _, err := spool.Write([]byte("more")); err == nil {
			t.Error("Write after Finish = nil, want an error")
		}
	}
	rd, err := st.GetReader(digest.Of(long))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(rd); err != nil || !bytes.Equal(b, long) {
		t.Errorf("the store has %d bytes, %v", len(b), err)
	}
	if info, err := os.Stat(st.Path(r.Dir() + "/journal")); err != nil || info.Size() > 1000 {
		t.Errorf("the journal has %d bytes, %v: the content belongs in the store", info.Size(), err)
	}
}

func TestSpoolDiscard(t *testing.T) {
	st, r := newRecorder(t)
	s := script{t, r}
	spool := s.spool("2", "ebb")
	spool.Discard()
	spool.Discard()
	if _, err := spool.Write([]byte("x")); err == nil {
		t.Error("Write after Discard = nil, want an error")
	}
	if _, err := os.Stat(st.Path(r.Dir() + "/spool-2")); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	for _, name := range []string{"", "a/b", "A", strings.Repeat("1", 65)} {
		if _, err := r.Spool(name); err == nil {
			t.Errorf("Spool(%q) = nil, want an error", name)
		}
	}
	s.spool("3")
	if _, err := r.Spool("3"); err == nil {
		t.Error("a second spool of one name = nil, want an error")
	}
}
