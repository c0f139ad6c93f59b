package snapshot

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/workspace"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawModel draws a tree of a few names.
func drawModel(t *rapid.T, label string) model {
	m := model{}
	var fill func(at string, depth int)
	fill = func(at string, depth int) {
		for _, name := range []string{"a", "b", "a-b"} {
			p := path.Join(at, name)
			switch rapid.IntRange(0, 5).Draw(t, label+" "+p) {
			case 0, 1:
				if depth < 3 {
					m[p] = "d" + rapid.SampledFrom([]string{"0755", "0700", "0555", "0500"}).Draw(t, "mode")
					fill(p, depth+1)
				}
			case 2, 3:
				m[p] = "f" + rapid.SampledFrom([]string{"0644", "0444", "0755", "0600"}).Draw(t, "mode") + " " + rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "content")
			case 4:
				m[p] = "-> " + rapid.SampledFrom([]string{"a", "b/a", "..", "/tmp"}).Draw(t, "target")
			}
		}
	}
	fill("", 1)
	return m
}

// Snapshots of random trees, in any order, and back to any of them: each time the
// directory is the model, and its snapshot the same.
func TestRollbackModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		st := newStore(t)
		root := tempDir(t)
		var models []model
		var trees []digest.Digest
		for i := range rapid.IntRange(2, 4).Draw(rt, "states") {
			m := drawModel(rt, "state")
			models = append(models, m)
			dir := filepath.Join(root, string(rune('a'+i)))
			if err := os.Mkdir(dir, 0o755); err != nil {
				rt.Fatal(err)
			}
			m.write(t, dir)
			s := mustTake(t, dir, st, Options{})
			if diff := cmp.Diff(m, readStored(t, st, s.Tree)); diff != "" {
				rt.Fatalf("the tree (-want +got):\n%s", diff)
			}
			trees = append(trees, s.Tree)
		}
		work := filepath.Join(root, "work")
		if err := Restore(st, trees[0], work); err != nil {
			rt.Fatal(err)
		}
		at := 0
		for range rapid.IntRange(1, 6).Draw(rt, "rollbacks") {
			to := rapid.IntRange(0, len(trees)-1).Draw(rt, "to")
			r := rollback(t, work, st, trees[to])
			if diff := cmp.Diff(models[to], read(t, work)); diff != "" {
				rt.Fatalf("the directory (-want +got):\n%s", diff)
			}
			if r.Now.Tree != trees[at] || (trees[at] == trees[to]) != r.Plan.Empty() {
				rt.Fatalf("from %d to %d: the plan is empty: %v", at, to, r.Plan.Empty())
			}
			checkDiff(rt, models[at], models[to], r.Changes)
			at = to
		}
	})
}

// checkDiff compares changes with what the models say.
func checkDiff(t interface{ Fatalf(string, ...any) }, a, b model, changes []Change) {
	got := map[string]string{}
	for _, c := range changes {
		got[c.Path] = c.Kind
	}
	want := map[string]string{}
	for p := range a {
		switch x, y := a[p], b[p]; {
		case y == "":
			want[p] = Removed
		case x == y:
		case x[0] != y[0]:
			want[p] = Type
		case x[0] == 'd', x[0] == 'f' && x[5:] == y[5:]:
			want[p] = Mode
		default:
			want[p] = Changed
		}
	}
	for p := range b {
		if a[p] == "" {
			want[p] = Added
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Diff (-want +got):\n%s", diff)
	}
	if !slices.IsSortedFunc(changes, func(x, y Change) int { return strings.Compare(x.Path, y.Path) }) {
		t.Fatalf("Diff is not sorted: %v", changes)
	}
}

// What is outside of the snapshots stays, and where it stands in the way nothing
// happens.
func TestRollbackKeepsWhatIsOutside(t *testing.T) {
	for _, tt := range []struct {
		name         string
		then, meddle model // the tree; what is added to it since
		gone         []string
		left         model // what is there in the end, besides the tree
		kept         []string
		err          string
	}{
		{
			name: "an ignored file in a new directory", then: model{"a": "f0644 1"},
			meddle: model{"d": "d0755", "d/x": "f0644 x", "d/.env": "f0644 K"},
			left:   model{"d": "d0755", "d/.env": "f0644 K"}, kept: []string{"d"},
		},
		{
			name: "one in a locked directory", then: model{"a": "f0644 1"},
			meddle: model{"d": "d0555", "d/x": "f0644 x", "d/.env": "f0644 K"},
			left:   model{"d": "d0555", "d/.env": "f0644 K"}, kept: []string{"d"},
		},
		{
			name: "a file where the directory is", then: model{"d": "f0644 1"}, gone: []string{"d"},
			meddle: model{"d": "d0755", "d/.env": "f0644 K"},
			err:    `"d": a directory is there, with something outside of the snapshot in it`,
		},
		{
			name: "named by the newer ignore file", then: model{"out": "f0644 1"},
			meddle: model{".cooignore": "f0644 *.tmp\nout\n", "x.tmp": "f0644 x"}, gone: []string{"out"},
			left: model{"x.tmp": "f0644 x"},
		},
		{
			name: "named by the older one", then: model{".cooignore": "f0644 *.tmp\n"}, gone: []string{".cooignore"},
			meddle: model{"x.tmp": "f0644 x", "y": "f0644 y"},
			left:   model{"x.tmp": "f0644 x"},
		},
		{
			name: "in an ignored directory of the tree", then: model{"build": "d0755", "build/a": "f0644 1"},
			meddle: model{".cooignore": "f0644 build\n", "build/b": "f0644 2"}, gone: []string{"build/a"},
			left: model{"build/b": "f0644 2"},
		},
		{
			name: "an ignored directory where a file was", then: model{"build": "f0644 1"}, gone: []string{"build"},
			meddle: model{".cooignore": "f0644 build\n", "build": "d0755", "build/b": "f0644 2"},
			err:    `"build": is outside of the snapshot and stands in the way`,
		},
	} {
		root, st := tempDir(t), newStore(t)
		tt.then.write(t, root)
		tree := mustTake(t, root, st, Options{}).Tree
		for _, p := range tt.gone {
			if err := os.Remove(filepath.Join(root, p)); err != nil {
				t.Fatal(err)
			}
		}
		tt.meddle.write(t, root)
		before := read(t, root)
		d := openDir(t, root)
		r, err := Prepare(d, st, tree, Options{})
		if errText(err) != tt.err {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.err)
		}
		if err != nil {
			if diff := cmp.Diff(before, read(t, root)); diff != "" {
				t.Errorf("%s: refused, but the directory changed (-want +got):\n%s", tt.name, diff)
			}
			continue
		}
		if err := r.Plan.Apply(d, st.GetReader); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := model{}
		for _, m := range []model{tt.then, tt.left} {
			for p, text := range m {
				want[p] = text
			}
		}
		if diff := cmp.Diff(want, read(t, root)); diff != "" {
			t.Errorf("%s: the directory (-want +got):\n%s", tt.name, diff)
		}
		if !slices.Equal(r.Kept, tt.kept) {
			t.Errorf("%s: Kept = %q, want %q", tt.name, r.Kept, tt.kept)
		}
		// And back.
		err = r.Plan.Inverse().Apply(d, st.GetReader)
		if diff := cmp.Diff(before, read(t, root)); err != nil || diff != "" {
			t.Errorf("%s: undone: %v; the directory (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

// A file that could not be put back is not overwritten.
func TestRollbackRefusesProblemsAndSecrets(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	model{"f": "f0644 1", "g": "f0644 1"}.write(t, root)
	tree := mustTake(t, root, st, Options{}).Tree
	if err := os.WriteFile(root+"/f", []byte("hunter22"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, root)
	opts := Options{Scan: func() Scanner { return &scanner{word: []byte("hunter22")} }}
	_, err := Prepare(d, st, tree, opts)
	if want := `"f": holds a secret and could not be put back`; errText(err) != want {
		t.Errorf("Prepare over a secret: %v; want %s", err, want)
	}
	if be, ok := errors.AsType[*BlockedError](err); !ok || be.Path != "f" {
		t.Errorf("Prepare over a secret: %v, want a *BlockedError", err)
	}
}

// A rollback that dies is finished or undone, whatever there was to do.
func TestRollbackRecovers(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	sample.write(t, root)
	tree := mustTake(t, root, st, Options{}).Tree
	if err := os.RemoveAll(root + "/a.d"); err != nil {
		t.Fatal(err)
	}
	model{"a.d": "f0644 now a file", "more": "d0555"}.write(t, root)
	d := openDir(t, root)
	r, err := Prepare(d, st, tree, Options{})
	if err != nil {
		t.Fatal(err)
	}
	enc, err := r.Plan.Encode()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := workspace.DecodePlan(enc)
	if err != nil {
		t.Fatal(err)
	}
	// As after a crash in the middle: one of the directories is gone already.
	if err := os.Remove(root + "/more"); err != nil {
		t.Fatal(err)
	}
	rec, err := plan.Recover(d, st.GetReader)
	if err != nil || !rec.Finished {
		t.Fatalf("Recover = %+v, %v", rec, err)
	}
	if diff := cmp.Diff(sample, read(t, root)); diff != "" {
		t.Errorf("the directory (-want +got):\n%s", diff)
	}
}

// A name that changes its case only: the two states cannot be told apart there.
func TestRenameByCaseOnly(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	model{"d": "d0755", "d/readme": "f0644 1", "other": "f0644 2"}.write(t, root)
	tree := mustTake(t, root, st, Options{}).Tree
	if err := os.Rename(root+"/d/readme", root+"/d/README"); err != nil {
		t.Fatal(err)
	}
	defer func(f func(string, string, string) (bool, error)) { sameName = f }(sameName)
	sameName = func(_, a, b string) (bool, error) { return strings.EqualFold(a, b), nil }
	d := openDir(t, root)
	before := read(t, root)
	_, err := Prepare(d, st, tree, Options{})
	want := `"d/readme": is the same name as "d/README", which is there, on this file system: rename that by hand, by way of a third name, and try again`
	if be, ok := errors.AsType[*BlockedError](err); !ok || be.Error() != want {
		t.Errorf("Prepare: %v; want %s", err, want)
	}
	if diff := cmp.Diff(before, read(t, root)); diff != "" {
		t.Errorf("the directory (-want +got):\n%s", diff)
	}
	sameName = func(string, string, string) (bool, error) { return false, nil }
	rollback(t, root, st, tree) // two names where case counts
}

func TestCollisions(t *testing.T) {
	nfc, nfd := "\u00e9", "e\u0301"
	root, st := tempDir(t), newStore(t)
	model{"d": "d0755", "d/Read": "f0644 1", "d/read": "f0644 2", "d/straße": "f0644 1", "d/STRASSE": "f0644 1", nfc: "f0644 1", nfd: "f0644 2"}.write(t, root)
	tree := mustTake(t, root, st, Options{}).Tree
	rollback(t, root, st, tree) // they are different files here
	if err := Restore(st, tree, root+"/.coo-elsewhere"); err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	defer func(f func(string, string, string) (bool, error)) { sameName = f }(sameName)
	sameName = func(_, a, b string) (bool, error) {
		asked[a+" "+b] = true
		return false, nil
	}
	d := openDir(t, root)
	if _, err := Prepare(d, st, tree, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, pair := range []string{"Read read", "STRASSE straße", nfd + " " + nfc} {
		if !asked[pair] {
			t.Errorf("the file system was asked about %v, not %q", asked, pair)
		}
	}
	sameName = func(_, a, b string) (bool, error) { return strings.EqualFold(a, b), nil }
	want := `"d/read": is the same name as "d/Read" on this file system`
	if _, err := Prepare(d, st, tree, Options{}); errText(err) != want {
		t.Errorf("Prepare: %v; want %s", err, want)
	}
	dir := filepath.Join(tempDir(t), "r")
	if err := Restore(st, tree, dir); !strings.HasSuffix(errText(err), want) {
		t.Errorf("Restore: %v; want %s", err, want)
	}
	if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) > 0 {
		t.Errorf("a refused Restore leaves %v, %v", entries, err)
	}
}
