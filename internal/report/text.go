// Package report says in words what records say in bytes: a line for each
// record, a run's summary, its calls as prompts and answers, the lineage of
// its outputs, the differences between two runs.
//
// Everything here is a function of a sealed run and prints the same text
// everywhere. Recordings are hostile input: what comes out of one goes to a
// terminal only through [Visible].
package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns s with everything that could steer a terminal or mislead a
// reader written out: control characters but newline and tab, the Unicode
// controls that change the direction of text, invisible format characters,
// and bytes that are not UTF-8.
func Visible(s string) string {
	clean := true
	for _, r := range s {
		if steers(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case steers(r) && r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case steers(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case steers(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

func steers(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r == utf8.RuneError:
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// OneLine returns s on one line, cut after limit runes.
func OneLine(s string, limit int) string {
	s = strings.NewReplacer("\n", "↵", "\t", " ").Replace(Visible(s))
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}

// Size returns n bytes as people read them: 831 B, 12.4 kB, 3.0 MB.
func Size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%d.%d kB", n/1000, n%1000/100)
	case n < 1000*1000*1000:
		return fmt.Sprintf("%d.%d MB", n/1000/1000, n/1000%1000/100)
	}
	return fmt.Sprintf("%d.%d GB", n/1000/1000/1000, n/1000/1000%1000/100)
}

// Count returns "1 call", "3 calls".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
