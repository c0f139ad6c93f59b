package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

// caseless reports whether the file system of the tests takes two names for one by
// case and by Unicode's normal forms. tools/caseless.sh runs them on one that does,
// and says so in COO_CASELESS.
func caseless(t *testing.T) bool {
	t.Helper()
	one, err := sameName(tempDir(t), "\u00c9", "e\u0301")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("COO_CASELESS") != "" && !one {
		t.Fatal("this file system tells names apart by case or by normal form")
	}
	return one
}

// A tree that another file system gave, with two names that are one here, changes
// nothing.
func TestTreesWithNamesThatAreOne(t *testing.T) {
	one, st := caseless(t), newStore(t)
	empty, err := st.Put(encodeTree(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{
		{"d/Read.me", "d/read.me"},
		{"Docs/a", "docs/b"},
		{"e\u0301", "\u00e9"},
	} {
		m := model{"Docs": "d0755", "d": "d0755", "e": "f0644 here"}
		tree := treeOfNames(t, st, empty, pair[0], pair[1])
		want := model{}
		root := filepath.Join(tempDir(t), "r")
		err := Restore(st, tree, root)
		switch {
		case !one && err != nil:
			t.Fatalf("Restore of %+q: %v", pair, err)
		case one && !isBlocked(err):
			t.Errorf("Restore of %+q: %v; want a *BlockedError", pair, err)
		case one:
			if entries, err := os.ReadDir(filepath.Dir(root)); err != nil || len(entries) > 0 {
				t.Errorf("a refused Restore leaves %v, %v", entries, err)
			}
		default:
			want = read(t, root)
		}
		root = tempDir(t)
		m.write(t, root)
		if !one {
			rollback(t, root, st, tree)
			if diff := cmp.Diff(want, read(t, root)); diff != "" {
				t.Errorf("%+q (-restored +rolled back):\n%s", pair, diff)
			}
			continue
		}
		if _, err := Prepare(openDir(t, root), st, tree, Options{}); !isBlocked(err) {
			t.Errorf("Prepare of %+q: %v; want a *BlockedError", pair, err)
		}
		if diff := cmp.Diff(m, read(t, root)); diff != "" {
			t.Errorf("%+q (-want +got):\n%s", pair, diff)
		}
	}
}

func treeOfNames(t *testing.T, st *store.Store, empty digest.Digest, names ...string) digest.Digest {
	t.Helper()
	var edits []Edit
	for _, name := range names {
		sum, err := st.Put([]byte(name))
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, Edit{Path: name, SHA256: &sum, Size: int64(len(name))})
	}
	tree, err := Overlay(st, st, empty, edits)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func isBlocked(err error) bool {
	_, ok := errors.AsType[*BlockedError](err)
	return ok
}

// A file whose name changed its case is another name, and goes back where the file
// system can tell.
func TestNameThatChangedItsCase(t *testing.T) {
	one, root, st := caseless(t), tempDir(t), newStore(t)
	model{"d": "d0755", "d/readme": "f0644 1", "other": "f0644 2"}.write(t, root)
	tree := mustTake(t, root, st, Options{}).Tree
	if err := os.Rename(root+"/d/readme", root+"/d/between"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(root+"/d/between", root+"/d/README"); err != nil {
		t.Fatal(err)
	}
	if mustTake(t, root, st, Options{}).Tree == tree {
		t.Error("the other name is not seen")
	}
	if !one {
		rollback(t, root, st, tree)
		return
	}
	before := read(t, root)
	if _, err := Prepare(openDir(t, root), st, tree, Options{}); !isBlocked(err) {
		t.Errorf("Prepare: %v; want a *BlockedError", err)
	}
	if diff := cmp.Diff(before, read(t, root)); diff != "" {
		t.Errorf("the directory (-want +got):\n%s", diff)
	}
	// By hand, as the error says, and then there is nothing left to do.
	if err := os.Rename(root+"/d/README", root+"/d/between"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(root+"/d/between", root+"/d/readme"); err != nil {
		t.Fatal(err)
	}
	rollback(t, root, st, tree)
}
