package wire

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var testValues = map[string]string{"KEY": `sk-"quoted"/é&1`, "TOKEN": "tok tok/tok+tok"}

func reveal(name string) (string, error) {
	v, ok := testValues[name]
	if !ok {
		return "", errors.New("no value for " + name)
	}
	return v, nil
}

func TestTextShownAndRevealed(t *testing.T) {
	bearer := Concat(Lit("Bearer "), Secret("KEY"))
	for _, c := range []struct {
		text          Text
		shown, reveal string
	}{
		{nil, "", ""},
		{Lit(""), "", ""},
		{bearer, "Bearer <secret KEY>", `Bearer sk-"quoted"/é&1`},
		{bearer.As(InJSON), "Bearer <secret KEY>", `Bearer sk-\"quoted\"/é&1`},
		{Concat(Lit("https://h/?k="), Secret("TOKEN")).As(InURL), "https://h/?k=<secret TOKEN>", "https://h/?k=tok%20tok%2Ftok%2Btok"},
	} {
		if got := c.text.String(); got != c.shown {
			t.Errorf("String = %q, want %q", got, c.shown)
		}
		if got, err := c.text.Reveal(reveal); err != nil || got != c.reveal {
			t.Errorf("Reveal of %s = %q, %v, want %q", c.shown, got, err, c.reveal)
		}
	}
	if _, err := Secret("GONE").Reveal(reveal); err == nil || err.Error() != "no value for GONE" {
		t.Errorf("Reveal without a value: %v", err)
	}
	testValues["BIN"] = "\xff\xfe-binary"
	if _, err := Secret("BIN").As(InJSON).Reveal(reveal); err == nil || err.Error() != "secret BIN: the value is not valid UTF-8 and cannot stand in JSON" {
		t.Errorf("Reveal of a binary value in JSON: %v", err)
	}
}

func TestTextJSON(t *testing.T) {
	q, err := Concat(Lit("a\"\n"), Secret("KEY"), Lit("\x01")).JSON()
	if err != nil || q.String() != `"a\"\n<secret KEY>\u0001"` {
		t.Fatalf("JSON = %s, %v", q, err)
	}
	if got, _ := q.Reveal(reveal); got != `"a\"\nsk-\"quoted\"/é&1\u0001"` {
		t.Errorf("revealed %s", got)
	}
	if _, err := Lit("\xff").JSON(); err == nil {
		t.Error("text that is not UTF-8 became JSON")
	}
}

func TestNilTextIsNotEmpty(t *testing.T) {
	if Concat(nil, nil) != nil || Concat(nil, Lit("")) == nil || Lit("").As(InURL) == nil {
		t.Error("nil and empty texts are confused")
	}
}

func TestParseTextIsInverse(t *testing.T) {
	part := rapid.SampledFrom([]Text{
		Lit("a"), Lit("<secret "), Lit("<secret NO>"), Lit(">"), Lit("<"), Lit("secret K>"), Secret("K"), Secret("L2"),
	})
	rapid.Check(t, func(t *rapid.T) {
		text := Concat(rapid.SliceOfN(part, 0, 8).Draw(t, "parts")...)
		shown := text.String()
		got := ParseText(shown, []string{"K", "L2"})
		if got.String() != shown {
			t.Fatalf("ParseText(%q) shows %q", shown, got)
		}
		if n := len(ParseText(shown, nil)); n > 1 {
			t.Fatalf("ParseText(%q) without names has %d parts", shown, n)
		}
		if slices.Contains(got.Secrets(), "NO") {
			t.Fatalf("ParseText(%q) holds a secret that was not named", shown)
		}
	})
	got := ParseText("x<secret K>y<secret NO><secret L2>", []string{"L2", "K"})
	want := Text{{Lit: "x"}, {Secret: "K"}, {Lit: "y<secret NO>"}, {Secret: "L2"}}
	if !slices.Equal(got, want) {
		t.Errorf("ParseText = %#v", got)
	}
}

func TestSecretsOfText(t *testing.T) {
	text := Concat(Secret("B"), Lit("-"), Secret("A"), Secret("B"))
	if got := text.Secrets(); !slices.Equal(got, []string{"A", "B"}) || !text.HasSecret() || Lit("x").HasSecret() {
		t.Errorf("Secrets = %q", got)
	}
}

func TestCheckSecretName(t *testing.T) {
	for name, ok := range map[string]bool{"OPENAI_API_KEY": true, "_x9": true, "": false, "9A": false, "A B": false, "A>": false, "é": false, `A"`: false} {
		if err := CheckSecretName(name); (err == nil) != ok {
			t.Errorf("CheckSecretName(%q) = %v", name, err)
		}
	}
}
