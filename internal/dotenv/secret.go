package dotenv

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/coo-runtime/coo/internal/credential"
)

// minRandom is the length from which on letters and digits, mixed, are taken
// for something drawn at random; minLetters of letters alone in both cases.
const (
	minRandom  = 16
	minLetters = 24
)

// Secret reports whether a value looks like what should not be recorded,
// whatever its name is: it has the form of a credential, a password in a URL,
// or a word that nobody would write by hand.
//
//	postgres://ada:s3cret@db/agents    yes
//	9f8c2d7e41b06a35                   yes
//	claude-sonnet-4-20250514           no
//	/srv/models/e5-base-v2             no
func Secret(value string) bool {
	if credential.Find([]byte(value)) != nil {
		return true
	}
	for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' }) {
		// A user in a URL comes with a password, or is one.
		if _, after, ok := strings.Cut(word, "://"); ok {
			if authority, _, _ := strings.Cut(after, "/"); strings.Contains(authority, "@") {
				return true
			}
		}
	}
	for piece := range strings.FieldsFuncSeq(value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if random(piece) {
			return true
		}
	}
	return uuid.MatchString(value)
}

// uuid has pieces that are too short to be told one by one.
var uuid = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// random reports whether a word of letters and digits is drawn rather than
// written. A number is written, and so is a word with a number after it; what
// is drawn goes from one kind of character to another again and again.
func random(word string) bool {
	var n, digits, kinds, cases int
	var before rune
	for _, r := range word {
		if n > 0 && unicode.IsDigit(r) != unicode.IsDigit(before) {
			kinds++
		}
		if n > 0 && unicode.IsUpper(r) != unicode.IsUpper(before) {
			cases++
		}
		if unicode.IsDigit(r) {
			digits++
		}
		before = r
		n++
	}
	switch {
	case digits > 0 && digits < n:
		return n >= minRandom && kinds >= 2
	case digits == 0:
		return n >= minLetters && cases >= n/3
	}
	return false
}
