package canon

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"
)

type inner struct {
	Z string `json:"z"`
}

type sample struct {
	inner
	Name   string         `json:"name"`
	Count  int64          `json:"count"`
	Maybe  *string        `json:"maybe"`
	Gone   string         `json:"gone,omitempty"`
	List   []int          `json:"list"`
	Table  map[string]int `json:"table"`
	Digest digest.Digest  `json:"digest"`
	Pair   [2]bool        `json:"pair"`
}

const sampleText = `{"count":-7,"digest":"0000000000000000000000000000000000000000000000000000000000000000","list":[],"maybe":null,"name":"a\"\\\u0001\n<é","pair":[true,false],"table":{"":1,"b":2},"z":"last"}`

func TestMarshal(t *testing.T) {
	v := sample{inner: inner{"last"}, Name: "a\"\\\x01\n<é", Count: -7, Table: map[string]int{"b": 2, "": 1}, Pair: [2]bool{true, false}}
	got, err := Marshal(&v)
	if err != nil || string(got) != sampleText {
		t.Fatalf("Marshal = %s, %v\nwant %s", got, err, sampleText)
	}
	want, err := jcs.Transform(got)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the RFC 8785 library makes %s of it, %v", want, err)
	}
	var back sample
	if err := Unmarshal(got, &back); err != nil || back.Name != v.Name || back.Table["b"] != 2 {
		t.Errorf("Unmarshal = %+v, %v", back, err)
	}
}

func TestMarshalRefuses(t *testing.T) {
	for name, v := range map[string]any{
		"a float":         1.5,
		"too large":       int64(MaxInt) + 1,
		"too small":       -int64(MaxInt) - 1,
		"invalid UTF-8":   "\xff",
		"invalid name":    map[string]int{"\xff": 1},
		"a surrogate":     "\xed\xa0\x80",
		"nested, a float": []any{"x", map[string]any{"y": 0.1}},
		"a function":      func() {},
	} {
		if b, err := Marshal(v); err == nil {
			t.Errorf("Marshal of %s = %s, want an error", name, b)
		}
	}
}

func TestUnmarshalRefusesOtherSpellings(t *testing.T) {
	for what, edit := range map[string][2]string{
		"white space":        {`,"list"`, `, "list"`},
		"order":              {`"count":-7,"digest"`, `"digest"`},
		"an unknown member":  {`"name"`, `"nome":1,"name"`},
		"a repeated member":  {`"z":"last"`, `"z":"last","z":"last"`},
		"another case":       {`"z"`, `"Z"`},
		"another escape":     {`\n`, `\u000a`},
		"an upper-case \\u":  {`\u0001`, `\U0001`},
		"an escaped letter":  {`last`, `l\u0061st`},
		"another number":     {`-7`, `-7.0`},
		"an exponent":        {`-7`, `-7e0`},
		"a null list":        {`[]`, `null`},
		"upper-case digest":  {`0000",`, `000A",`},
		"a longer array":     {`[true,false]`, `[true,false,false]`},
		"a shorter array":    {`[true,false]`, `[true]`},
		"a missing member":   {`,"z":"last"`, ``},
		"invalid UTF-8":      {`é`, "\xe9"},
		"something after it": {`"last"}`, `"last"} `},
		"a second value":     {`"last"}`, `"last"}{}`},
	} {
		text := strings.Replace(sampleText, edit[0], edit[1], 1)
		if text == sampleText {
			t.Fatalf("%s: the edit changes nothing", what)
		}
		if err := Unmarshal([]byte(text), new(sample)); err == nil {
			t.Errorf("Unmarshal accepts %s: %s", what, text)
		}
	}
}

// Go's type names and addresses must not be in an error: it may be recorded.
func TestUnmarshalErrorText(t *testing.T) {
	err := Unmarshal([]byte(`{"count":"x"}`), new(sample))
	if want := `member "count": a string is not allowed there`; err == nil || err.Error() != want {
		t.Errorf("Unmarshal = %v, want %s", err, want)
	}
}

func TestCompareKeysIsUTF16Order(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aé\u07ff\ud7ff\ue000\uffee\U00010000\U0001f600\U0010ffff")), 0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		want := slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
		if got := CompareKeys(a, b); sign(got) != sign(want) {
			t.Errorf("CompareKeys(%q, %q) = %d, want the sign of %d", a, b, got, want)
		}
	})
}

func sign(n int) int { return max(-1, min(1, n)) }

// values draws JSON values without floats.
func values(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		if depth == 0 {
			kind %= 4
		}
		switch kind {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Int64Range(-MaxInt, MaxInt).Draw(t, "int")
		case 3:
			return rapid.String().Draw(t, "string")
		case 4:
			return rapid.SliceOfN(values(depth-1), 0, 4).Draw(t, "list")
		}
		return rapid.MapOfN(rapid.String(), values(depth-1), 0, 6).Draw(t, "object")
	})
}

func TestMarshalAgainstRFC8785Library(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{"v": values(3).Draw(t, "v")}
		got, err := Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want, err := jcs.Transform(plain)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("Marshal = %s\nlibrary:  %s", got, want)
		}
		// Integers are in the range where both write them alike.
		foreign, err := JSON(plain)
		if err != nil || !bytes.Equal(foreign, want) {
			t.Errorf("JSON(%s) = %s, %v\nlibrary: %s", plain, foreign, err, want)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(sampleText))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"count":1,"digest":"","list":[1],"maybe":"x","name":"","pair":[true,true],"table":{},"z":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v sample
		if Unmarshal(data, &v) != nil {
			return
		}
		again, err := Marshal(&v)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("accepted %q, encodes as %q, %v", data, again, err)
		}
	})
}
