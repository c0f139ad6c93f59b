package workspace

import (
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func TestCleanPath(t *testing.T) {
	long := strings.Repeat("a/", 500) + "b"
	for _, tt := range []struct{ in, want, err string }{
		{in: "a", want: "a"},
		{in: "./a//b/./c.txt", want: "a/b/c.txt"},
		{in: "ü/日本 1.md", want: "ü/日本 1.md"},
		{in: "...a", want: "...a"},
		{in: ".gitignore", want: ".gitignore"},
		{in: "console.txt", want: "console.txt"},
		{in: "", err: `path "": the path is empty`},
		{in: ".", err: `path ".": names a directory`},
		{in: "a/", err: `path "a/": names a directory`},
		{in: "a/./", err: `path "a/./": names a directory`},
		{in: "..", err: `path "..": ".." is not allowed`},
		{in: "a/../b", err: `path "a/../b": ".." is not allowed`},
		{in: "/etc/passwd", err: `path "/etc/passwd": not relative to the workspace`},
		{in: "C:/x", err: `path "C:/x": not relative to the workspace`},
		{in: "c:x", err: `path "c:x": not relative to the workspace`},
		{in: `a\b`, err: `path "a\\b": "\" is not allowed: write "/" between names`},
		{in: "a\x00b", err: `path "a\x00b": a NUL character is not allowed`},
		{in: "a\xffb", err: `path "a\xffb": not valid UTF-8`},
		{in: "a\nb", err: `path "a\nb": '\n' is not allowed in a name`},
		{in: "wh?t", err: `path "wh?t": '?' is not allowed in a name`},
		{in: "file.txt:stream", err: `path "file.txt:stream": ':' is not allowed in a name`},
		{in: "a./b", err: `path "a./b": a name may not end in a dot or a space`},
		{in: "nul", err: `path "nul": "nul" is reserved by Windows`},
		{in: "x/Com1.tar.gz", err: `path "x/Com1.tar.gz": "Com1" is reserved by Windows`},
		{in: "COM¹", err: `path "COM¹": "COM¹" is reserved by Windows`},
		{in: ".git/config", err: `path ".git/config": ".git" is never read or written`},
		{in: "sub/.Env.local", err: `path "sub/.Env.local": ".Env.local" is never read or written`},
		{in: ".GIT", err: `path ".GIT": ".GIT" is never read or written`},
		{in: ".g\u200cit/x", err: `path ".g\u200cit/x": ".g\u200cit" is never read or written`},
		{in: "git~1/x", err: `path "git~1/x": "git~1" is never read or written`},
		{in: "node_modules/x", err: `path "node_modules/x": "node_modules" is never read or written`},
		{in: strings.Repeat("n", 256), err: `path "` + strings.Repeat("n", 256) + `": a name is longer than 255 bytes`},
		{in: long, err: `path "` + long[:40] + `…": longer than 1000 bytes`},
		{in: long[:200], err: `path "` + long[:200] + `": names a directory`},
		{in: long[:201], err: `path "` + long[:201] + `": more than 62 names`},
	} {
		got, err := CleanPath(tt.in)
		if text := errText(err); got != tt.want || text != tt.err {
			t.Errorf("CleanPath(%q) = %q, %s; want %q, %s", tt.in, got, text, tt.want, tt.err)
		}
	}
}

func TestReadablePathsNeedNotBePortable(t *testing.T) {
	for _, p := range []string{"what?.md", "10:30.log", "aux", "Icon\r", "end."} {
		if got, err := CleanReadPath(p); err != nil || got != p {
			t.Errorf("CleanReadPath(%q) = %q, %v", p, got, err)
		}
		if _, err := CleanPath(p); err == nil {
			t.Errorf("CleanPath(%q) = nil, want an error", p)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"a", "./a//b", "../x", "a/../b", "C:/x", ".git", "a\\b", "nul.txt", "日本/ü", "ſ.txt"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := CleanPath(s)
		if err != nil {
			return
		}
		if !filepath.IsLocal(p) || path.Clean(p) != p || Ignored(p) {
			t.Errorf("CleanPath(%q) = %q, which is not clean and local", s, p)
		}
		if again, err := CleanPath(p); err != nil || again != p {
			t.Errorf("CleanPath(%q) = %q, %v; want the same again", p, again, err)
		}
		if r, err := CleanReadPath(s); err != nil || r != p {
			t.Errorf("CleanReadPath(%q) = %q, %v; want %q as for writing", s, r, err, p)
		}
	})
}

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		yes, no []string
	}{
		{"a.txt", []string{"a.txt"}, []string{"b/a.txt", "a.txt/b", "A.txt"}},
		{"*.md", []string{"x.md", ".md"}, []string{"d/x.md", "x.mdx"}},
		{"**", []string{"a", "a/b", ".x/y"}, nil},
		{"**/*.md", []string{"x.md", "a/x.md", "a/b/x.md"}, []string{"x.md/y"}},
		{"src/**", []string{"src/a", "src/a/b"}, []string{"src", "srcs/a"}},
		{"src/**/**/t_?.[ab]", []string{"src/t_1.a", "src/x/y/t_2.b"}, []string{"src/t_10.a", "src/t_1.c"}},
		{"./a//*", []string{"a/b"}, []string{"a", "a/b/c"}},
		{"**/a/**/b", []string{"a/b", "x/a/y/z/b", "a/a/b"}, []string{"b", "a", "a/b/c"}},
	} {
		p, err := ParsePattern(tt.pattern)
		if err != nil {
			t.Errorf("ParsePattern(%q): %v", tt.pattern, err)
			continue
		}
		for _, s := range tt.yes {
			if !p.Match(s) {
				t.Errorf("pattern %q does not match %q", tt.pattern, s)
			}
		}
		for _, s := range tt.no {
			if p.Match(s) {
				t.Errorf("pattern %q matches %q", tt.pattern, s)
			}
		}
	}
	for _, s := range []string{"", "/x", "a/../b", "[", "a/[b", `a\*`, "d/", "\xff", strings.Repeat("a/", 62) + "b"} {
		if p, err := ParsePattern(s); err == nil {
			t.Errorf("ParsePattern(%q) = %v, want an error", s, p)
		}
	}
}

// matchNaive is the plain recursive meaning of a pattern.
func matchNaive(pattern, names []string) bool {
	switch {
	case len(pattern) == 0:
		return len(names) == 0
	case pattern[0] == "**":
		return matchNaive(pattern[1:], names) || len(names) > 0 && matchNaive(pattern, names[1:])
	case len(names) == 0:
		return false
	}
	ok, _ := path.Match(pattern[0], names[0])
	return ok && matchNaive(pattern[1:], names[1:])
}

func FuzzPattern(f *testing.F) {
	f.Add("**/a/*", "x/a/b")
	f.Add("src/**", "src/a/b")
	f.Add("**/**/[a-c]?", "q/bz")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, err := ParsePattern(pattern)
		name, nerr := CleanReadPath(name)
		if err != nil || nerr != nil || len(pattern)+len(name) > 60 {
			return
		}
		if again, err := ParsePattern(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("ParsePattern(%q) = %v, %v; want itself", p, again, err)
		}
		want := matchNaive(p.names, strings.Split(name, "/"))
		if got := p.Match(name); got != want {
			t.Errorf("pattern %q, path %q: %v, want %v", pattern, name, got, want)
		}
	})
}
