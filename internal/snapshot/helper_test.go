package snapshot

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// TestMain keeps the directories of the tests in memory where it can: nothing of
// what they sync has to last.
func TestMain(m *testing.M) {
	const memory = "/dev/shm"
	if fi, err := os.Stat(memory); err == nil && fi.IsDir() && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", memory)
	}
	m.Run()
}

// A model is a tree: path to "d0755", "f0644 content" or "-> target".
type model map[string]string

// write makes root, an empty directory, what the model says.
func (m model) write(t testing.TB, root string) {
	t.Helper()
	paths := slices.Sorted(maps.Keys(m))
	for _, p := range paths {
		full := filepath.Join(root, p)
		var err error
		switch text := m[p]; text[0] {
		case 'd':
			err = os.Mkdir(full, 0o700)
		case 'f':
			_, content, _ := strings.Cut(text, " ")
			if err = os.WriteFile(full, []byte(content), 0o600); err == nil {
				err = os.Chmod(full, perm(text[1:5]))
			}
		default:
			err = os.Symlink(strings.TrimPrefix(text, "-> "), full)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range slices.Backward(paths) {
		if m[p][0] == 'd' {
			if err := os.Chmod(filepath.Join(root, p), perm(m[p][1:])); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func perm(s string) fs.FileMode {
	m, err := workspace.ParsePerm(s)
	if err != nil {
		panic(err)
	}
	return m
}

// read is the inverse of write.
func read(t testing.TB, root string) model {
	t.Helper()
	m := model{}
	var walk func(at string)
	walk = func(at string) {
		entries, err := os.ReadDir(filepath.Join(root, at))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			p := path.Join(at, e.Name())
			fi, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			full := filepath.Join(root, p)
			switch {
			case e.IsDir():
				m[p] = "d" + workspace.FormatPerm(fi.Mode())
				walk(p)
			case fi.Mode()&fs.ModeSymlink != 0:
				target, err := os.Readlink(full)
				if err != nil {
					t.Fatal(err)
				}
				m[p] = "-> " + target
			default:
				b, err := os.ReadFile(full)
				if err != nil {
					t.Fatal(err)
				}
				m[p] = "f" + workspace.FormatPerm(fi.Mode()) + " " + string(b)
			}
		}
	}
	walk("")
	return m
}

// tempDir is t.TempDir for trees with read-only directories.
func tempDir(t testing.TB) string {
	t.Helper()
	root, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeAll(root) })
	return root
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, _, err := store.Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func mustTake(t testing.TB, root string, st *store.Store, opts Options) *Snapshot {
	t.Helper()
	s, err := Take(root, st, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// readStored reads a tree back from the store as a model.
func readStored(t testing.TB, st *store.Store, tree digest.Digest) model {
	t.Helper()
	m := model{}
	var walk func(at string, tree digest.Digest)
	walk = func(at string, tree digest.Digest) {
		entries, err := readTree(st, tree)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			p := path.Join(at, e.Name)
			switch e.Type {
			case Dir:
				m[p] = "d" + e.Mode
				walk(p, e.SHA256)
			case Link:
				m[p] = "-> " + e.Target
			default:
				b, err := st.Get(e.SHA256)
				if err != nil || int64(len(b)) != e.Size {
					t.Fatalf("%s: %d bytes, %v, want %d", p, len(b), err, e.Size)
				}
				m[p] = "f" + e.Mode + " " + string(b)
			}
		}
	}
	walk("", tree)
	return m
}

func openDir(t testing.TB, root string) *workspace.Dir {
	t.Helper()
	d, err := workspace.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
