package workspace

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/coo-runtime/coo/internal/durable"
)

// crowd changes more files, in more directories, than are synced one by one.
func crowd(t *testing.T) (*Dir, *Plan, shelf) {
	t.Helper()
	tree := map[string]string{}
	for i := range 2*durable.SyncEach + 10 {
		tree[fmt.Sprintf("d%d/old", i)] = fmt.Sprint(i)
	}
	d := openDir(t, makeTree(t, tree))
	o := New(d)
	for i := range 2*durable.SyncEach + 10 {
		write(t, o, fmt.Sprintf("d%d/%s", i, []string{"old", "new"}[i%2]), "written")
	}
	for i := range 3 {
		write(t, o, fmt.Sprintf("made%d/new", i), "written")
	}
	p, blobs := prepare(t, d, o)
	return d, p, blobs
}

func TestManyFilesAreSyncedTogether(t *testing.T) {
	d, p, blobs := crowd(t)
	var ops []string
	d.fault = func(op, name string) error {
		if op == "sync" {
			op += " " + name
		}
		if len(ops) == 0 || ops[len(ops)-1] != op {
			ops = append(ops, op)
		}
		return nil
	}
	if err := p.Apply(d, blobs.get); err != nil {
		t.Fatal(err)
	}
	// Of the directories that are made each is synced before it has its name:
	// nobody would give it its permissions after a crash.
	made := func() []string {
		dir := fmt.Sprintf("%s%s-dir.new", tempPrefix, p.ID)
		return []string{"mkdir", "chmod", "sync " + dir, "rename"}
	}
	staged := []string{}
	want := slices.Concat([]string{"syncfs"}, made(), made(), made(), []string{"syncfs", "remove", "syncfs"})
	for len(ops) > 0 && ops[0] != "syncfs" {
		staged, ops = append(staged, ops[0]), ops[1:]
	}
	for _, op := range staged {
		if op != "remove" && op != "create" && op != "link" {
			t.Errorf("%q comes before the files are synced", op)
		}
	}
	if !slices.Equal(ops, want) {
		t.Errorf("the operations are\n%q, want\n%q", ops, want)
	}
}

func TestCrashesAmongManyFiles(t *testing.T) {
	d, p, blobs := crowd(t)
	before := readTree(t, d.Path())
	if err := p.Apply(d, blobs.get); err != nil {
		t.Fatal(err)
	}
	after := readTree(t, d.Path())
	finished := map[bool]int{}
	for k := 0; ; k += 29 {
		d, p, blobs := crowd(t)
		if !crashAt(d, k, func() { _ = p.Apply(d, blobs.get) }) {
			break
		}
		for j := 5; crashAt(d, j, func() { _, _ = p.Recover(d, blobs.get) }); j += 170 {
		}
		r, err := p.Recover(d, blobs.get)
		if err != nil || len(r.Kept) > 0 {
			t.Fatalf("crash at %d: Recover = %+v, %v", k, r, err)
		}
		finished[r.Finished]++
		want := before
		if r.Finished {
			want = after
		}
		if !wantTree(t, d, want) {
			t.Fatalf("crash at %d: Recover = %+v in %s", k, r, filepath.Base(d.Path()))
		}
	}
	if finished[true] < 3 || finished[false] < 3 {
		t.Errorf("finished: %v; want both ends often", finished)
	}
}
