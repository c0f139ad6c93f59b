package canon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"
)

func TestJSON(t *testing.T) {
	for in, want := range map[string]string{
		` { "b" : 1.0 , "a" : "\u0041\/" } `:                       `{"a":"A/","b":1.0}`,
		`{"n":[1.0,1e2,1E+2,-0,0.10,9007199254740993,1e400]}`:      `{"n":[1.0,1e2,1E+2,-0,0.10,9007199254740993,1e400]}`,
		`"\u00e9\ud83d\ude00\u2028\u007f"`:                         "\"é😀\u2028\x7f\"",
		`"\u000A\u000d\u0009\u0008\u000c\u001F\u0000\u0022\u005c"`: `"\n\r\t\b\f\u001f\u0000\"\\"`,
		"\t[ ]\r\n": `[]`,
		`{ }`:       `{}`,
		`{"b":{"d":1,"c":2},"a":[{"z":0,"y":1}]}`: `{"a":[{"y":1,"z":0}],"b":{"c":2,"d":1}}`,
		// RFC 8785, section 3.2.3: sorted by UTF-16 units, escaped names too.
		`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`: "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",
		`{"a\n":1,"aA":2,"a\u0001":3,"a\\":4}`: `{"a\u0001":3,"a\n":1,"aA":2,"a\\":4}`,
		`null`:                                 `null`,
		`-12`:                                  `-12`,
		`true`:                                 `true`,
	} {
		got, err := JSON([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("JSON(%s) = %s, %v\nwant %s", in, got, err, want)
			continue
		}
		if again, err := JSON(got); err != nil || !bytes.Equal(again, got) {
			t.Errorf("JSON(%s) again = %s, %v", got, again, err)
		}
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, in := range []string{
		``, ` `, `nul`, `nulll`, `True`, `NaN`, `Infinity`, `'a'`, `a`,
		`01`, `-`, `+1`, `1.`, `.5`, `1e`, `1e+`, `0x1`, `--1`, `1 2`, `00`,
		`"`, `"a`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\U0041"`, "\"\n\"", "\"\x00\"", "\"\x1f\"",
		`"\ud800"`, `"\ud800\u0041"`, `"\udc00"`, `"\ud800\ud800"`, `"\ud83d"x`, "\"\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\xaf\"",
		`[`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `]`, `[1}`,
		`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{a:1}`, `{"a" 1}`, `{1:2}`, `{"a":1]`, `}`,
		`{"a":1,"a":1}`, `{"a":1,"b":2,"a":3}`, `{"a":1,"\u0061":1}`, `{"\n":1,"\u000a":2}`, `{"b":1,"":2,"":3}`,
		"\ufeff{}", `{} {}`, `{}x`, `// c`, `/**/1`, "1\v", "\f1",
	} {
		if got, err := JSON([]byte(in)); err == nil {
			t.Errorf("JSON(%q) = %s, want an error", in, got)
		}
	}
}

func TestJSONErrorNamesTheByte(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": tru}`:       "not JSON: byte 6: a value is missing",
		`[1, 2`:            "not JSON: byte 5: a comma or ] is missing",
		`{"k":1,"k":2}`:    `not JSON: the name "k" stands twice in one object`,
		`"\ud800"`:         "not JSON: byte 1: a lone surrogate",
		"\"a\x01\"":        "not JSON: byte 2: a control character in a string",
		`{"a":1} trailing`: "not JSON: byte 8: something after the value",
	} {
		if _, err := JSON([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("JSON(%q) = %v, want %s", in, err, want)
		}
	}
}

func TestJSONDepth(t *testing.T) {
	deep := func(n int) []byte { return []byte(strings.Repeat(`[`, n) + strings.Repeat(`]`, n)) }
	if _, err := JSON(deep(MaxDepth)); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
	if _, err := JSON(deep(MaxDepth + 1)); err == nil {
		t.Errorf("%d levels are accepted", MaxDepth+1)
	}
	if _, err := JSON([]byte(strings.Repeat(`[`, 5_000_000))); err == nil {
		t.Error("5 million levels are accepted")
	}
	wide := []byte(`[` + strings.TrimSuffix(strings.Repeat(`[[]],`, 2*MaxDepth), ",") + `]`)
	if _, err := JSON(wide); err != nil {
		t.Errorf("siblings count as depth: %v", err)
	}
}

// A control character or a quote at each place of the eight that are looked
// at together must be seen.
func TestJSONStringAtEveryOffset(t *testing.T) {
	for n := range 20 {
		for _, c := range []string{"\x00", "\x1f", `"`, `\`} {
			in := `"` + strings.Repeat("\x7f", n) + c + strings.Repeat("a", 20) + `"`
			if got, err := JSON([]byte(in)); err == nil {
				t.Errorf("JSON(%q) = %s", in, got)
			}
		}
		in := `"` + strings.Repeat("é !#[]", n) + `"`
		if got, err := JSON([]byte(in)); err != nil || string(got) != in {
			t.Errorf("JSON(%q) = %s, %v", in, got, err)
		}
	}
}

// A pooled canoniser must not carry anything over from a text that it refused.
func TestJSONAfterAnError(t *testing.T) {
	for range 100 {
		if _, err := JSON([]byte(`{"z":[{"y":{"x":[1,`)); err == nil {
			t.Fatal("accepted")
		}
		got, err := JSON([]byte(`{"b":1,"a":2}`))
		if err != nil || string(got) != `{"a":2,"b":1}` {
			t.Fatalf("JSON = %s, %v", got, err)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"b":1.0,"a":"\u0041\/"}`, `[1e400,-0,0.10]`, `{"\ud83d\ude00":1,"\ufb33":2,"a\n":3}`,
		`"\ud800"`, `{"a":1,"\u0061":2}`, "\ufeff1", `[[[[]]]]`, `{"a":{"c":1,"b":{}},"":null}`, `tru`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := JSON(body)
		if err != nil {
			return
		}
		if !json.Valid(body) || !json.Valid(got) {
			t.Fatalf("JSON(%q) = %q: one of them is not JSON to encoding/json", body, got)
		}
		again, err := JSON(got)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("JSON(%q) = %q, again %q, %v", body, got, again, err)
		}
		var a, b any
		if decodeNumbers(body, &a) != nil || decodeNumbers(got, &b) != nil || fmt.Sprintf("%#v", a) != fmt.Sprintf("%#v", b) {
			t.Fatalf("JSON(%q) = %q says something else", body, got)
		}
		if bytes.ContainsAny(got, "0123456789") || bytes.Contains(got, []byte(`\u`)) {
			return
		}
		// Without numbers there is nothing that RFC 8785 writes otherwise. The
		// library wants an object or an array.
		if want, err := jcs.Transform(got); err == nil && !bytes.Equal(want, got) {
			t.Errorf("JSON(%q) = %q\nlibrary: %q", body, got, want)
		}
	})
}

func decodeNumbers(b []byte, v *any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode(v)
}

// chatBody is a request of about n bytes as an agent sends it: not sorted.
func chatBody(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"model": "gpt-5-mini", "temperature": 0.2, "stream": true, "messages": [`)
	for i := 0; b.Len() < n-100; i++ {
		if i > 0 {
			b.WriteString(`, `)
		}
		fmt.Fprintf(&b, `{"role": "user", "content": "Line %d of the notes:\nthe tide comes in twice a day, says \"the almanac\"."}`, i)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func BenchmarkJSON(b *testing.B) {
	for _, n := range []int{1 << 10, 64 << 10, 1 << 20} {
		body := chatBody(n)
		b.Run(fmt.Sprintf("%dKiB", n>>10), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := JSON(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
