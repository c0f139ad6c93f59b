package upkeep

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// specimen makes a store with a file of every kind in it, and returns what
// the texts of its report call its run, execution, incomplete run and change.
func specimen(t *testing.T) (st *store.Store, affects map[string]string) {
	t.Helper()
	st = newStore(t)
	p := record(st, "m.star")
	p.open("def main(coo): pass\n")
	p.ask(`{"q":"`+noise(12<<10, 1)+`"}`, noise(20<<10, 2)) // both in pieces
	p.attach(map[string]string{"a.txt": "only in the tree", "b.txt": noise(9<<10, 3)})
	id := p.sealed(t)
	if _, err := st.Put([]byte("nothing names this")); err != nil {
		t.Fatal(err)
	}
	p = record(st, "m.star")
	p.open("def main(coo): pass # again\n")
	p.ask(`{"q":1}`, "yes")
	if err := p.r.Flush(); err != nil {
		t.Fatal(err)
	}
	p.ask(`{"q":2}`, noise(9<<10, 4))
	if p.err == nil {
		p.err = p.r.Observe(map[string]string{"a": "b"})
	}
	if p.err == nil {
		p.err = p.r.Observe(map[string]string{"c": "d"})
	}
	ref := "~" + p.r.Last().Short()
	p.killed(t)
	change := intent(t, st)
	if err := os.MkdirAll(st.Path("replays"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(st.Path("replays/"+id.String()), []byte("cause: none\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return st, map[string]string{
		"runs":       "run " + id.Short() + " (m.star, #1)",
		"executions": "execution #1 (m.star, run " + id.Short() + ")",
		"open":       "the incomplete run " + ref + " (m.star)",
		"apply":      "the workspace change " + change + " in work",
	}
}

// intent leaves a workspace change on its way, as a crash would.
func intent(t *testing.T, st *store.Store) string {
	t.Helper()
	work := filepath.Join(st.Dir(), "..", "work")
	if err := os.MkdirAll(work, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "a.txt"), []byte("before the change"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir, err := workspace.OpenDir(work)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	files := workspace.New(dir)
	if err := files.Write("a.txt", []byte("after the change"), false); err != nil {
		t.Fatal(err)
	}
	plan, err := workspace.Prepare(dir, files, st.Put)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := plan.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := canon.Marshal(map[string]string{
		"workspace": "work", "plan": string(enc), "sum": digest.Of([]byte("work\n" + string(enc))).String(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(st.Path("apply"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(st.Path("apply/0123456789abcdef"), append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	return "0123456789abcdef"
}

// mute are files that say nothing of whether they are as they were written.
func mute(rel string) bool {
	top, _, _ := strings.Cut(rel, "/")
	base := filepath.Base(rel)
	// The observations of a run in progress are not synced before its seal: a
	// crash may leave anything in their place.
	return top == "locks" || top == "replays" || top == "open" && (base == "lock" || base == "state" || base == "observations.jsonl")
}

// A flipped bit in any file is named, with what it affects, or repaired; what
// is repaired is as it was.
func TestEveryFlippedByteIsNamed(t *testing.T) {
	st, affects := specimen(t)
	whole(t, st, "before")
	was := files(t, st.Dir())
	some := 3 // of each file
	if full() {
		some = 60
	}
	tried := 0
	for rel, b := range was {
		if mute(rel) || rel == "format" {
			continue
		}
		for at := tried % 13 % len(b); at < len(b); at += max(1, len(b)/some) {
			tried++
			flipped := bytes.Clone(b)
			flipped[at] ^= 1
			if err := os.WriteFile(st.Path(rel), flipped, 0o644); err != nil {
				t.Fatal(err)
			}
			named(t, st, affects, rel, at, b)
			putBack(t, st.Dir(), was)
		}
	}
	t.Logf("proof: fsck named %d of %d flipped bits", tried, tried)
}

func named(t *testing.T, st *store.Store, affects map[string]string, rel string, at int, want []byte) {
	t.Helper()
	rep := check(t, st)
	damaged := slices.IndexFunc(rep.Damage, func(d Damage) bool { return d.Path == rel })
	about := func(r Repair) bool { return r.Path == rel }
	switch {
	case damaged >= 0:
		d := rep.Damage[damaged]
		top, _, _ := strings.Cut(rel, "/")
		want := affects[top]
		if filepath.Base(rel) == "journal" {
			want = "the incomplete run " + filepath.Dir(rel) + " (m.star)" // its records cannot be read
		}
		if top == "apply" {
			want = strings.TrimSuffix(want, " in work") // may be what is damaged
		}
		if want != "" && !slices.Contains(d.Affects, want) {
			t.Errorf("%s: byte %d: affects %q, want %q", rel, at, d.Affects, want)
		}
		if d.Advice == "" {
			t.Errorf("%s: no advice", rel)
		}
	case slices.ContainsFunc(rep.Repaired, about):
		if b, err := os.ReadFile(st.Path(rel)); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: byte %d: repaired, but not as it was: %v", rel, at, err)
		}
		whole(t, st, "after a repair of "+rel)
	case slices.ContainsFunc(rep.Notes, about):
		if rel != ".gitignore" && filepath.Base(rel) != "journal" {
			t.Errorf("%s: byte %d: only a note: %+v", rel, at, rep.Notes)
		}
	default:
		t.Errorf("%s: byte %d is flipped: %+v", rel, at, rep)
	}
}

// A blob's damage affects all that needs the blob, through documents, pieces,
// trees and workspace changes.
func TestDamageSaysWhatItAffects(t *testing.T) {
	st, affects := specimen(t)
	was := files(t, st.Dir())
	piece := func(b []byte) digest.Digest {
		list, err := st.Pieces(digest.Of(b))
		if err != nil || len(list) < 2 {
			t.Fatalf("Pieces = %v, %v", list, err)
		}
		return list[1]
	}
	for _, c := range []struct {
		what string
		blob digest.Digest
		want []string
	}{
		{"a piece of a request's body", piece([]byte(`{"q":"` + noise(12<<10, 1) + `"}`)), []string{affects["runs"]}},
		{"a piece of an answer", piece([]byte(noise(20<<10, 2))), []string{affects["runs"]}},
		{"a file of a tree", digest.Of([]byte("only in the tree")), []string{affects["executions"]}},
		{"a piece of a file of a tree", piece([]byte(noise(9<<10, 3))), []string{affects["executions"]}},
		{"what was there before a change", digest.Of([]byte("before the change")), []string{affects["apply"]}},
		{"what nothing names", digest.Of([]byte("nothing names this")), nil},
		{"both runs' end", digest.Of([]byte("[]")), []string{affects["runs"]}},
	} {
		for _, missing := range []bool{false, true} {
			err := os.WriteFile(st.Path(store.BlobPath(c.blob)), []byte("coo.blob/0"), 0o644)
			if missing {
				err = os.Remove(st.Path(store.BlobPath(c.blob)))
			}
			if err != nil {
				t.Fatal(err)
			}
			rep := check(t, st)
			if missing && c.want == nil {
				if len(rep.Damage) > 0 {
					t.Errorf("%s is missing: %v", c.what, rep.Damage[0].DamageError)
				}
			} else if len(rep.Damage) != 1 || rep.Damage[0].Path != store.BlobPath(c.blob) || !slices.Equal(rep.Damage[0].Affects, c.want) {
				t.Errorf("%s: damage %+v, want %q", c.what, rep.Damage, c.want)
			}
			putBack(t, st.Dir(), was)
		}
	}
}

// Contents that are also elsewhere come back.
func TestBlobsAreMadeAgain(t *testing.T) {
	st := newStore(t)
	parent := filepath.Dir(st.Dir())
	source, notes := "def main(coo): pass\n", noise(30<<10, 7)
	for name, text := range map[string]string{"m.star": source, "notes.txt": notes} {
		if err := os.WriteFile(filepath.Join(parent, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := record(st, "m.star")
	p.open(source)
	p.read("notes.txt", notes)
	p.ask(`{"q":1}`, "yes")
	p.ask(`{"q":"`+noise(9<<10, 8)+`"}`, noise(17<<10, 9))
	id := p.sealed(t)
	// A journal that has a content too, because it was made with another store.
	held := record(st, "m.star")
	if err := os.Rename(st.Path(store.BlobPath(digest.Of([]byte(noise(17<<10, 9))))), st.Path("tmp/aside")); err != nil {
		t.Fatal(err)
	}
	held.open(source)
	held.ask(`{"q":3}`, noise(17<<10, 9))
	dir := held.killed(t)
	if err := os.Rename(st.Path("tmp/aside"), st.Path(store.BlobPath(digest.Of([]byte(noise(17<<10, 9)))))); err != nil {
		t.Fatal(err)
	}
	run, err := flight.Load(st, id)
	if err != nil {
		t.Fatal(err)
	}
	pieces, err := st.Pieces(digest.Of([]byte(notes)))
	if err != nil {
		t.Fatal(err)
	}
	was := files(t, st.Dir())
	from := map[digest.Digest]string{
		run.Records[0].(*flight.Open).Rules[0].SHA256: "coo itself",
		run.Seal.Freeze:                     store.RunPath(id),
		digest.Of([]byte(source)):           `the file "m.star"`,
		digest.Of([]byte(notes)):            `the file "notes.txt"`,
		pieces[1]:                           `the file "notes.txt"`,
		digest.Of([]byte(noise(17<<10, 9))): dir + "/journal",
	}
	for d, where := range from {
		if err := os.WriteFile(st.Path(store.BlobPath(d)), []byte("coo.blob"), 0o644); err != nil {
			t.Fatal(err)
		}
		rep := check(t, st)
		if len(rep.Damage) > 0 || len(rep.Repaired) != 1 || !strings.HasSuffix(rep.Repaired[0].What, "made again from "+where) {
			t.Errorf("%s: damage %v, repaired %v", where, rep.Damage, rep.Repaired)
		}
		whole(t, st, where)
		putBack(t, st.Dir(), was)
	}
	// Documents that name others: all at once, several rounds.
	for d := range from {
		if err := os.Remove(st.Path(store.BlobPath(d))); err != nil {
			t.Fatal(err)
		}
	}
	if rep := check(t, st); len(rep.Damage) > 0 || len(rep.Repaired) < len(from)-1 {
		t.Errorf("damage %v, repaired %v", rep.Damage, rep.Repaired)
	}
	whole(t, st, "all at once")
	// A file that is no longer what it was is no help.
	if err := os.WriteFile(filepath.Join(parent, "m.star"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(st.Path(store.BlobPath(digest.Of([]byte(source))))); err != nil {
		t.Fatal(err)
	}
	// The journal does not hold it: the store had it when that run began.
	if rep := check(t, st); len(rep.Damage) != 1 || len(rep.Damage[0].Affects) != 2 {
		t.Errorf("damage %+v", rep.Damage)
	}
}

func TestTheListOfExecutionsIsMadeAgain(t *testing.T) {
	st := newStore(t)
	for i := range 3 {
		p := record(st, "m.star")
		p.open(lines("# %d\n", i+1))
		p.sealed(t)
	}
	want, err := os.ReadFile(st.Path("executions.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.SplitAfter(want, []byte("\n"))
	for what, list := range map[string][]byte{
		"missing":        nil,
		"empty":          {},
		"torn":           want[:len(want)-5],
		"no newline":     want[:len(want)-1],
		"a line short":   slices.Concat(all[0], all[1]),
		"a hole":         slices.Concat(all[0], all[2]),
		"swapped":        slices.Concat(all[1], all[0], all[2]),
		"a line twice":   slices.Concat(all[0], all[0], all[1], all[2]),
		"another byte":   bytes.Replace(want, []byte("m.star"), []byte("n.star"), 1),
		"another number": bytes.Replace(want, []byte(`"n":2`), []byte(`"n":7`), 1),
		"trailing":       append(bytes.Clone(want), "{}\n"...),
	} {
		if err := os.Remove(st.Path("executions.jsonl")); err != nil {
			t.Fatal(err)
		}
		if list != nil {
			if err := os.WriteFile(st.Path("executions.jsonl"), list, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		rep := check(t, st)
		got, err := os.ReadFile(st.Path("executions.jsonl"))
		if what == "another number" {
			// The line of an execution 7 that has no directory: a loss.
			if len(rep.Damage) != 1 || rep.Damage[0].Path != "executions/7/observations.jsonl" {
				t.Errorf("%s: %+v", what, rep)
			}
		} else if err != nil || !bytes.Equal(got, want) || len(rep.Repaired) != 1 || len(rep.Damage) > 0 {
			t.Errorf("%s: %+v\n%s, %v", what, rep, got, err)
		}
		if err := os.WriteFile(st.Path("executions.jsonl"), want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A run whose directory is gone is a loss, and known by its executions.
	es, err := st.Executions()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(st.Path("runs/" + es[1].Run.String())); err != nil {
		t.Fatal(err)
	}
	rep := check(t, st)
	if len(rep.Damage) != 1 || rep.Damage[0].Path != store.RunPath(es[1].Run) || !slices.Equal(rep.Damage[0].Affects, []string{"run " + es[1].Run.Short() + " (m.star, #2)"}) {
		t.Errorf("a run is gone: %+v", rep.Damage)
	}
}

func TestStraysAndLeftovers(t *testing.T) {
	st, _ := specimen(t)
	strays := []string{
		".DS_Store", "blobs/x", "blobs/sha256/zz", "blobs/sha256/ab/" + strings.Repeat("c", 64),
		"executions/007", "executions/1/notes", "open/file", "replays/x", "runs/abc",
	}
	for _, rel := range strays {
		if err := os.MkdirAll(filepath.Dir(st.Path(rel)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(st.Path(rel), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	temps := []string{"apply/tmp-1", "open/ffffffffffffffff", "tmp/dir-1", "tmp/tmp-2", "tmp-3"}
	for _, rel := range temps {
		if err := os.Mkdir(st.Path(rel), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, rel := range []string{".gitignore", "locks"} {
		if err := os.RemoveAll(st.Path(rel)); err != nil {
			t.Fatal(err)
		}
	}
	swept, err := Sweep(config(st))
	if err != nil {
		t.Fatal(err)
	}
	paths := func(rs []Repair) (out []string) {
		for _, r := range rs {
			out = append(out, r.Path)
		}
		return out
	}
	slices.Sort(temps)
	slices.Sort(strays)
	if got := paths(swept); !slices.Equal(got, temps) {
		t.Errorf("swept %q, want %q", got, temps)
	}
	rep := check(t, st)
	if got := paths(rep.Notes); !slices.Equal(got, strays) {
		t.Errorf("notes %q, want %q", got, strays)
	}
	if got := paths(rep.Repaired); !slices.Equal(got, []string{"locks", ".gitignore"}) || len(rep.Damage) > 0 {
		t.Errorf("repaired %q, damage %v", got, rep.Damage)
	}
	if len(rep.Incomplete) != 1 {
		t.Errorf("incomplete %+v", rep.Incomplete)
	}
	// In the directory of a run nothing else may be.
	ids, err := st.Runs()
	if err != nil {
		t.Fatal(err)
	}
	extra := "runs/" + ids[0].String() + "/more"
	if err := os.WriteFile(st.Path(extra), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if rep := check(t, st); len(rep.Damage) != 1 || rep.Damage[0].Path != extra {
		t.Errorf("damage %+v, want %s", rep.Damage, extra)
	}
}

// Reading a run that is being recorded is no reason to call it damaged.
func TestCheckOfARunInProgress(t *testing.T) {
	st := newStore(t)
	p := record(st, "m.star")
	p.open("def main(coo): pass\n")
	stop := make(chan struct{})
	done := make(chan error)
	go func() {
		for i := 0; p.err == nil; i++ {
			select {
			case <-stop:
				_, err := p.seal()
				done <- err
				return
			case <-time.After(2 * time.Millisecond): // or it outgrows every check
			}
			if i >= 1000 {
				continue
			}
			p.ask(lines(`%d `, i%50), noise(2000, uint64(i)))
			if p.err == nil {
				p.err = p.r.Flush()
			}
		}
		done <- p.err
	}()
	for range 15 {
		if rep := check(t, st); len(rep.Damage) > 0 || rep.Live != 1 {
			t.Errorf("%d live, damage %v", rep.Live, rep.Damage)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	whole(t, st, "after")
}
