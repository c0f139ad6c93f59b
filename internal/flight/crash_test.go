package flight

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/coo-runtime/coo/internal/store"
)

// A header that was never on disk may be zeros while what follows is there:
// then nothing was ever shown. After a sync it is damage.
func TestJournalWithoutItsHeader(t *testing.T) {
	st, dir, journal, synced := interrupted(t)
	for _, c := range []struct {
		what string
		b    []byte
		want int64 // dropped; -1: damage
	}{
		{"before the first sync", journal[:synced], synced},
		{"after it", journal, -1},
	} {
		b := bytes.Clone(c.b)
		clear(b[:journalHeader])
		if err := os.WriteFile(st.Path(dir+"/"+journalFile), b, 0o644); err != nil {
			t.Fatal(err)
		}
		run, err := LoadOpen(st, dir)
		if c.want < 0 {
			if _, ok := errors.AsType[*store.DamageError](err); !ok {
				t.Errorf("%s: LoadOpen = %v, want damage", c.what, err)
			}
			continue
		}
		if err != nil || run.Dropped != c.want || len(run.Lines) > 0 {
			t.Errorf("%s: LoadOpen = %+v, %v, want %d bytes dropped", c.what, run, err, c.want)
		}
	}
}

// Observations are not synced: whatever a crash leaves of them, the run can
// be sealed.
func TestRecoverWithoutObservations(t *testing.T) {
	for what, spoil := range map[string]func(name string) error{
		"zeros": func(name string) error { return os.WriteFile(name, make([]byte, 5000), 0o644) },
		"a torn write": func(name string) error {
			return os.WriteFile(name, append(make([]byte, 512), "\"v\":1}\n"...), 0o644)
		},
		"no file": os.Remove,
	} {
		st := newStore(t)
		dir, id := crashed(t, st)
		if err := spoil(st.Path(dir + "/" + observationsFile)); err != nil {
			t.Fatal(err)
		}
		sealed, err := Recover(st)
		if err != nil || len(sealed) != 1 || sealed[0].ID != id {
			t.Errorf("%s: Recover = %+v, %v, want run %s", what, sealed, err, id.Short())
			continue
		}
		if _, err := Verify(st, id); err != nil {
			t.Errorf("%s: Verify = %v", what, err)
		}
	}
}

// A power cut may bring back, in part, what was dropped of a sealed run.
func TestRecoverDropsWhatComesBack(t *testing.T) {
	for _, lost := range []string{journalFile, observationsFile, "lock", "state", ""} {
		st := newStore(t)
		dir, id := crashed(t, st)
		kept := t.TempDir()
		if err := os.CopyFS(kept, os.DirFS(st.Path(dir))); err != nil {
			t.Fatal(err)
		}
		if _, err := Recover(st); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(st.Path(dir), os.DirFS(kept)); err != nil {
			t.Fatal(err)
		}
		if lost != "" {
			if err := os.Remove(st.Path(dir + "/" + lost)); err != nil {
				t.Fatal(err)
			}
		}
		if sealed, err := Recover(st); err != nil || len(sealed) != 0 {
			t.Errorf("%q lost: Recover = %+v, %v", lost, sealed, err)
		}
		if left, err := os.ReadDir(st.Path("open")); err != nil || len(left) > 0 {
			t.Errorf("%q lost: open holds %v, %v", lost, left, err)
		}
		if es, err := st.Executions(); err != nil || len(es) != 1 || es[0].Run != id {
			t.Errorf("%q lost: Executions = %+v, %v", lost, es, err)
		}
	}
}
