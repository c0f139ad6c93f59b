package report

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/coo-runtime/coo/internal/digest"
)

// How much of a unified diff is shown.
const (
	maxDiffLines = 400
	maxDiffBytes = 256 << 10
)

// TextDiff returns the unified diff of two texts, fit for a terminal
// ([Visible]), and "" when they are equal. Lines are kept whole; after 400 of
// them, or 256 KiB, it says how many more there are.
func TextDiff(oldName, newName, old, new string) string {
	d := diff.Diff(OneLine(oldName, 120), []byte(old), OneLine(newName, 120), []byte(new))
	if d == nil {
		return ""
	}
	_, d, _ = bytes.Cut(d, []byte("\n")) // "diff old new"
	var b strings.Builder
	for n := 0; len(d) > 0; n++ {
		line, rest, _ := bytes.Cut(d, []byte("\n"))
		if n == maxDiffLines || b.Len()+len(line) > maxDiffBytes {
			fmt.Fprintf(&b, "… %s\n", Count(bytes.Count(d, []byte("\n")), "more line"))
			break
		}
		b.WriteString(Visible(string(line)))
		b.WriteByte('\n')
		d = rest
	}
	return b.String()
}

// contentDiff is [TextDiff] of two contents, of which only sizes and digests
// are told when one of them is no text.
func contentDiff(oldName, newName string, old, new []byte) string {
	if bytes.Equal(old, new) {
		return ""
	}
	if !isText(old) || !isText(new) {
		return fmt.Sprintf("--- %s: %s\n+++ %s: %s\n",
			OneLine(oldName, 120), summary(old), OneLine(newName, 120), summary(new))
	}
	return TextDiff(oldName, newName, string(old), string(new))
}

// isText reports whether b can be read as text.
func isText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

// summary tells of content what can be told without showing it.
func summary(b []byte) string {
	return fmt.Sprintf("%s, sha256 %s", Size(int64(len(b))), digest.Of(b).Short())
}
