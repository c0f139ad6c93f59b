package digest

import (
	"encoding/json"
	"strings"
	"testing"
)

const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, appendix B.1

func TestOf(t *testing.T) {
	if got := Of([]byte("abc")).String(); got != abc {
		t.Errorf("Of(abc) = %s, want %s", got, abc)
	}
}

func TestParseAcceptsOneSpelling(t *testing.T) {
	d, err := Parse(abc)
	if err != nil || d != Of([]byte("abc")) {
		t.Fatalf("Parse(%q) = %s, %v", abc, d, err)
	}
	for _, s := range []string{
		"", "ba", abc[:63], abc + "00", strings.ToUpper(abc), " " + abc[1:], abc[:63] + "g", "0x" + abc[2:],
		abc[:62] + "é", strings.Repeat("\x00", 64), strings.Repeat("/", 64), strings.Repeat(":", 64), strings.Repeat("`", 64),
	} {
		if d, err := Parse(s); err == nil || !d.IsZero() {
			t.Errorf("Parse(%q) = %s, %v, want an error", s, d, err)
		}
	}
}

func TestUnmarshalLeavesTheValueOnErrors(t *testing.T) {
	d := Of([]byte("abc"))
	before := d
	if err := d.UnmarshalText([]byte("no digest")); err == nil || d != before {
		t.Errorf("UnmarshalText = %v, value %s, want an error and %s", err, d, before)
	}
}

func TestJSON(t *testing.T) {
	type doc struct {
		D Digest
		C Call
		A Answer
	}
	d := Of([]byte("abc"))
	in := doc{d, Call(d), Answer(d)}
	b, err := json.Marshal(in)
	want := `{"D":"` + abc + `","C":"` + abc + `","A":"` + abc + `"}`
	if err != nil || string(b) != want {
		t.Fatalf("Marshal = %s, %v, want %s", b, err, want)
	}
	var out doc
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("Unmarshal = %v, %v, want %v", out, err, in)
	}
}

func TestZeroNamesNothing(t *testing.T) {
	if !(Digest{}).IsZero() || Of(nil).IsZero() {
		t.Error("only the zero Digest is zero")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(abc)
	f.Add(abc + "00")
	f.Add(strings.ToUpper(abc))
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := Parse(s); err == nil && d.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, d)
		}
	})
}
