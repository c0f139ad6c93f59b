package snapshot

import (
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/workspace"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// editsOf makes edits of what an overlay of package workspace changed.
func editsOf(t rapid.TB, o *workspace.Overlay) []Edit {
	var edits []Edit
	for _, e := range o.Changes() {
		edit := Edit{Path: e.Path, Exec: e.Mode == workspace.Exec, SHA256: e.SHA256}
		if e.SHA256 != nil {
			b, err := o.Read(e.Path)
			if err != nil {
				t.Fatal(err)
			}
			edit.Size = int64(len(b))
		}
		edits = append(edits, edit)
	}
	return edits
}

// What Overlay says a step makes of a tree is what package workspace makes of the
// directory, to the last permission.
func TestOverlayModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		st, root := newStore(t), tempDir(t)
		m := drawModel(rt, "base")
		for p, text := range m { // writing into a locked directory is another test's
			if text == "d0555" || text == "d0500" {
				m[p] = "d0750"
			}
		}
		if rapid.Bool().Draw(rt, "ignore") {
			m[".cooignore"] = "f0644 /b/a\n/a-b\n"
		}
		m.write(t, root)
		base := mustTake(t, root, st, Options{}).Tree
		d := openDir(t, root)
		o := workspace.New(d)
		for range rapid.IntRange(0, 6).Draw(rt, "edits") {
			p := rapid.SampledFrom([]string{"a", "a/b", "a/b/a", "b", "b/a", "b/a/b", "a-b", "c/d/e"}).Draw(rt, "path")
			var err error
			if rapid.IntRange(0, 2).Draw(rt, "what") == 0 {
				err = o.Remove(p)
			} else {
				err = o.Write(p, []byte(rapid.SampledFrom([]string{"1", "new"}).Draw(rt, "data")), rapid.Bool().Draw(rt, "exec"))
			}
			_ = err // what the workspace refuses is not in the overlay
		}
		edits := editsOf(rt, o)
		got, oerr := Overlay(st, st, base, edits)
		plan, err := workspace.Prepare(d, o, st.Put)
		if err != nil {
			return // a link or a file in the way; Overlay may differ on links
		}
		if err := plan.Apply(d, st.GetReader); err != nil {
			rt.Fatal(err)
		}
		want := mustTake(t, root, st, Options{}).Tree
		if oerr != nil || got != want {
			rt.Fatalf("Overlay of %v: %v (-want +got):\n%s", edits, oerr, cmp.Diff(readStored(t, st, want), readStored(t, st, got)))
		}
	})
}

// counter counts the objects that are read and stored.
type counter struct {
	Getter
	Putter
	gets, puts int
}

func (c *counter) Get(d digest.Digest) ([]byte, error) { c.gets++; return c.Getter.Get(d) }
func (c *counter) Put(b []byte) (digest.Digest, error) { c.puts++; return c.Putter.Put(b) }

func TestOverlaySharesSubtrees(t *testing.T) {
	st, root := newStore(t), tempDir(t)
	sample.write(t, root)
	base := mustTake(t, root, st, Options{}).Tree
	sum := digest.Of([]byte("new"))
	c := &counter{Getter: st, Putter: st}
	tree, err := Overlay(c, c, base, []Edit{{Path: "d/e/f", SHA256: &sum, Size: 3}})
	if err != nil || c.gets != 3 || c.puts != 3 {
		t.Errorf("Overlay: %v; %d objects read and %d stored, want 3 and 3", err, c.gets, c.puts)
	}
	changes, err := Diff(st, base, tree)
	if err != nil || len(changes) != 1 || changes[0].Path != "d/e/f" || changes[0].Kind != Changed || changes[0].After.Mode != "0600" {
		t.Errorf("Diff = %+v, %v", changes, err)
	}
	if same, err := Overlay(c, c, base, nil); err != nil || same != base || c.puts != 3 {
		t.Errorf("Overlay of nothing = %s, %v", same.Short(), err)
	}
}

func TestOverlayRefuses(t *testing.T) {
	st, root := newStore(t), tempDir(t)
	sample.write(t, root)
	base := mustTake(t, root, st, Options{}).Tree
	sum := digest.Of(nil)
	for _, tt := range []struct {
		paths []string
		err   string
	}{
		{[]string{"../x"}, `overlay: name ".." is no name`},
		{[]string{".git/x"}, `overlay: name ".git" is never read or written`},
		{[]string{"a", "a"}, `overlay: "a": twice`},
		{[]string{"a/b"}, `overlay: "a/b": "a" is a file`},
		{[]string{"link/b"}, `overlay: "link/b": "link" is a link`},
		{[]string{"d"}, `overlay: "d/e": it is a directory that holds "d/e/f"`},
	} {
		var edits []Edit
		for _, p := range tt.paths {
			edits = append(edits, Edit{Path: p, SHA256: &sum})
		}
		if _, err := Overlay(st, st, base, edits); errText(err) != tt.err {
			t.Errorf("%q: %v; want %s", tt.paths, err, tt.err)
		}
	}
}
