package freeze

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// programSample is a source with what programs add to a directory: heads
// between answers, chunks, a long body, a call that got none, a user's rules, a
// second program, a call asked twice.
func programSample(t testing.TB) *Source {
	rules := userRules(t, "/session")
	p := programTape(t, rules)
	ask := func(text string) Call { return under(t, rules, `{"model":"`+text+`"}`) }
	a := p.head(ask("a"))
	b := p.head(ask("b"))
	p.tail(b, &wire.Answer{Status: 200, Headers: [][2]string{{"content-type", "text/event-stream"}}, Body: []byte("data: 1\n\ndata: 2\n\n"), Lens: []int{9, 9}})
	again := p.head(ask("a"))
	p.tail(a, &wire.Answer{Status: 200, Body: bytes.Repeat([]byte{0xff, 'x'}, 50000), Lens: []int{60000, 40000}})
	p.tail(again, &wire.Answer{Status: 429, Trailers: [][2]string{{"x", "y"}}})
	p.tail(p.programAsk(ask("c")), &wire.Answer{Error: "refused"})
	second := p.add(&flight.Call{Kind: "exec"})
	last := p.head(ask("b"))
	flight.Env(p.records[last]).P = second
	p.tail(last, &wire.Answer{Status: 200, Error: "client", Body: []byte("da"), Lens: []int{2}})
	return p.end("ok").source("sample")
}

func TestDirsOfPrograms(t *testing.T) {
	src := programSample(t)
	dir := filepath.Join(t.TempDir(), "frozen")
	n, err := WriteDir(dir, src, func(v Viewed) string { return v.Request.URL + "\n" + string(v.Answer.Body) })
	if err != nil || n != 5 {
		t.Fatalf("WriteDir = %d, %v", n, err)
	}
	files := tree(t, dir)
	for _, want := range []string{"rules.json", "calls.txt", "freeze.json"} {
		if files[want] == nil {
			t.Errorf("%s is missing: %v", want, slices.Sorted(maps.Keys(files)))
		}
	}
	if !strings.Contains(string(files["freeze.json"].Data), `"answers":[-1,-2,2,-3,1,3,4,-5,5]`) {
		t.Errorf("freeze.json: %s", files["freeze.json"].Data)
	}
	read, err := FromDir(dir)
	if err != nil {
		t.Fatal(err)
	}

	// The same answers in the same order, from the run and from the directory.
	rules := userRules(t, "/session")
	var shown []string
	for _, s := range []*Source{src, read} {
		f := NewFrozen(s)
		f.SetRules(rules)
		var out []string
		place := map[int64]int{}
		for _, ask := range []string{"a", "b", "a", "c", "b"} {
			st, err := f.Stream(t.Context(), under(t, rules, `{"session":7,"model":"`+ask+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range f.Positions(0, st.Place.P) {
				place[n] = i + 1
			}
			if strings.HasSuffix(ask, "b") && len(out) == 4 {
				st.Close() // it was left, and waits for that
			}
			r := listen(t, st)
			out = append(out, fmt.Sprintf("%.40v in %d, head %d, tail %d", r, len(r.chunks), place[st.Place.Head], place[st.Place.Tail]))
		}
		shown = append(shown, strings.Join(out, "\n"))
	}
	if shown[0] != shown[1] {
		t.Errorf("the run and the directory differ:\n%s\n\n%s", shown[0], shown[1])
	}

	// Written again it is the same, but for the views, which are not read.
	again := filepath.Join(t.TempDir(), "again")
	if _, err := WriteDir(again, read, nil); err != nil {
		t.Fatal(err)
	}
	for name, file := range tree(t, again) {
		if !bytes.Equal(file.Data, files[name].Data) {
			t.Errorf("%s is written again as %.100q", name, file.Data)
		}
		delete(files, name)
	}
	for name := range files {
		if base := filepath.Base(name); base != viewName && base != indexName {
			t.Errorf("%s is not written again", name)
		}
	}
}

// TestEveryBitOfAProgramsDirCounts changes each file and expects to be told.
func TestEveryBitOfAProgramsDirCounts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "frozen")
	if _, err := WriteDir(dir, programSample(t), func(Viewed) string { return "view" }); err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	if _, err := FromFS(files, "sound"); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		base := filepath.Base(name)
		free := base == viewName || base == indexName || base == ".gitattributes"
		for what, change := range map[string]func(*fstest.MapFile){
			"a bit":  func(f *fstest.MapFile) { f.Data[len(f.Data)/2] ^= 1 },
			"longer": func(f *fstest.MapFile) { f.Data = append(f.Data, 'x') },
			"shorter": func(f *fstest.MapFile) {
				f.Data = f.Data[:len(f.Data)-1]
			},
			"a link": func(f *fstest.MapFile) { f.Mode = fs.ModeSymlink },
		} {
			changed := maps.Clone(files)
			changed[name] = &fstest.MapFile{Data: bytes.Clone(files[name].Data), Mode: 0o644}
			change(changed[name])
			if _, err := FromFS(changed, "changed"); (err == nil) != free {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		gone := maps.Clone(files)
		delete(gone, name)
		if _, err := FromFS(gone, "gone"); (err == nil) != free {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

func TestOrdersThatCannotHaveBeen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "frozen")
	if _, err := WriteDir(dir, programSample(t), nil); err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	const sound = `"answers":[-1,-2,2,-3,1,3,4,-5,5]`
	for answers, want := range map[string]string{
		`[-1,-2,2,-3,1,3,4,-5]`:          "4 answers to 5 calls",
		`[-1,-2,2,-3,1,3,4,5]`:           "has a head (call 5)",
		`[-1,-2,2,-3,1,3,-4,4,-5,5]`:     "has a head (call 4)",
		`[-1,-1,-2,2,-3,1,3,4,-5,5]`:     "second head",
		`[-2,2,-3,1,-1,3,4,-5,5]`:        "is there twice",
		`[-1,-2,2,-3,1,3,4,-5,5,0]`:      "is no call",
		`[-1,-2,2,-3,1,3,4,-5,5,-6,6]`:   "is no call",
		`[-1,-2,2,-3,1,3,4,-5,5,-9e999]`: "",
	} {
		changed := maps.Clone(files)
		changed["freeze.json"] = &fstest.MapFile{Data: []byte(strings.Replace(string(files["freeze.json"].Data), sound, `"answers":`+answers, 1)), Mode: 0o644}
		if _, err := FromFS(changed, "changed"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", answers, err, want)
		}
	}
}

// TestDirsChangedLater: a file that changes after it was checked is an error
// when it is read, not an answer.
func TestDirsChangedLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "frozen")
	if _, err := WriteDir(dir, programSample(t), nil); err != nil {
		t.Fatal(err)
	}
	read, err := FromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*", "answer.body"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	b, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	b[99999] ^= 1
	if err := os.WriteFile(paths[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	rules := userRules(t, "/session")
	f := NewFrozen(read)
	f.SetRules(rules)
	st, err := f.Stream(t.Context(), under(t, rules, `{"model":"a"}`))
	for err == nil {
		_, err = st.Next()
	}
	if err == nil || !strings.Contains(err.Error(), "answer.body: its digest is") {
		t.Errorf("Next = %v", err)
	}
	st.Close()
}
