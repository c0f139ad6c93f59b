package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/coo-runtime/coo/internal/digest"
)

// A memory is a Reader that counts what it is asked.
type memory struct {
	files map[string]string
	asked []string
}

func (m *memory) Read(p string) ([]byte, bool, error) {
	m.asked = append(m.asked, "read "+p)
	s, ok := m.files[p]
	if !ok {
		return nil, false, fs.ErrNotExist
	}
	return []byte(s), false, nil
}

func (m *memory) Glob(pattern string) ([]string, error) {
	m.asked = append(m.asked, "list "+pattern)
	p, err := ParsePattern(pattern)
	if err != nil {
		return nil, err
	}
	var list []string
	for f := range m.files {
		if p.Match(f) {
			list = append(list, f)
		}
	}
	slices.Sort(list)
	return list, nil
}

func (m *memory) Touch(p string) error {
	m.asked = append(m.asked, "touch "+p)
	return nil
}

func write(t testing.TB, o *Overlay, p, data string) {
	t.Helper()
	if err := o.Write(p, []byte(data), false); err != nil {
		t.Fatal(err)
	}
}

func wantRead(t *testing.T, o *Overlay, p, want string) {
	t.Helper()
	if got, err := o.Read(p); err != nil || string(got) != want {
		t.Errorf("Read(%q) = %q, %v; want %q", p, got, err, want)
	}
}

func wantGone(t *testing.T, o *Overlay, p string) {
	t.Helper()
	if got, err := o.Read(p); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read(%q) = %q, %v; want no such file", p, got, err)
	}
}

func sumOf(s string) *digest.Digest {
	d := digest.Of([]byte(s))
	return &d
}

func TestFailedStepLeavesNothing(t *testing.T) {
	o := New(&memory{files: map[string]string{"base.txt": "base", "kept.txt": "kept"}})
	write(t, o, "draft.md", "v1")
	step := o.Child()
	write(t, step, "draft.md", "v2")
	write(t, step, "new.md", "new")
	if err := step.Remove("base.txt"); err != nil {
		t.Fatal(err)
	}
	write(t, step, "draft.md", "v3")
	wantRead(t, step, "draft.md", "v3")
	wantGone(t, step, "base.txt")
	wantRead(t, step, "kept.txt", "kept")

	want := []Undone{{"draft.md", sumOf("v3")}, {"base.txt", nil}, {"new.md", sumOf("new")}}
	if diff := cmp.Diff(want, step.Drop()); diff != "" {
		t.Errorf("Drop (-want +got):\n%s", diff)
	}
	wantRead(t, o, "draft.md", "v1")
	wantRead(t, o, "base.txt", "base")
	wantGone(t, o, "new.md")
	// What the failed step read has been read all the same.
	read, wrote := o.Touched()
	if got := fmt.Sprint(read, wrote); got != "[base.txt kept.txt new.md] [draft.md]" {
		t.Errorf("Touched = %s", got)
	}
}

func TestStepThatEndsWellBecomesPartOfItsParent(t *testing.T) {
	o := New(&memory{files: map[string]string{"a": "base"}})
	step := o.Child()
	inner := step.Child()
	write(t, inner, "a", "inner")
	inner.Merge()
	write(t, step, "b", "step")
	wantRead(t, step, "a", "inner")
	wantRead(t, o, "a", "base")
	step.Merge()
	wantRead(t, o, "a", "inner")
	wantRead(t, o, "b", "step")
}

func TestListSeesTheOverlay(t *testing.T) {
	m := &memory{files: map[string]string{"n/1.md": "", "n/2.md": "", "n/x.txt": ""}}
	o := New(m)
	write(t, o, "n/3.md", "")
	if err := o.Remove("n/1.md"); err != nil {
		t.Fatal(err)
	}
	step := o.Child()
	write(t, step, "n/0.md", "")
	for range 2 {
		got, err := step.List("n/*.md")
		if want := []string{"n/0.md", "n/2.md", "n/3.md"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("List = %q, %v; want %q", got, err, want)
		}
	}
	// The list below is one input however often it is looked at.
	if n := strings.Count(strings.Join(m.asked, "\n"), "list "); n != 1 {
		t.Errorf("the reader was asked for the list %d times, want 1", n)
	}
}

func TestWriteReadsNothing(t *testing.T) {
	m := &memory{files: map[string]string{"a/b": "x"}}
	o := New(m)
	write(t, o, "a/b", "y")
	write(t, o, "a/b", "z")
	wantRead(t, o, "a/b", "z")
	if got := strings.Join(m.asked, ", "); got != "touch a/b" {
		t.Errorf("the reader was asked: %s; want one touch", got)
	}
	if b := o.Before(); len(b) != 0 {
		t.Errorf("Before = %v, want nothing", b)
	}
}

func TestOverlayRefuses(t *testing.T) {
	for _, tt := range []struct{ name, err string }{
		{"write under a file written", `write "f/x": "f" is a file`},
		{"write under a file read", `write "base/x": "base" is a file`},
		{"write over a directory", `write "d": it is a directory`},
		{"write over a directory read", `write "bd": it is a directory`},
		{"write in another case", `write "D/y": "D" and "d" differ only in case`},
		{"read of nothing", `read "none": no such file`},
		{"read of a directory", `read "d": no such file`},
		{"read under a file", `read "f/x": no such file`},
		{"remove of nothing", `remove "none": no such file`},
		{"remove of an ignored name", `remove ".env": ".env" is never read or written`},
		{"write of a bad name", `write "a?b": '?' is not allowed in a name`},
		{"list of a bad pattern", `list "[": malformed pattern`},
	} {
		o := New(&memory{files: map[string]string{"base": "x", "bd/x": "y"}})
		write(t, o, "f", "1")
		write(t, o, "d/x", "2")
		wantRead(t, o, "base", "x")
		wantRead(t, o, "bd/x", "y")
		op, arg, _ := strings.Cut(tt.err, ` "`)
		arg, _, _ = strings.Cut(arg, `"`)
		var err error
		switch op {
		case "write":
			err = o.Child().Write(arg, nil, false)
		case "read":
			_, err = o.Child().Read(arg)
		case "remove":
			err = o.Child().Remove(arg)
		case "list":
			_, err = o.Child().List(arg)
		}
		if errText(err) != tt.err {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.err)
		}
		if _, ok := errors.AsType[*PathError](err); !ok {
			t.Errorf("%s: %T, want a *PathError", tt.name, err)
		}
	}
}

func TestFileAndDirectoryTradePlaces(t *testing.T) {
	o := New(&memory{files: map[string]string{"a": "file", "d/x": "inside"}})
	for _, p := range []string{"a", "d/x"} {
		if err := o.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
	write(t, o, "a/b", "now a directory")
	write(t, o, "d", "now a file")
	wantGone(t, o, "a")
	wantGone(t, o, "d/x")
}

func TestWrittenBytesAreBounded(t *testing.T) {
	o := New(&memory{})
	big := make([]byte, MaxFile)
	for i := range MaxPending / MaxFile {
		if err := o.Write(fmt.Sprintf("f%d", i), big, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Write("more", []byte("x"), false); errText(err) != `write "more": more than 512 MiB are written and not yet applied` {
		t.Errorf("Write above the limit: %v", err)
	}
	if err := o.Write("f0", append(big, 0), false); errText(err) != `write "f0": larger than 64 MiB` {
		t.Errorf("Write of a file that is too large: %v", err)
	}
	// Neither an overwritten file nor one of a failed step counts.
	write(t, o, "f0", "small")
	for range 3 {
		step := o.Child()
		if err := step.Write("more", big[:len(big)-5], false); err != nil {
			t.Fatal(err)
		}
		step.Drop()
	}
}

func TestReaderThatChangesItsMind(t *testing.T) {
	m := &memory{files: map[string]string{"a": "1"}}
	o := New(m)
	wantRead(t, o, "a", "1")
	wantGone(t, o, "b")
	m.files["a"], m.files["b"] = "2", "now there"
	if _, err := o.Read("a"); errText(err) != `"a" changed while the mission ran: nothing was applied` {
		t.Errorf("Read of a changed file: %v", err)
	}
	wantGone(t, o, "b")
}

func TestFootprint(t *testing.T) {
	o := New(&memory{files: map[string]string{"notes.txt": "n", "old.txt": "o", "zz": "z"}})
	wantRead(t, o, "notes.txt", "n")
	wantGone(t, o, "none")
	if err := o.Remove("old.txt"); err != nil {
		t.Fatal(err)
	}
	if err := o.Write("run.sh", []byte("#!"), true); err != nil {
		t.Fatal(err)
	}
	write(t, o, "brief", "")
	wantGone(t, o, "brief2")
	write(t, o, "brief2", "")
	if err := o.Remove("brief2"); err != nil {
		t.Fatal(err)
	}
	n, old, sh, empty := sumOf("n"), sumOf("o"), sumOf("#!"), sumOf("")
	for _, tt := range []struct {
		name    string
		entries []Entry
		want    string
	}{
		{"Before", o.Before(), fmt.Sprintf(`[{"mode":"absent","path":"brief2","sha256":null},{"mode":"absent","path":"none","sha256":null},`+
			`{"mode":"file","path":"notes.txt","sha256":"%s"},{"mode":"file","path":"old.txt","sha256":"%s"}]`, n, old)},
		{"After", o.After(), fmt.Sprintf(`[{"mode":"file","path":"brief","sha256":"%s"},{"mode":"absent","path":"brief2","sha256":null},{"mode":"absent","path":"none","sha256":null},`+
			`{"mode":"file","path":"notes.txt","sha256":"%s"},{"mode":"absent","path":"old.txt","sha256":null},{"mode":"exec","path":"run.sh","sha256":"%s"}]`, empty, n, sh)},
		{"Changes", o.Changes(), fmt.Sprintf(`[{"mode":"file","path":"brief","sha256":"%s"},{"mode":"absent","path":"old.txt","sha256":null},{"mode":"exec","path":"run.sh","sha256":"%s"}]`, empty, sh)},
		{"nothing", nil, "[]"},
	} {
		slices.Reverse(tt.entries) // the order given does not matter
		got, err := Footprint(tt.entries)
		if err != nil || string(got) != tt.want {
			t.Errorf("Footprint of %s:\n%s, %v; want\n%s", tt.name, got, err, tt.want)
		}
	}
	if _, err := Footprint([]Entry{{Path: "a"}, {Path: "a"}}); err == nil {
		t.Error("Footprint with one path twice = nil, want an error")
	}
}

func TestConflicts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		branches [][]string // operations of each branch
		want     string
	}{
		{"apart", [][]string{{"w a"}, {"w b"}, {"r c", "l d/*"}}, ""},
		{"both read", [][]string{{"r base"}, {"r base", "l *"}}, ""},
		{"its own", [][]string{{"w a", "r a", "l *"}, {"w b/c", "r b/c", "l b/*"}}, ""},
		{"write, write", [][]string{{"w x"}, {"w a"}, {"w b", "w a"}}, `branches 1 and 2 both write "a"`},
		{"remove, write", [][]string{{"d base"}, {"w base"}}, `branches 0 and 1 both write "base"`},
		{"read, write", [][]string{{"w base"}, {"r base"}}, `branch 1 reads "base", which branch 0 writes`},
		{"absent, write", [][]string{{"r a"}, {"w a"}}, `branch 0 reads "a", which branch 1 writes`},
		{"read by a failed step", [][]string{{"w base"}, {"step", "r base", "drop"}}, `branch 1 reads "base", which branch 0 writes`},
		{"write of a failed step", [][]string{{"w base"}, {"step", "w base", "drop"}}, ""},
		{"write of a good step", [][]string{{"step", "w base", "merge"}, {"w base"}}, `branches 0 and 1 both write "base"`},
		{"case", [][]string{{"w Read.me"}, {"w read.me"}}, `branch 0 writes "Read.me" and branch 1 "read.me", which differ only in case`},
		{"file, directory", [][]string{{"w a/b"}, {"w a"}}, `branch 1 writes "a" and branch 0 "a/b": a file is no directory`},
		{"read file, directory", [][]string{{"w a/b"}, {"r a"}}, `branch 1 reads "a" and branch 0 writes "a/b": a file is no directory`},
		{"file, read below", [][]string{{"r a/b"}, {"w a"}}, `branch 0 reads "a/b" and branch 1 writes "a": a file is no directory`},
		{"list, write", [][]string{{"w n/a.md"}, {"l n/*.md"}}, `branch 1 lists "n/*.md", which matches "n/a.md" that branch 0 writes`},
		{"first pair", [][]string{{"w z"}, {"w b"}, {"w b", "w a"}, {"w a", "w z", "w c"}, {"w c"}}, `branches 0 and 3 both write "z"`},
	} {
		o := New(&memory{files: map[string]string{"base": "x"}})
		var branches []*Overlay
		for _, ops := range tt.branches {
			b := o.Child()
			branches = append(branches, b)
			for _, op := range ops {
				b = perform(t, b, op)
			}
		}
		err := Conflicts(branches)
		if errText(err) != tt.want {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.want)
		}
	}
}

func perform(t *testing.T, o *Overlay, op string) *Overlay {
	t.Helper()
	verb, arg, _ := strings.Cut(op, " ")
	var err error
	switch verb {
	case "w":
		err = o.Write(arg, nil, false)
	case "d":
		err = o.Remove(arg)
	case "r":
		if _, err = o.Read(arg); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	case "l":
		_, err = o.List(arg)
	case "step":
		return o.Child()
	case "merge":
		o.Merge()
		return o.parent
	case "drop":
		o.Drop()
		return o.parent
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestOverlayModel compares nested overlays with whole copies of a directory.
func TestOverlayModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		paths := rapid.SampledFrom([]string{"a", "b", "c", "d/x", "d/y", "d/e/z"})
		base := map[string]string{"a": "A", "b": "B", "d/x": "X"}
		o := New(&memory{files: base})
		overlays, models := []*Overlay{o}, []map[string]string{maps.Clone(base)}
		for range rapid.IntRange(20, 100).Draw(t, "ops") {
			top := len(overlays) - 1
			o, m := overlays[top], models[top]
			p := paths.Draw(t, "path")
			switch op := rapid.IntRange(0, 7).Draw(t, "op"); op {
			case 0, 1:
				s := rapid.StringN(0, 3, -1).Draw(t, "data")
				if err := o.Write(p, []byte(s), false); err != nil {
					t.Fatal(err)
				}
				m[p] = s
			case 2:
				_, ok := m[p]
				if err := o.Remove(p); (err == nil) != ok {
					t.Fatalf("Remove(%q) = %v; there: %v", p, err, ok)
				}
				delete(m, p)
			case 3:
				got, err := o.Read(p)
				if want, ok := m[p]; (err == nil) != ok || string(got) != want {
					t.Fatalf("Read(%q) = %q, %v; want %q, %v", p, got, err, want, ok)
				}
			case 4:
				got, err := o.List("**")
				if want := slices.Sorted(maps.Keys(m)); err != nil || !slices.Equal(got, want) {
					t.Fatalf("List = %q, %v; want %q", got, err, want)
				}
			case 5:
				overlays, models = append(overlays, o.Child()), append(models, maps.Clone(m))
			default:
				if top == 0 {
					continue
				}
				overlays, models = overlays[:top], models[:top]
				if op == 6 {
					o.Merge()
					models[top-1] = m
				} else {
					checkUndone(t, models[top-1], m, o.Drop())
				}
			}
		}
		for len(overlays) > 1 {
			overlays[len(overlays)-1].Drop()
			overlays = overlays[:len(overlays)-1]
		}
		checkChanges(t, base, models[0], o.Changes())
		var held int64
		for _, e := range o.entries {
			held += int64(len(e.data))
		}
		if o.run.pending != held {
			t.Fatalf("%d bytes are pending, %d held", o.run.pending, held)
		}
	})
}

// checkUndone demands that every difference made since a step began is named.
func checkUndone(t *rapid.T, before, after map[string]string, undone []Undone) {
	named := map[string]Undone{}
	for _, u := range undone {
		named[u.Path] = u
	}
	if len(named) != len(undone) {
		t.Fatalf("Drop names a path twice: %v", undone)
	}
	for p, u := range named {
		if s, ok := after[p]; ok != (u.Wrote != nil) || ok && *u.Wrote != *sumOf(s) {
			t.Fatalf("Drop: %q: %v, but the step left %q, %v", p, u.Wrote, s, ok)
		}
	}
	for _, m := range []map[string]string{before, after} {
		for p := range m {
			b, inB := before[p]
			a, inA := after[p]
			if _, ok := named[p]; !ok && (a != b || inA != inB) {
				t.Fatalf("Drop does not name %q", p)
			}
		}
	}
}

// checkChanges applies the changes to the base and demands the model.
func checkChanges(t *rapid.T, base, model map[string]string, changes []Entry) {
	got := map[string]string{}
	for p, s := range base {
		got[p] = sumOf(s).String()
	}
	for _, e := range changes {
		if delete(got, e.Path); e.SHA256 != nil {
			got[e.Path] = e.SHA256.String()
		}
	}
	want := map[string]string{}
	for p, s := range model {
		want[p] = sumOf(s).String()
	}
	if !maps.Equal(got, want) {
		t.Fatalf("the base with Changes is %v, want %v", got, want)
	}
}
