package rollback

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectorFile = "../../vectors/rollback/logs.jsonl"

// A vector is a log: the content of the entry.json of each directory, by its name.
type vector struct {
	What    string            `json:"what"`
	Expect  string            `json:"expect"` // ok or refuse
	Entries map[string]string `json:"entries"`
}

// example is a log of four entries: a rollback, one more, the undoing of that, and
// the undoing of the first.
func example() []Entry {
	run, a, b, c := digest.Of([]byte("run")), digest.Of([]byte("a")), digest.Of([]byte("b")), digest.Of([]byte("c"))
	file := "file 0644 " + digest.Of([]byte("text")).String()
	number := func(n int64) *int64 { return &n }
	return []Entry{
		{Run: run, Execution: 17, To: "baseline", Workspace: ".", From: a, Target: b, Changes: []Change{
			{Path: "dir", Was: "absent", Is: "dir 0755"},
			{Path: "dir/one.txt", Was: "absent", Is: file},
			{Path: "link", Was: "link -> a -> b\nc", Is: "absent"},
		}},
		{Run: run, Execution: 17, To: "step 12", Workspace: "/elsewhere", From: b, Target: c, Changes: []Change{
			{Path: "dir/one.txt", Was: file, Is: strings.Replace(file, "0644", "0755", 1)},
		}},
		{Run: run, Execution: 17, To: "undo", Workspace: "/elsewhere", From: c, Target: b, Changes: []Change{}, Undoes: number(2)},
		{Run: run, Execution: 17, To: "undo", Workspace: ".", From: b, Target: a, Changes: []Change{
			{Path: "\u00e9 \"\\", Was: "dir 1777", Is: "link -> x"},
		}, Undoes: number(1)},
	}
}

// chained numbers and links entries, after edit has changed them.
func chained(t testing.TB, edit func([]Entry)) map[string]string {
	t.Helper()
	list := example()
	edit(list)
	out := map[string]string{}
	var prev digest.Digest
	for i := range list {
		list[i].N, list[i].Prev = int64(i)+1, prev
		line, err := canon.Marshal(list[i])
		if err != nil {
			t.Fatal(err)
		}
		prev = digest.Of(line)
		out[fmt.Sprint(i+1)] = string(line) + "\n"
	}
	return out
}

func vectors(t testing.TB) []vector {
	t.Helper()
	same := func([]Entry) {}
	list := []vector{
		{"a log", "ok", chained(t, same)},
		{"no entry", "ok", map[string]string{}},
	}
	whole := chained(t, same)
	// Whoever cuts a log off leaves a shorter one that is whole.
	cut := chained(t, same)
	delete(cut, "4")
	list = append(list, vector{"the last entry is missing", "ok", cut})

	// Tampered with: the bytes of the log above.
	tampered := func(what string, f func(m map[string]string)) {
		m := chained(t, same)
		f(m)
		list = append(list, vector{what, "refuse", m})
	}
	replace := func(what, n, old, now string) {
		tampered(what, func(m map[string]string) {
			if !strings.Contains(m[n], old) {
				t.Fatalf("%s: entry %s does not hold %q", what, n, old)
			}
			m[n] = strings.Replace(m[n], old, now, 1)
		})
	}
	replace("another byte in the first entry", "1", `"execution":17`, `"execution":18`)
	replace("another tree in the second", "2", example()[1].From.String(), example()[0].From.String())
	tampered("two entries change places", func(m map[string]string) { m["2"], m["3"] = m["3"], m["2"] })
	tampered("an entry twice", func(m map[string]string) { m["3"] = m["2"] })
	tampered("an entry is missing in the middle", func(m map[string]string) { delete(m, "2") })
	tampered("the first is missing", func(m map[string]string) { delete(m, "1") })
	tampered("one is missing, and the rest moved up", func(m map[string]string) {
		m["2"], m["3"] = m["3"], m["4"]
		delete(m, "4")
	})
	tampered("the last is cut short", func(m map[string]string) { m["4"] = m["4"][:len(m["4"])/2] })
	tampered("without its newline", func(m map[string]string) { m["4"] = strings.TrimSuffix(m["4"], "\n") })
	tampered("one newline more", func(m map[string]string) { m["4"] += "\n" })
	tampered("empty", func(m map[string]string) { m["4"] = "" })
	replace("a space", "4", `"n":4`, `"n": 4`)
	replace("another number", "4", `"n":4`, `"n":5`)
	replace("another member", "4", `"n":4`, `"m":0,"n":4`)
	replace("a member twice", "4", `"n":4`, `"n":4,"n":4`)
	replace("a member missing", "4", `"undoes":1,`, ``)
	replace("no list", "4", whole["4"][strings.Index(whole["4"], "["):strings.Index(whole["4"], "]")+1], `null`)
	replace("a floating-point number", "4", `"undoes":1`, `"undoes":1.0`)
	replace("capital digits", "1", `"target":"`+example()[0].Target.String(), `"target":"`+strings.ToUpper(example()[0].Target.String()))

	// Forged: numbered and linked anew, so that only what they say is wrong.
	forged := func(what string, f func(l []Entry)) {
		list = append(list, vector{what, "refuse", chained(t, f)})
	}
	number := func(n int64) *int64 { return &n }
	forged("no execution", func(l []Entry) { l[0].Execution = 0 })
	forged("another point", func(l []Entry) { l[0].To = "elsewhere" })
	forged("a step with a zero before it", func(l []Entry) { l[1].To = "step 012" })
	forged("no workspace", func(l []Entry) { l[0].Workspace = "" })
	forged("an undoing of nothing", func(l []Entry) { l[0].To = "undo" })
	forged("a rollback that undoes", func(l []Entry) { l[2].To = "final" })
	forged("an undoing of what comes later", func(l []Entry) { l[2].Undoes = number(4) })
	forged("an undoing of itself", func(l []Entry) { l[2].Undoes = number(3) })
	forged("an undoing of entry 0", func(l []Entry) { l[2].Undoes = number(0) })
	forged("an undoing of an undoing", func(l []Entry) { l[3].Undoes, l[3].Target = number(3), l[2].From })
	forged("one undone twice", func(l []Entry) { l[3].Undoes, l[3].Target = number(2), l[1].From })
	forged("an undoing to another tree", func(l []Entry) { l[2].Target = l[0].From })
	forged("an undoing of another run's", func(l []Entry) { l[2].Run = l[0].From })
	forged("paths out of order", func(l []Entry) { l[0].Changes[0], l[0].Changes[1] = l[0].Changes[1], l[0].Changes[0] })
	forged("a path twice", func(l []Entry) { l[0].Changes[1].Path = "dir" })
	for _, p := range []string{"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a\x00b", strings.Repeat("n", 256)} {
		forged(fmt.Sprintf("the path %.20q", p), func(l []Entry) { l[1].Changes[0].Path = p })
	}
	forged("nothing changes", func(l []Entry) { l[1].Changes[0].Is = l[1].Changes[0].Was })
	for _, s := range []string{"", "gone", "dir", "dir 755", "dir 0855", "file 0644", "file 0644 " + strings.Repeat("A", 64), "link -> ", "absent "} {
		forged(fmt.Sprintf("the state %.20q", s), func(l []Entry) { l[1].Changes[0].Is = s })
	}
	return list
}

// put makes the log of a vector in a new store.
func (v vector) put(t testing.TB) *store.Store {
	t.Helper()
	st, _, err := store.Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// order: each is a file of its own
	for n, text := range v.Entries {
		dir := filepath.Join(st.Path(Dir), n)
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, entryFile), []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return st
}

func TestVectors(t *testing.T) {
	if *update {
		var b bytes.Buffer
		for _, v := range vectors(t) {
			line, err := canon.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		if err := os.MkdirAll(filepath.Dir(vectorFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := vectors(t)
	n := 0
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for ; s.Scan(); n++ {
		var v vector
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if line, err := canon.Marshal(want[n]); err != nil || !bytes.Equal(line, s.Bytes()) {
			t.Errorf("vector %d is not %q any more", n, want[n].What)
		}
		entries, err := Log(v.put(t))
		if (err == nil) != (v.Expect == "ok") {
			t.Errorf("%s: Log = %v, want %s", v.What, err, v.Expect)
		}
		if _, ok := errors.AsType[*store.DamageError](err); err != nil && !ok {
			t.Errorf("%s: Log = %v, want a DamageError", v.What, err)
		}
		if err == nil && len(entries) != len(v.Entries) {
			t.Errorf("%s: %d entries, want %d", v.What, len(entries), len(v.Entries))
		}
	}
	if n != len(want) || s.Err() != nil {
		t.Errorf("%d vectors, want %d (%v)", n, len(want), s.Err())
	}
}

// Every bit of a log but those of its last newline counts.
func TestFlipEveryBitOfALog(t *testing.T) {
	v := vectors(t)[0]
	st := v.put(t)
	flips, found := 0, 0
	for n, text := range v.Entries { // order: each is tried
		name := filepath.Join(st.Path(Dir), n, entryFile)
		for i := range len(text) {
			b := []byte(text)
			b[i] ^= 1 << (i % 8)
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Fatal(err)
			}
			flips++
			if _, err := Log(st); err != nil {
				found++
			} else if n != "4" {
				t.Errorf("entry %s, byte %d: not found", n, i)
			}
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Nothing follows the last entry: what may stand there may be changed.
	if found < flips*2/3 {
		t.Errorf("%d of %d flips were found", found, flips)
	}
}

// The second implementation agrees, on the vectors and on a log that coo wrote.
func TestPythonAgrees(t *testing.T) {
	run := func(args ...string) (string, error) {
		cmd := exec.Command("python3", append([]string{"-B", "../../vectors/rollback.py"}, args...)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(vectorFile); err != nil || out != fmt.Sprintf("ok %d vectors\n", len(vectors(t))) {
		t.Errorf("vectors: %v %s", err, out)
	}
	b := newBed(t)
	e, err := b.do(t, b.config(b.last, b.first), false)
	if err != nil {
		t.Fatal(err)
	}
	c := b.config(e.Target, e.From)
	c.To, c.Undoes = "undo", &e.N
	if _, err := b.do(t, c, false); err != nil {
		t.Fatal(err)
	}
	if out, err := run(b.st.Path(Dir)); err != nil || out != "ok 2 entries\n" {
		t.Errorf("a log: %v %s", err, out)
	}
	if err := os.RemoveAll(filepath.Join(b.st.Path(Dir), "1")); err != nil {
		t.Fatal(err)
	}
	if out, err := run(b.st.Path(Dir)); err == nil {
		t.Errorf("without its first entry: %s, want a refusal", out)
	}
}
