package report

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextDiff(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"one line", "a\nb\nc\n", "a\nB\nc\n", "--- old\n+++ new\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"from nothing", "", "a\n", "--- old\n+++ new\n@@ -0,0 +1,1 @@\n+a\n"},
		{"what steers a terminal", "a\x1b[2J\n", "a\u202e\n", "--- old\n+++ new\n@@ -1,1 +1,1 @@\n-a\\x1b[2J\n+a\\u202e\n"},
		{"line ends", "a\r\n", "a\n", "--- old\n+++ new\n@@ -1,1 +1,1 @@\n-a\\x0d\n+a\n"},
		{"no newline at the end", "a", "a\n", "--- old\n+++ new\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := TextDiff("old", "new", tt.old, tt.new); got != tt.want {
				t.Errorf("TextDiff = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTextDiffNames(t *testing.T) {
	got := TextDiff("a\nb\x1b", "new", "1\n", "2\n")
	if !strings.HasPrefix(got, "--- a↵b\\x1b\n+++ new\n@@") {
		t.Errorf("names can forge lines: %q", got)
	}
}

func TestTextDiffIsBounded(t *testing.T) {
	var old, new strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&old, "old %d\n", i)
		fmt.Fprintf(&new, "new %d\n", i)
	}
	got := TextDiff("a", "b", old.String(), new.String())
	if n := strings.Count(got, "\n"); n != maxDiffLines+1 {
		t.Errorf("%d lines, want %d", n, maxDiffLines+1)
	}
	if !strings.HasSuffix(got, "\n… 1603 more lines\n") {
		t.Errorf("it ends with %q", got[len(got)-40:])
	}
	line := strings.Repeat("long ", 20_000)
	got = TextDiff("a", "b", line, line+"er")
	if !strings.Contains(got, "\n+"+line+"er\n") {
		t.Error("a long line was cut")
	}
	huge := strings.Repeat("x", 1<<20)
	got = TextDiff("a", "b", huge, huge+"y")
	if len(got) > 1000 || !strings.HasSuffix(got, "… 4 more lines\n") {
		t.Errorf("two huge lines: %d bytes", len(got))
	}
}

func FuzzTextDiff(f *testing.F) {
	f.Add("a\nb\n", "a\r\n\x1b[31m\xff")
	f.Fuzz(func(t *testing.T, old, new string) {
		got := TextDiff("old", "new", old, new)
		if (got == "") != (old == new) {
			t.Errorf("TextDiff(%q, %q) = %q", old, new, got)
		}
		if !utf8.ValidString(got) || strings.ContainsFunc(got, steers) {
			t.Errorf("TextDiff(%q, %q) = %q: not fit for a terminal", old, new, got)
		}
	})
}

func TestContentDiff(t *testing.T) {
	got := contentDiff("old x.png", "new x.png", []byte("\x89PNG\x00"), []byte("text"))
	want := "--- old x.png: 5 B, sha256 ad91235e8822\n+++ new x.png: 4 B, sha256 982d9e3eb996\n"
	if got != want {
		t.Errorf("contentDiff of bytes = %q, want %q", got, want)
	}
	if got := contentDiff("a", "b", []byte("\x00"), []byte("\x00")); got != "" {
		t.Errorf("contentDiff of equal bytes = %q", got)
	}
}
