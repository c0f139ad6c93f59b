package replay_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// pure is a mission that needs nothing from outside but a file.
const pure = `
def main(coo, topic = "tides"):
    print("reading")
    text = coo.read("notes.txt")
    coo.write("out.txt", topic + ": " + text)
    return {"id": coo.uuid(), "n": len(text)}
`

func load(t *testing.T, text string) *mission.Program {
	t.Helper()
	p, err := mission.Load("m.star", func(string) ([]byte, error) { return []byte(text), nil })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// record runs a mission in a workspace with one file.
func record(t *testing.T, text string) (*store.Store, *flight.Run) {
	t.Helper()
	st, _, err := store.Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := workspace.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	files := workspace.New(dir)
	if err := files.Write("notes.txt", []byte("The gauge was moved."), false); err != nil {
		t.Fatal(err)
	}
	plan, err := workspace.Prepare(dir, files, st.Put)
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Apply(dir, st.GetReader); err != nil {
		t.Fatal(err)
	}
	o, err := run.Do(context.Background(), run.Config{
		Store: st, Name: "m.star", Program: load(t, text), Dir: dir, Seed: "0",
		Answers: freeze.NewFrozen(), Clock: freeze.LiveClock(),
		Know: func(string) error { return nil }, Print: func(string) {}, Facts: map[string]string{"t": "start"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := flight.Load(st, o.ID)
	if err != nil {
		t.Fatal(err)
	}
	return st, r
}

// config replays r from its record.
func config(st *store.Store, r *flight.Run) replay.Config {
	h := store.Handle{Sealed: true, ID: r.ID, Dir: r.Dir}
	return replay.Config{Run: r, Source: freeze.FromRun(st, h), Blob: r.Blob}
}

func TestReplayShowsEveryRecordInItsOrder(t *testing.T) {
	st, r := record(t, pure)
	c := config(st, r)
	var printed []string
	c.Print = func(s string) { printed = append(printed, s) }
	next := int64(0)
	c.Observed = func(rec flight.Record) {
		if n := flight.Env(rec).N; n != next {
			t.Errorf("record %d was found identical where %d was due", n, next)
		}
		next++
	}
	if err := replay.Do(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if int(next) != len(r.Records) {
		t.Errorf("%d of %d records were compared: the seal is one of them", next, len(r.Records))
	}
	if got := strings.Join(printed, "|"); got != "reading" {
		t.Errorf("printed %q", got)
	}
}

// TestDivergenceIsTheFirstDifference: what was recorded and what came in its
// place, and the contents that the latter names.
func TestDivergenceIsTheFirstDifference(t *testing.T) {
	st, r := record(t, pure)
	for _, tt := range []struct {
		name, old, new string
		n              int64
		replayed       string // type of the record
		asked          string
		blob           string
	}{
		{"print", "reading", "writing", 1, "log", "", ""},
		{"content", `": "`, `" : "`, 3, "write", "", "tides : The gauge was moved."},
		{"path", "out.txt", "off.txt", 3, "write", "", "tides: The gauge was moved."},
		{"result", "len(text)", "1 + len(text)", 4, "end", "", `"n":21`},
		{"one record more", "    return", "    print(1)\n    return", 4, "log", "", ""},
		{"one record less", "    coo.write(\"out.txt\", topic + \": \" + text)\n", "", 3, "end", "", ""},
		{"unrecorded file", `coo.read("notes.txt")`, `coo.read("other.txt")`, 2, "", `read the file "other.txt"`, ""},
		{"unrecorded list", `coo.read("notes.txt")`, `str(coo.list("*.txt"))`, 2, "", `list the files "*.txt"`, ""},
		{"unrecorded variable", `coo.read("notes.txt")`, `coo.env("HOME")`, 2, "", "read the environment variable HOME", ""},
		{"unrecorded clock", `coo.read("notes.txt")`, `coo.now()`, 2, "", "look at the clock", ""},
		{"unrecorded call", `coo.read("notes.txt")`, `coo.http("GET", "http://nobody.test/").text`, 2, "call", "", "http://nobody.test/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(pure, tt.old, tt.new, 1)
			if text == pure {
				t.Fatal("nothing changed")
			}
			c := config(st, r)
			c.Against = load(t, text)
			d, ok := errors.AsType[*replay.Divergence](replay.Do(context.Background(), c))
			if !ok {
				t.Fatal("no divergence")
			}
			replayed := ""
			if d.Replayed != nil {
				replayed = flight.Env(d.Replayed).T
			}
			if d.N != tt.n || replayed != tt.replayed || d.Asked != tt.asked || flight.Env(d.Recorded).N != tt.n {
				t.Errorf("record %d: replayed %q, asked %q, want %d, %q, %q", d.N, replayed, d.Asked, tt.n, tt.replayed, tt.asked)
			}
			if tt.blob != "" && !holds(d, tt.blob) {
				t.Errorf("the content %q is not told", tt.blob)
			}
		})
	}
}

func holds(d *replay.Divergence, text string) bool {
	for _, b := range d.Blobs {
		if strings.Contains(string(b), text) {
			return true
		}
	}
	return false
}

// TestReplayPerformsOnlyWhatItKnows: a run made by another engine is not
// replayed by guesswork.
func TestReplayPerformsOnlyWhatItKnows(t *testing.T) {
	for _, tt := range []struct {
		change func(*flight.Open)
		want   string
	}{
		{func(o *flight.Open) { o.Epoch = 2 }, "the run was made by engine epoch 2; this coo replays epoch 1"},
		{func(o *flight.Open) { o.Level = "frozen" }, `the run was made at isolation level "frozen", which is not to be had here: coo doctor says why`},
		{func(o *flight.Open) { o.Limits = "limits/2" }, `the run was made under the limits "limits/2"; this coo has limits/1`},
		{func(o *flight.Open) { o.Rules = append(o.Rules, o.Rules[0]) }, "the run was made under 2 sets of identity rules; this coo has one"},
	} {
		st, r := record(t, pure)
		tt.change(r.Records[0].(*flight.Open))
		err := replay.Do(context.Background(), config(st, r))
		if e, ok := errors.AsType[*replay.NotReplayableError](err); !ok || e.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func TestReplayOfDamageIsNoDivergence(t *testing.T) {
	st, r := record(t, pure)
	c := config(st, r)
	gone := errors.New("the disk is gone")
	c.Blob = func(digest.Digest) ([]byte, error) { return nil, gone }
	if err := replay.Do(context.Background(), c); !errors.Is(err, gone) {
		t.Errorf("%v, want what the disk says", err)
	}
}

// TestReplayEnds: a recording is hostile input. One whose mission does not
// end, or takes all memory, is ended from outside or by its own limit.
func TestReplayEnds(t *testing.T) {
	st, r := record(t, pure)
	c := config(st, r)
	c.Against = load(t, "def main(coo, topic = \"\"):\n    for i in range(1 << 30):\n        for j in range(1 << 30): pass\n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := replay.Do(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	c.Against = load(t, "def main(coo, topic = \"\"):\n    x = [(\"a\" * 30000000) + str(i) for i in range(1000)]\n")
	if _, ok := errors.AsType[*run.MemoryError](replay.Do(context.Background(), c)); !ok {
		t.Error("a mission that takes all memory was not ended")
	}
}
