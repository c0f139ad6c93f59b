package freeze

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// sample is a source with everything in it that a directory can hold.
func sample(t testing.TB) *Source {
	p := newTape(t)
	a := p.ask(post("https://api.test/v1/chat/completions", `{"model":"m","n":1.50}`))
	b := p.ask(get("https://api.test/v1/models?page=2"))
	c := p.ask(get("https://api.test/v1/models?page=2"))
	p.add(&flight.Clock{Now: "2026-11-23T09:00:00.000Z"})
	p.answer(c, ok("third"))
	p.answer(a, &wire.Answer{
		Status: 200, Headers: [][2]string{{"content-type", "text/event-stream"}},
		Body: []byte("data: \xff\n\n"), Lens: []int{4, 5},
	})
	p.answer(b, &wire.Answer{Error: "refused"})
	p.ask(get("https://api.test/never-answered"))
	return p.end("failed").source("sample")
}

// write writes s to a new directory.
func write(t testing.TB, s *Source) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "frozen")
	if _, err := WriteDir(dir, s, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tree returns the files of dir.
func tree(t testing.TB, dir string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = &fstest.MapFile{Data: b, Mode: 0o644}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDirHoldsASource(t *testing.T) {
	dir := write(t, sample(t))
	files := tree(t, dir)
	for _, name := range []string{
		".gitattributes", "freeze.json",
		"0001-POST-api.test-v1-chat-completions/request.json", "0001-POST-api.test-v1-chat-completions/request.body",
		"0001-POST-api.test-v1-chat-completions/answer.json", "0001-POST-api.test-v1-chat-completions/answer.body",
		"0002-GET-api.test-v1-models/request.json", "0002-GET-api.test-v1-models/answer.json",
		"0003-GET-api.test-v1-models/request.json", "0003-GET-api.test-v1-models/answer.json",
	} {
		if files[name] == nil {
			t.Errorf("%s was not written", name)
		}
	}
	if len(files) != 10 {
		t.Errorf("%d files were written, want 10", len(files))
	}
	src, err := FromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if clock, err := src.Clock(); err != nil || len(clock) != 1 || FormatTime(clock[0]) != "2026-11-23T09:00:00.000Z" {
		t.Errorf("Clock = %v, %v", clock, err)
	}
	if n, err := src.Len(); n != 3 || err != nil {
		t.Errorf("Len = %d, %v, want 3", n, err)
	}
	if again := tree(t, write(t, src)); !reflect.DeepEqual(again, files) {
		t.Errorf("a directory that was read is written differently")
	}
	// The order of calls and answers, and the outcome, come through.
	for name, a := range map[string]Answerer{"dir": NewFrozen(src), "fs": NewFrozen(fromFS(t, files))} {
		ask(t, a, call(t, 7, get("https://api.test/v1/models?page=2")))
		ask(t, a, call(t, 8, post("https://api.test/v1/chat/completions", `{"n":1.50,"model":"m"}`)))
		ask(t, a, call(t, 9, get("https://api.test/v1/models?page=2")))
		for _, want := range []string{"9: 200 third", "8: 200 data: \xff\n\n", "7: refused"} {
			if got := next(t, a); got != want {
				t.Errorf("%s: Next = %q, want %q", name, got, want)
			}
		}
	}
	live := &none{}
	fill := NewFill(live, src)
	ask(t, fill, call(t, 1, get("https://api.test/v1/models?page=2")))
	ask(t, fill, call(t, 2, get("https://api.test/v1/models?page=2")))
	if len(live.asked) != 0 {
		// Only failures at the end of a queue are dropped; this one is first.
		t.Errorf("calls %v went out", live.asked)
	}
}

func fromFS(t testing.TB, files fs.FS) *Source {
	t.Helper()
	s, err := FromFS(files, "frozen")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWriteDirNeedsAnEmptyOne(t *testing.T) {
	dir := t.TempDir()
	if _, err := WriteDir(dir, sample(t), nil); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := WriteDir(dir, sample(t), nil); err == nil || !strings.HasSuffix(err.Error(), "not empty") {
		t.Errorf("a full directory: %v", err)
	}
}

func TestEveryBitOfADirCounts(t *testing.T) {
	files := tree(t, write(t, sample(t)))
	for name, f := range files {
		if strings.HasPrefix(name, ".") {
			continue
		}
		whole := f.Data
		for bit := range 8 * len(whole) {
			f.Data = bytes.Clone(whole)
			f.Data[bit/8] ^= 1 << (bit % 8)
			if survives(files) {
				t.Errorf("%s: bit %d of byte %d changed: no error", name, bit%8, bit/8)
			}
		}
		f.Data = append(bytes.Clone(whole), '\n')
		if survives(files) {
			t.Errorf("%s: a line feed appended: no error", name)
		}
		f.Data = whole[:len(whole)-1]
		if survives(files) {
			t.Errorf("%s: the last byte removed: no error", name)
		}
		delete(files, name)
		if survives(files) {
			t.Errorf("%s removed: no error", name)
		}
		f.Data = whole
		files[name] = f
	}
	if !survives(files) {
		t.Fatalf("the directory itself is refused")
	}
}

// survives reports whether a changed directory is read as if it were sound.
// The clock, the outcome and the order of answers in freeze.json are facts of
// their own: no digest binds them.
func survives(files fstest.MapFS) bool {
	s, err := FromFS(files, "frozen")
	if err != nil {
		return false
	}
	if s.Load() != nil {
		return false // other rules
	}
	clock, _ := s.Clock()
	return len(clock) == 1 && FormatTime(clock[0]) == "2026-11-23T09:00:00.000Z"
}

func TestDirRefusesWhatItDoesNotKnow(t *testing.T) {
	sound := func() fstest.MapFS { return tree(t, write(t, sample(t))) }
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }
	for _, tt := range []struct {
		name string
		do   func(fstest.MapFS)
		want string // part of the error; empty: none
	}{
		{"a readme", func(f fstest.MapFS) { f["README.md"] = text("hello") }, ""},
		{"a hidden file", func(f fstest.MapFS) { f[".DS_Store"] = text("") }, ""},
		{"a folder more", func(f fstest.MapFS) { f["0004-GET-x/request.json"] = text("") }, "frozen: 0004-GET-x: not named by freeze.json"},
		{"a file more", func(f fstest.MapFS) { f["0002-GET-api.test-v1-models/answer.body"] = text("x") }, "answer.body: nothing names it"},
		{"a link", func(f fstest.MapFS) { f["freeze.json"].Mode |= fs.ModeNamedPipe }, "freeze.json: it is no regular file"},
		{"no manifest", func(f fstest.MapFS) { delete(f, "freeze.json") }, "freeze.json: it is missing"},
		{"a folder elsewhere", edit(`"dir":"0002-GET-api.test-v1-models"`, `"dir":"../0002-GET-api.test-v1-models"`), "malformed folder name"},
		{"a folder renamed", rename, `0002-models: the folder of this call is named "0002-GET-api.test-v1-models"`},
		{"another format", edit(`coo.freeze/0`, `coo.freeze/1`), `format "coo.freeze/1"`},
		{"another outcome", edit(`"failed"`, `"fine"`), `outcome "fine"`},
		{"an answer twice", edit(`"answers":[3,1,2]`, `"answers":[3,1,1]`), "answers: 1 is no call, or is there twice"},
		{"an answer less", edit(`"answers":[3,1,2]`, `"answers":[3,1]`), "2 answers to 3 calls"},
		{"an answer beyond", edit(`"answers":[3,1,2]`, `"answers":[3,1,4]`), "answers: 4 is no call"},
		{"a time", edit(`09:00:00.000Z`, `09:00:00.00Z`), "malformed clock reading"},
	} {
		files := sound()
		tt.do(files)
		_, err := FromFS(files, "frozen")
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: FromFS = %v, want %q", tt.name, err, tt.want)
		}
		if _, isSource := errors.AsType[*SourceError](err); err != nil && !isSource {
			t.Errorf("%s: %T, want a *SourceError", tt.name, err)
		}
	}
}

// edit replaces a part of freeze.json.
func edit(from, to string) func(fstest.MapFS) {
	return func(f fstest.MapFS) {
		f["freeze.json"].Data = bytes.Replace(f["freeze.json"].Data, []byte(from), []byte(to), 1)
	}
}

// rename gives a folder another name, in freeze.json too.
func rename(f fstest.MapFS) {
	for _, name := range []string{"request.json", "answer.json"} {
		old := "0002-GET-api.test-v1-models/" + name
		f["0002-models/"+name] = f[old]
		delete(f, old)
	}
	edit(`"dir":"0002-GET-api.test-v1-models"`, `"dir":"0002-models"`)(f)
}

func TestDirChangedAfterItWasRead(t *testing.T) {
	files := tree(t, write(t, sample(t)))
	f := NewFrozen(fromFS(t, files))
	ask(t, f, call(t, 8, post("https://api.test/v1/chat/completions", `{"model":"m","n":1.50}`)))
	files["0001-POST-api.test-v1-chat-completions/answer.body"].Data[0] ^= 1
	if d, err := f.Next(context.Background()); err == nil {
		t.Errorf("Next = %q, want the changed file named", show(d))
	}
}

func TestFolderNames(t *testing.T) {
	for _, tt := range []struct{ method, url, want string }{
		{"GET", "https://a.test/", "0001-GET-a.test"},
		{"GET", "http://[::1]:8080/a/../b?secret=1", "0001-GET-1-8080-a-..-b"},
		{"POST", "https://a.test/<secret KEY>/é/", "0001-POST-a.test-secret-KEY"},
		{"GET", "https://a.test/" + strings.Repeat("long/", 40), "0001-GET-a.test-" + strings.Repeat("long-", 12) + "long"},
	} {
		if got := new(folderNames).next(0, manifestRow{}, &wire.DocInfo{Method: tt.method, URL: tt.url}); got != tt.want {
			t.Errorf("the folder of %s %s = %q, want %q", tt.method, tt.url, got, tt.want)
		}
	}
	var names folderNames
	key := digest.Call{0xab, 0xcd, 0xef, 0x01}
	for i, want := range []string{"GET-a.test-x-abcdef01", "GET-a.test-x-abcdef01-2", "GET-a.test-X-abcdef01-3"} {
		info := &wire.DocInfo{Method: "GET", URL: "https://a.test/" + want[11:12]}
		if got := names.next(i, manifestRow{P: 1, Req: key}, info); got != want {
			t.Errorf("folder %d of a program = %q, want %q", i, got, want)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	b, err := os.ReadFile(filepath.Join(write(f, sample(f)), manifestName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"answers":[],"calls":[],"clock":[],"format":"coo.freeze/0","outcome":"ok","rules":[]}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			return
		}
		again, err := canon.Marshal(m)
		if err != nil || string(again)+"\n" != string(b) {
			t.Errorf("%q is written again as %q, %v", b, again, err)
		}
	})
}
