package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coo-runtime/coo/internal/wire"
)

func TestEnviron(t *testing.T) {
	base := []string{
		"PATH=/bin", "OPENAI_API_KEY=sk-live-0123456789", "EDITOR=vi", "AUTH=Bearer sk-live-0123456789", "LC_ALL=C",
		"OPENAI_BASE_URL=https://u:sk-live-0123456789@host/v1", "AWS_ACCESS_KEY_ID=AKIA0123456789", "AWS_SECRET_ACCESS_KEY=abcdefghijkl", "HTTPS_PROXY=http://proxy:3128",
		"NODE_OPTIONS=--no-warnings", "NODE_EXTRA_CA_CERTS=/x", "MINE=1", "SOME_MODEL=m", "_MODEL=none", "PWD=/w", "LANG=\xff",
	}
	e := Environ(base, []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"}, []string{"MINE"})
	p := wire.Placeholder("OPENAI_API_KEY")
	wantEnv := []string{
		"PATH=/bin", "OPENAI_API_KEY=" + p, "EDITOR=vi", "AUTH=Bearer " + p, "LC_ALL=C",
		"OPENAI_BASE_URL=https://u:" + p + "@host/v1", "AWS_ACCESS_KEY_ID=AKIA0123456789", "AWS_SECRET_ACCESS_KEY=abcdefghijkl", "HTTPS_PROXY=http://proxy:3128",
		"NODE_OPTIONS=--no-warnings", "NODE_EXTRA_CA_CERTS=/x", "MINE=1", "SOME_MODEL=m", "_MODEL=none", "PWD=/w", "LANG=\xff",
	}
	if d := cmp.Diff(wantEnv, e.Env); d != "" {
		t.Errorf("Env (-want +got):\n%s", d)
	}
	wantRecorded := [][2]string{
		{"AWS_ACCESS_KEY_ID", "<secret AWS_ACCESS_KEY_ID>"},
		{"AWS_SECRET_ACCESS_KEY", "<secret AWS_SECRET_ACCESS_KEY>"},
		{"LC_ALL", "C"},
		{"MINE", "1"},
		{"NODE_OPTIONS", "--no-warnings"},
		{"OPENAI_API_KEY", "<secret OPENAI_API_KEY>"},
		{"OPENAI_BASE_URL", "https://u:<secret OPENAI_API_KEY>@host/v1"},
		{"PATH", "/bin"},
		{"SOME_MODEL", "m"},
	}
	if d := cmp.Diff(wantRecorded, e.Recorded); d != "" {
		t.Errorf("Recorded (-want +got):\n%s", d)
	}
	want(t, "Unrecorded", strings.Join(e.Unrecorded, " "), "AUTH EDITOR LANG _MODEL")

	restored := Restore(e.Recorded, []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"})
	if !slices.Contains(restored, "OPENAI_BASE_URL=https://u:"+p+"@host/v1") || !slices.Contains(restored, "OPENAI_API_KEY="+p) {
		t.Errorf("Restore = %q", restored)
	}
	if s := strings.Join(restored, "\n"); strings.Contains(s, "<secret") || len(restored) != len(e.Recorded) {
		t.Errorf("Restore = %q", s)
	}
	if again := Environ(restored, []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"}, []string{"MINE"}); !cmp.Equal(again.Recorded, e.Recorded) {
		t.Errorf("a restored environment records differently:\n%s", cmp.Diff(e.Recorded, again.Recorded))
	}
}

func TestFileName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]bool{file: true, file + "x": false, "key.json": false, "": false} {
		if got := FileName(value); got != want {
			t.Errorf("FileName(%q) = %v", value, got)
		}
	}
}
