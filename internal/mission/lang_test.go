package mission

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLanguage runs the chunks of testdata/*.star. A chunk is the body of
// main, with assert(x, y) for equality; a line "### regexp" anywhere in it says
// that it fails, with a message that matches, on the line before.
func TestLanguage(t *testing.T) {
	files, err := filepath.Glob("testdata/*.star")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := 1
		for chunk := range strings.SplitSeq(string(text), "---\n") {
			runChunk(t, filepath.Base(file), line, chunk)
			line += strings.Count(chunk, "\n") + 1
		}
	}
}

func runChunk(t *testing.T, file string, line int, chunk string) {
	t.Helper()
	const head = "def assert(x, y):\n    if repr(x) != repr(y):\n        fail('got %r, want %r' % (x, y))\ndef main(coo):\n"
	src := strings.Replace(head, "assert", "check", 1) + "    pass\n" + indent(chunk)
	want, wantLine := "", 0
	for i, l := range strings.Split(chunk, "\n") {
		if _, re, ok := strings.Cut(l, "### "); ok {
			want, wantLine = re, line+i
		}
	}
	p, err := Load("m.star", func(string) ([]byte, error) { return []byte(src), nil })
	if err != nil {
		t.Errorf("%s:%d: %v", file, line, err)
		return
	}
	w := newFake()
	w.files["notes.txt"] = "high tide\n"
	w.files["raw.bin"] = "\xff\x00"
	w.env["REGION"] = "eu"
	r := p.Run(w, Options{Seed: "1"})
	offset := line - strings.Count(head, "\n") - 2
	switch {
	case r.Fatal != nil:
		t.Errorf("%s:%d: fatal: %v", file, line, r.Fatal)
	case r.Err == nil && want != "":
		t.Errorf("%s:%d: no failure, want %s", file, wantLine, want)
	case r.Err != nil:
		at := 0
		for _, f := range r.Err.Trace {
			if f.Func != "check" {
				at = int(f.Line) + offset
			}
		}
		if want == "" || !regexp.MustCompile(want).MatchString(r.Err.Msg) || at != wantLine {
			t.Errorf("%s:%d: %s\nwant line %d: %s", file, at, r.Err.Msg, wantLine, want)
		}
	}
}

func indent(chunk string) string {
	var b strings.Builder
	for l := range strings.Lines(chunk) {
		b.WriteString("    " + l)
	}
	return b.String()
}
