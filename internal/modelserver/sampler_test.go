package modelserver

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzTokens(f *testing.F) {
	for _, seed := range []string{"", "a b", "At 60° north — a café.", "  two  spaces\n", "Donaudampfschifffahrt", "\xff x\xfe"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := tokens(text)
		if got := strings.Join(list, ""); got != text {
			t.Errorf("tokens of %q are together %q", text, got)
		}
		for _, one := range list {
			if one == "" || utf8.RuneCountInString(one) > maxToken+1 || utf8.ValidString(text) && !utf8.ValidString(one) {
				t.Errorf("token %q of %q", one, text)
			}
		}
	})
}

func TestSentences(t *testing.T) {
	s := newSampler(corpus)
	seen := map[string]bool{}
	known := map[string]bool{}
	for w := range strings.FieldsSeq(corpus) {
		known[w] = true
	}
	for range 200 {
		one := s.sentence()
		seen[one] = true
		words := strings.Fields(one)
		for _, w := range words {
			if !known[w] {
				t.Fatalf("a word from nowhere: %q in %q", w, one)
			}
		}
		if last := words[len(words)-1]; len(words) > maxWords || len(words) < maxWords && !strings.HasSuffix(last, ".") {
			t.Errorf("%d words, ending in %q: %q", len(words), last, one)
		}
	}
	if len(seen) < 150 {
		t.Errorf("%d of 200 sentences differ", len(seen))
	}
}

// TestValue makes values up for schemas that are odd, and checks what is sure.
func TestValue(t *testing.T) {
	s := newSampler(corpus)
	for schema, want := range map[string]string{
		`{"const":7}`:                         `7`,
		`{"enum":["a"]}`:                      `"a"`,
		`{"type":"null"}`:                     `null`,
		`{"type":["null","string"]}`:          `null`,
		`{"anyOf":[{"const":true},{}]}`:       `true`,
		`{"type":"INTEGER","maximum":-5}`:     ``,
		`{"type":"integer","minimum":9e99}`:   ``,
		`{"type":"object","properties":null}`: `{}`,
		`{"type":"array","items":null}`:       ``,
		`{"type":[]}`:                         ``,
		`[1]`:                                 ``,
		`null`:                                ``,
		`{"type":"array","items":{"type":"array","items":{"type":"array","items":{"type":"array"}}}}`: ``,
	} {
		got := encode(s.value([]byte(schema)))
		if !json.Valid(got) || want != "" && string(got) != want {
			t.Errorf("%s: %s, want %s", schema, got, want)
		}
	}
	for range 100 {
		if n := s.value([]byte(`{"type":"integer","maximum":-5}`)).(int); n > -5 || n < -105 {
			t.Errorf("at most -5: %d", n)
		}
	}
}

func TestShorten(t *testing.T) {
	for n, want := range []string{"", "a", "a", "a", "a—", "a—b", "a—b"} {
		if got := shorten("a—b", n); got != want {
			t.Errorf("shorten to %d: %q, want %q", n, got, want)
		}
	}
}

// TestScatter checks that moved borders lose nothing and that they do move.
func TestScatter(t *testing.T) {
	frames := make([][]byte, 1000)
	for i := range frames {
		frames[i] = []byte("data: {}\n\n")
	}
	pieces := scatter(frames)
	total, whole := 0, 0
	for _, p := range pieces {
		if total += len(p); len(p) == len(frames[0]) {
			whole++
		}
		if len(p) == 0 {
			t.Error("an empty piece")
		}
	}
	if total != 10*len(frames) || whole == len(frames) {
		t.Errorf("%d bytes, %d frames as they were", total, whole)
	}
}
