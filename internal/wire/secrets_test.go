package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func mustSecrets(t fataler, values map[string]string) *Secrets {
	t.Helper()
	s, err := NewSecrets(values)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// awkward is a value in which every form is another text.
const awkward = "p/w \"<\\é\n&+=?~%s😀"

func goJSON(v string) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b[1 : len(b)-1])
}

func TestSecretFoundInEveryForm(t *testing.T) {
	const key = "sk-proj_Ab1Cd2Ef3"
	for _, v := range []string{key, awkward, strings.Repeat("k", MinSecret), "\xff\x00\xfebinary\x80"} {
		s := mustSecrets(t, map[string]string{"K": v})
		forms := map[string][]string{
			"raw":     {v},
			"hex":     {hex.EncodeToString([]byte(v)), strings.ToUpper(hex.EncodeToString([]byte(v)))},
			"percent": {url.QueryEscape(v), url.PathEscape(v), strings.ToLower(url.PathEscape("/")) + url.PathEscape(v), percentAll(v, upperHex), percentAll(v, lowerHex)},
			"json":    {goJSON(v), jsonSpelling(v, lowerHex, jsonStyles[7]), jsonSpelling(v, upperHex, jsonStyles[7])},
		}
		if v == awkward {
			// As Python, PHP, JavaScript and .NET write it.
			forms["json"] = append(forms["json"],
				`p/w \"<\\\u00e9\n&+=?~%s\ud83d\ude00`, `p\/w \"<\\\u00e9\n&+=?~%s\ud83d\ude00`, `p/w \"<\\é\n&+=?~%s😀`,
				`p/w \u0022\u003C\\\u00E9\n\u0026\u002B=?~%s\uD83D\uDE00`)
			forms["percent"] = append(forms["percent"], "p%2fw%20%22%3c%5c%c3%a9%0a%26%2b%3d%3f~%25s%f0%9f%98%80", "p/w%20%22%3C%5C%C3%A9%0A&+=?~%25s%F0%9F%98%80", "p%2Fw+%22%3C%5C%C3%A9%0A%26%2B%3D%3F~%25s%F0%9F%98%80")
		}
		for form, texts := range forms {
			for _, text := range texts {
				checkGone(t, s, v, form, "before "+text+" after")
			}
		}
	}
}

// checkGone checks that the secret K is found in text and replaced.
func checkGone(t *testing.T, s *Secrets, v, form, text string) {
	t.Helper()
	if _, ok := s.Find([]byte(text)); !ok {
		t.Errorf("%q not found as %s in %q", v, form, text)
		return
	}
	got := s.Replace([]byte(text))
	if _, ok := s.Find(got); ok || !bytes.Contains(got, []byte("<secret K>")) {
		t.Errorf("%s: Replace(%q) = %q", form, text, got)
	}
}

func TestSecretFoundInBase64AtEveryAlignment(t *testing.T) {
	for _, v := range []string{"sk-proj_Ab1Cd2Ef3", "12345678", awkward, "\xfb\xff\xbf\xfe\xff\xfb\xef\xbe\xff"} {
		s := mustSecrets(t, map[string]string{"K": v})
		for before := range 7 {
			for after := range 4 {
				plain := strings.Repeat("u", before) + v + strings.Repeat(":", after)
				for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
					text := enc.EncodeToString([]byte(plain))
					h, ok := s.Find([]byte(text))
					if !ok || h.Form != "base64" {
						t.Errorf("%q not found in base64 of %q: %+v", v, plain, h)
						continue
					}
					// What is left tells at most the bits it shares with a neighbour.
					if left := len(text) - (h.End - h.Start); left*6 > (before+after)*8+3*8+2*6 {
						t.Errorf("%d characters of base64 of %q are left", left, plain)
					}
				}
			}
		}
	}
}

func TestSecretHit(t *testing.T) {
	s := mustSecrets(t, map[string]string{"LONG": "abcdefghijkl", "INNER": "defghijk", "TWIN_B": "same-value", "TWIN_A": "same-value"})
	for _, c := range []struct {
		text string
		want Hit
	}{
		{"xxabcdefghijklxx", Hit{"LONG", "raw", 2, 14}},
		{"xxabcdefghijkxx", Hit{"INNER", "raw", 5, 13}},
		{"-same-value", Hit{"TWIN_A", "raw", 1, 11}},
		{"defghijkabcdefghijkl", Hit{"INNER", "raw", 0, 8}},
	} {
		if got, ok := s.Find([]byte(c.text)); !ok || got != c.want {
			t.Errorf("Find(%q) = %+v, want %+v", c.text, got, c.want)
		}
	}
	if h, ok := s.Find([]byte("abcdefghij ame-value")); ok {
		t.Errorf("found %+v where there is none", h)
	}
}

func TestNoSecrets(t *testing.T) {
	none := mustSecrets(t, nil)
	for _, s := range []*Secrets{nil, none} {
		text := []byte("nothing here")
		r := s.Stream()
		if _, ok := s.Find(text); ok || string(s.Replace(text)) != "nothing here" || string(r.Write(text)) != "nothing here" || len(r.Close()) != 0 {
			t.Error("no secrets, and yet something was found")
		}
	}
}

func TestNewSecretsRefuses(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"SHORT", "hunter2", "secret SHORT: its value has 7 bytes: 8 to 16384 can be kept out of a record"},
		{"EMPTY", "", "secret EMPTY: its value has 0 bytes: 8 to 16384 can be kept out of a record"},
		{"LONG", strings.Repeat("x", MaxSecret+1), "secret LONG: its value has 16385 bytes: 8 to 16384 can be kept out of a record"},
		{"a b", "long enough", `secret "a b": a name is made of letters, digits and underscores`},
	} {
		if _, err := NewSecrets(map[string]string{c.name: c.value}); err == nil || err.Error() != c.want {
			t.Errorf("NewSecrets(%q): %v, want %s", c.name, err, c.want)
		}
	}
}

// naive replaces by trying every pattern at every place.
func naive(patterns []string, names map[string]string, text string) string {
	var out strings.Builder
	for text != "" {
		best := ""
		for _, p := range patterns {
			if strings.HasPrefix(text, p) && len(p) > len(best) {
				best = p
			}
		}
		if best == "" {
			out.WriteByte(text[0])
			text = text[1:]
			continue
		}
		out.WriteString("<secret " + names[best] + ">")
		text = text[len(best):]
	}
	return out.String()
}

// For any values, any text made of their pieces, and any way to cut it in
// chunks, the stream gives what the whole gives, and both what trying every
// pattern at every place gives.
func TestRedactorGivesTheSameHoweverCut(t *testing.T) {
	alphabet := rapid.SampledFrom([]rune("abc\"/"))
	rapid.Check(t, func(t *rapid.T) {
		values, names := map[string]string{}, map[string]string{}
		var patterns []string
		for i, v := range rapid.SliceOfN(rapid.StringOfN(alphabet, 8, 10, -1), 1, 4).Draw(t, "values") {
			values[fmt.Sprintf("K%d", i)] = v
		}
		for i := range len(values) {
			name := fmt.Sprintf("K%d", i)
			for _, sp := range spellings(values[name]) {
				if _, ok := names[sp.text]; !ok {
					names[sp.text] = name
					patterns = append(patterns, sp.text)
				}
			}
		}
		s := mustSecrets(t, values)
		piece := rapid.Custom(func(t *rapid.T) string {
			if p := rapid.SampledFrom(patterns).Draw(t, "pattern"); rapid.Bool().Draw(t, "use") {
				from := rapid.IntRange(0, len(p)).Draw(t, "from")
				return p[from:rapid.IntRange(from, len(p)).Draw(t, "to")]
			} else if rapid.Bool().Draw(t, "whole") {
				return p
			}
			return rapid.StringOfN(alphabet, 0, 12, -1).Draw(t, "noise")
		})
		text := strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
		want := naive(patterns, names, text)
		if got := string(s.Replace([]byte(text))); got != want {
			t.Fatalf("Replace(%q) = %q, want %q", text, got, want)
		}
		cut := rapid.IntRange(1, 9).Draw(t, "chunk")
		if got := inChunks(s, []byte(text), cut); got != want {
			t.Fatalf("in chunks of %d: %q gives %q, want %q", cut, text, got, want)
		}
	})
}

// inChunks redacts text in chunks of n bytes, each overwritten after its use.
func inChunks(s *Secrets, text []byte, n int) string {
	r := s.Stream()
	var out []byte
	chunk := make([]byte, n)
	for len(text) > 0 {
		k := copy(chunk, text)
		text = text[k:]
		out = append(out, r.Write(chunk[:k])...)
		clear(chunk)
	}
	return string(append(out, r.Close()...))
}

// Every split in two of a text that holds a secret, for each form.
func TestRedactorAtEverySplit(t *testing.T) {
	s := mustSecrets(t, map[string]string{"K": awkward, "TOKEN": "tok-12345678"})
	for _, sp := range spellings(awkward) {
		text := []byte("tok-1234567 " + sp.text + "tok-12345678tok-1234567")
		want := string(s.Replace(text))
		if strings.Contains(want, sp.text) || strings.Count(want, "<secret ") != 2 {
			t.Fatalf("Replace(%q) = %q", text, want)
		}
		for i := range len(text) + 1 {
			r := s.Stream()
			got := string(r.Write(text[:i]))
			got += string(r.Write(text[i:])) + string(r.Close())
			first, _ := r.First()
			if hit, _ := s.Find(text); first != hit {
				t.Fatalf("%q split at %d: First = %+v, want %+v", text, i, first, hit)
			}
			if got != want {
				t.Fatalf("%q split at %d: %q\nwant %q", text, i, got, want)
			}
		}
	}
}

// Only bytes that begin a secret may be held back: an event must not wait for
// the next one.
func TestRedactorHoldsBackNoMore(t *testing.T) {
	s := mustSecrets(t, map[string]string{"K": "sk-12345678"})
	r := s.Stream()
	for _, c := range []struct{ in, out string }{
		{"data: hello\n\n", "data: hello\n\n"},
		{"data: sk", "data: "},
		{"-", ""},
		{"x", "sk-x"},
		{"sk-1234567", ""},
		{"8", "<secret K>"},
		{"sk-12345678 sk", "<secret K> "},
	} {
		if got := string(r.Write([]byte(c.in))); got != c.out {
			t.Errorf("Write(%q) = %q, want %q", c.in, got, c.out)
		}
	}
	if got := string(r.Close()); got != "sk" || r.Hits() != 2 {
		t.Errorf("Close = %q after %d hits", got, r.Hits())
	}
}

func FuzzRedactor(f *testing.F) {
	f.Add([]byte("x sk-12345678 y"), uint8(3))
	f.Add([]byte("c2stMTIzNDU2Nzg="), uint8(1))
	s := mustSecrets(f, map[string]string{"A": "sk-12345678", "B": "12345678", "C": "8sk-1234"})
	f.Fuzz(func(t *testing.T, text []byte, n uint8) {
		want := s.Replace(text)
		if got := inChunks(s, text, int(n%16)+1); got != string(want) {
			t.Errorf("%q in chunks of %d gives %q, whole %q", text, n%16+1, got, want)
		}
		if bytes.Contains(want, []byte("12345678")) {
			t.Errorf("%q gives %q", text, want)
		}
	})
}

func BenchmarkReplace(b *testing.B) {
	text := []byte(strings.Repeat("data: {\"choices\":[{\"delta\":{\"content\":\"the tide comes in\"}}]}\n\n", 1024))
	s := mustSecrets(b, map[string]string{"OPENAI_API_KEY": "sk-proj-" + strings.Repeat("aB3_", 40), "ANTHROPIC_API_KEY": "sk-ant-api03-" + strings.Repeat("xY9-", 24), "DB": "correct horse battery staple"})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Replace(text)
	}
}

func BenchmarkNewSecrets(b *testing.B) {
	values := map[string]string{"OPENAI_API_KEY": "sk-proj-" + strings.Repeat("aB3_", 40)}
	b.ReportAllocs()
	for b.Loop() {
		mustSecrets(b, values)
	}
}
