//go:build !windows

package snapshot

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestTakeNamesProblems(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	model{"d": "d0755", "f": "f0644 f", "one": "f0644 same", ".cooignore": "d0755"}.write(t, root)
	for _, err := range []error{
		unix.Mkfifo(root+"/d/pipe", 0o600),
		unix.Mknod(root+"/d/sock", unix.S_IFSOCK|0o600, 0),
		os.Link(root+"/one", root+"/two"),
		os.WriteFile(root+"/bad\xff", nil, 0o644),
		os.Symlink("to\xff", root+"/badlink"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s := mustTake(t, root, st, Options{})
	want := []Problem{
		{".cooignore", BadIgnore},
		{"badlink", BadTarget},
		{"bad\xff", BadName},
		{"d/pipe", Pipe},
		{"d/sock", Socket},
	}
	if diff := cmp.Diff(want, s.Problems); diff != "" {
		t.Errorf("Problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Problem{{"one", HardLink}, {"two", HardLink}}, s.Notes); diff != "" {
		t.Errorf("Notes (-want +got):\n%s", diff)
	}
	if _, err := Take(root+"/f", st, Options{}); err == nil {
		t.Error("Take of a file = nil, want an error")
	}
}
