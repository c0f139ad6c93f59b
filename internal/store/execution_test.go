package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
)

// seedRun stores a run whose "lines" are text.
func seedRun(t testing.TB, s *Store, text string) digest.Digest {
	t.Helper()
	id := digest.Of([]byte(text))
	if _, err := s.AddRun(id, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
		t.Fatal(err)
	}
	return id
}

func appendN(t *testing.T, s *Store, n int) {
	t.Helper()
	for range n {
		if _, err := s.AppendExecution(Execution{Run: digest.Of(nil), Name: "m.star", Outcome: "ok"}, [][]byte{[]byte(`{"at":1}`)}, [][]byte{[]byte(`{"tree":1}`)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestExecutionsAreNumbered(t *testing.T) {
	s := newStore(t)
	appendN(t, s, 3)
	es, err := s.Executions()
	if err != nil || len(es) != 3 {
		t.Fatalf("Executions = %v, %v", es, err)
	}
	for i, e := range es {
		if e.N != int64(i+1) || e.Head == nil {
			t.Errorf("execution %d is %+v", i+1, e)
		}
		values, err := s.Observations(e)
		if err != nil || len(values) != 2 || string(values[1]) != `{"at":1}` {
			t.Errorf("Observations(%d) = %q, %v", e.N, values, err)
		}
		values, err = s.Attachments(e)
		if err != nil || len(values) != 1 || string(values[0]) != `{"tree":1}` {
			t.Errorf("Attachments(%d) = %q, %v", e.N, values, err)
		}
	}
}

func TestSameOpenIsOneExecution(t *testing.T) {
	s := newStore(t)
	for range 2 {
		if n, err := s.AppendExecution(Execution{Open: "abc"}, nil, nil); err != nil || n != 1 {
			t.Errorf("AppendExecution = %d, %v, want 1", n, err)
		}
	}
}

// The list is a copy of what the executions' own files say.
func TestListIsRebuilt(t *testing.T) {
	s := newStore(t)
	appendN(t, s, 3)
	path := s.Path(executionsFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if es, err := s.Executions(); err != nil || len(es) != 3 {
		t.Errorf("Executions without the list = %v, %v, want 3", es, err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, whole) {
		t.Errorf("list made again: %q, %v, want %q", b, err, whole)
	}
}

// A writer killed at any byte of its line: the next one has the list whole.
func TestTornListIsMended(t *testing.T) {
	s := newStore(t)
	appendN(t, s, 2)
	path := s.Path(executionsFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(whole, '\n') + 1
	for _, size := range []int{0, 1, first - 1, first, first + 1, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		want := bytes.Count(whole[:size], []byte("\n"))
		if es, err := s.Executions(); err != nil || len(es) != want {
			t.Errorf("cut to %d bytes: Executions = %d, %v, want %d", size, len(es), err, want)
		}
		appendN(t, s, 1)
		b, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(b, whole) {
			t.Errorf("cut to %d bytes: after the next execution the list is %q, %v", size, b, err)
		}
		whole = b
	}
}

func TestDamagedListIsNamed(t *testing.T) {
	s := newStore(t)
	appendN(t, s, 3)
	path := s.Path(executionsFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line := bytes.IndexByte(whole, '\n') + 1
	whole[line] = 'x'
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = s.Executions()
	e, ok := errors.AsType[*DamageError](err)
	if !ok || e.Record != 1 || e.Offset != int64(line) {
		t.Errorf("Executions = %v, want damage at line 1, byte %d", err, line)
	}
}

func TestChangedObservationsAreFound(t *testing.T) {
	s := newStore(t)
	appendN(t, s, 1)
	es, err := s.Executions()
	if err != nil {
		t.Fatal(err)
	}
	path := s.Path(observationsFile(1))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Observations(es[0]); !isDamage(err, observationsFile(1)) {
			t.Errorf("byte %d changed: Observations = %v, want damage", i, err)
		}
	}
	cut := whole[:bytes.IndexByte(whole, '\n')+1]
	if err := os.WriteFile(path, cut, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Observations(es[0]); !isDamage(err, observationsFile(1)) {
		t.Errorf("last line dropped: Observations = %v, want damage", err)
	}
}

func TestAddRunComparesATwin(t *testing.T) {
	s := newStore(t)
	id := seedRun(t, s, "lines\n")
	write := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	}
	if created, err := s.AddRun(id, write("lines\n")); err != nil || created {
		t.Errorf("AddRun again = %v, %v, want not created", created, err)
	}
	_, err := s.AddRun(id, write("linez\n"))
	if e, ok := errors.AsType[*DamageError](err); !ok || e.Offset != 4 || e.Path != RunPath(id) {
		t.Errorf("AddRun of other lines = %v, want damage at byte 4", err)
	}
	entries, err := os.ReadDir(s.Path("tmp"))
	if err != nil || len(entries) != 0 {
		t.Errorf("tmp holds %v, %v, want nothing", entries, err)
	}
}

func FuzzObservations(f *testing.F) {
	var o Observations
	f.Add(o.Append(o.Append(nil, []byte(`{"a":1}`)), []byte(`"b"`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		values, head, err := ParseObservations(b, false)
		if err != nil {
			return
		}
		var o Observations
		var again []byte
		for _, v := range values {
			again = o.Append(again, v)
		}
		if !bytes.Equal(again, b) || o.Head() != head {
			t.Errorf("parsed and written again: %q, want %q", again, b)
		}
	})
}

// Every changed bit of an execution's attachments is found, and so are
// attachments that are gone or that nobody attached.
func TestChangedAttachmentsAreFound(t *testing.T) {
	s := newStore(t)
	appendN(t, s, 1)
	es, err := s.Executions()
	if err != nil {
		t.Fatal(err)
	}
	path := s.Path(attachmentsFile(1))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(whole) * 8 {
		b := bytes.Clone(whole)
		b[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Attachments(es[0]); err == nil {
			t.Fatalf("bit %d of the attachments changed, and nobody noticed", i)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Attachments(es[0]); err == nil {
		t.Error("the attachments are gone, and nobody noticed")
	}
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	es[0].Attached = nil
	if _, err := s.Attachments(es[0]); err == nil {
		t.Error("attachments that the execution does not have, and nobody noticed")
	}
}

// A power cut can keep the end of a line and lose its beginning.
func TestListWithAHoleIsMended(t *testing.T) {
	s := newStore(t)
	appendN(t, s, 3)
	path := s.Path(executionsFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line   int
		listed int // -1: damage
	}{{2, 2}, {1, -1}} {
		b := bytes.Clone(whole)
		start := 0
		for range c.line {
			start += bytes.IndexByte(b[start:], '\n') + 1
		}
		clear(b[start : start+100])
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		es, err := s.Executions()
		if c.listed < 0 {
			if _, ok := errors.AsType[*DamageError](err); !ok {
				t.Errorf("zeros in line %d: Executions = %d, %v, want damage", c.line, len(es), err)
			}
			continue
		}
		if err != nil || len(es) != c.listed {
			t.Errorf("zeros in line %d: Executions = %d, %v, want %d", c.line, len(es), err, c.listed)
		}
	}
	b := bytes.Clone(whole)
	clear(b[len(b)-50 : len(b)-1])
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	appendN(t, s, 1)
	if b, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(b, whole) {
		t.Errorf("after the next execution the list is %q, %v", b, err)
	}
}
