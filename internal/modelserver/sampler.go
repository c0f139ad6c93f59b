package modelserver

import (
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed corpus.txt
var corpus string

// A sampler writes text that reads like the text it was trained on. Words
// follow the two words before them or, half of the time, the one.
type sampler struct {
	starts []string            // words that begin a sentence
	after1 map[string][]string // word → words that follow it
	after2 map[[2]string][]string
	words  []string // without punctuation
}

// maxWords ends a sentence that does not end by itself.
const maxWords = 40

// newSampler trains a sampler. Sentences are lines.
func newSampler(text string) *sampler {
	s := &sampler{after1: map[string][]string{}, after2: map[[2]string][]string{}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		s.starts = append(s.starts, words[0])
		for _, w := range words {
			if w = strings.TrimFunc(w, unicode.IsPunct); w != "" {
				s.words = append(s.words, w)
			}
		}
		before := ""
		for i, w := range words[:len(words)-1] {
			s.after1[w] = append(s.after1[w], words[i+1])
			s.after2[[2]string{before, w}] = append(s.after2[[2]string{before, w}], words[i+1])
			before = w
		}
	}
	return s
}

// sentence returns one sentence.
func (s *sampler) sentence() string {
	before, w := "", pick(s.starts)
	words := []string{w}
	for len(words) < maxWords {
		next := s.after2[[2]string{before, w}]
		if len(next) == 0 || oneIn(2) {
			next = s.after1[w]
		}
		if len(next) == 0 {
			break
		}
		before, w = w, pick(next)
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// paragraph returns two to four sentences.
func (s *sampler) paragraph() string {
	sentences := make([]string, between(2, 4))
	for i := range sentences {
		sentences[i] = s.sentence()
	}
	return strings.Join(sentences, " ")
}

// phrase returns one to three words.
func (s *sampler) phrase() string {
	words := make([]string, between(1, 3))
	for i := range words {
		words[i] = pick(s.words)
	}
	return strings.Join(words, " ")
}

// maxToken is the length of the longest word that is one token, in runes.
const maxToken = 8

// tokens cuts text into tokens: words with the space in front of them, long
// words in several pieces, and everything else rune by rune. Joined, they are
// the text.
func tokens(text string) []string {
	var out []string
	for text != "" {
		n := tokenLen(text)
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

// tokenLen is the length in bytes of the first token of text.
func tokenLen(text string) int {
	n := 0
	if text[0] == ' ' {
		n = 1
	}
	for count := 0; count < maxToken && n < len(text); count++ {
		r, size := utf8.DecodeRuneInString(text[n:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			if count == 0 {
				n += size
			}
			break
		}
		n += size
	}
	return n
}
