package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coo-runtime/coo/internal/canon"
)

func TestJSONDiff(t *testing.T) {
	tests := []struct {
		name, a, b string
		want       []Change
	}{
		{"equal but for spelling", `{"a": 1, "b": "A"}`, `{"b":"\u0041","a":1}`, nil},
		{"a member", `{"a":1,"b":2}`, `{"a":1,"b":3}`, []Change{{"/b", Changed, "2", "3"}}},
		{"numbers as written", `[1, 9007199254740993]`, `[1.0, 9007199254740992]`, []Change{
			{"/0", Changed, "1", "1.0"},
			{"/1", Changed, "9007199254740993", "9007199254740992"},
		}},
		{"the whole text", `1`, `{"a":1}`, []Change{{"", Changed, "1", `{"a":1}`}}},
		{"null is a value", `{"a":null}`, `{}`, []Change{{"/a", Removed, "null", ""}}},
		{"array for object", `{"a":[]}`, `{"a":{}}`, []Change{{"/a", Changed, "[]", "{}"}}},
		{"names to be escaped", `{"a/b":1,"~":1,"":1}`, `{"a/b":2,"~":2,"":2}`, []Change{
			{"/", Changed, "1", "2"}, {"/a~1b", Changed, "1", "2"}, {"/~0", Changed, "1", "2"},
		}},
		{"order of members", `{"z":1,"a":1,"m":1}`, `{"a":2,"k":1,"z":2}`, []Change{
			{"/a", Changed, "1", "2"}, {"/k", Added, "", "1"}, {"/m", Removed, "1", ""}, {"/z", Changed, "1", "2"},
		}},
		{
			"one message put in changes nothing that follows",
			`{"messages":[{"c":"one"},{"c":"two"},{"c":"three"}]}`,
			`{"messages":[{"c":"zero"},{"c":"one"},{"c":"two"},{"c":"three"}]}`,
			[]Change{{"/messages/0", Added, "", `{"c":"zero"}`}},
		},
		{
			"one taken out and one changed, each by its own text's numbers",
			`[["a"],["b"],{"c":1},["d"]]`, `[["b"],{"c":2},["d"]]`,
			[]Change{{"/0", Removed, `["a"]`, ""}, {"/1/c", Changed, "1", "2"}},
		},
		{
			"deep below a shifted element",
			`[["x"],{"k":[1,2]},["e"]]`, `[{"k":[1,3]},["e"]]`,
			[]Change{{"/0", Changed, `["x"]`, `{"k":[1,3]}`}, {"/1", Removed, `{"k":[1,2]}`, ""}},
		},
		{"brackets and quotes in strings", `{"a":"]}\",\\","b":1}`, `{"a":"]}\",\\","b":2}`, []Change{{"/b", Changed, "1", "2"}}},
		{"empty containers", `[]`, `[[]]`, []Change{{"/0", Added, "", "[]"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := JSONDiff([]byte(tt.a), []byte(tt.b))
			if !ok || !slices.Equal(got, tt.want) {
				t.Errorf("JSONDiff(%s, %s) = %v, %v, want %v", tt.a, tt.b, got, ok, tt.want)
			}
		})
	}
}

func TestJSONDiffRefuses(t *testing.T) {
	for _, bad := range []string{"", "{", `{"a":1,"a":2}`, "[1]x", "\xff", strings.Repeat("[", 600) + strings.Repeat("]", 600)} {
		if _, ok := JSONDiff([]byte(bad), []byte(`{}`)); ok {
			t.Errorf("JSONDiff(%.20q, {}): ok", bad)
		}
		if _, ok := JSONDiff([]byte(`{}`), []byte(bad)); ok {
			t.Errorf("JSONDiff({}, %.20q): ok", bad)
		}
	}
}

func TestJSONDiffIsBounded(t *testing.T) {
	deep := func(leaf string) []byte {
		return []byte(strings.Repeat(`[0,`, 500) + leaf + strings.Repeat("]", 500))
	}
	got, ok := JSONDiff(deep("1"), deep("2"))
	if want := strings.Repeat("/1", 500); !ok || len(got) != 1 || got[0].Path != want {
		t.Errorf("500 levels: %d changes, ok %v", len(got), ok)
	}
	wide := func(v int) []byte { return fmt.Appendf(nil, "[%s%d]", strings.Repeat("0,", maxDiffParts), v) }
	got, ok = JSONDiff(wide(1), wide(2))
	if !ok || len(got) != 1 || got[0].Path != "" || got[0].Kind != Changed {
		t.Errorf("too many elements: %d changes, ok %v, want the whole text", len(got), ok)
	}
	many := func(v string) []byte {
		var b strings.Builder
		for i := range 3 * maxDiffChanges {
			fmt.Fprintf(&b, `,[%s%d]`, v, i)
		}
		return []byte("[" + b.String()[1:] + "]")
	}
	got, _ = JSONDiff(many("1,"), many("2,"))
	if len(got) != 3*maxDiffChanges || got[len(got)-1].Path != fmt.Sprint("/", 3*maxDiffChanges-1) {
		t.Errorf("many changes: %d, the last at %s", len(got), got[len(got)-1].Path)
	}
	if _, ok := JSONDiff(fmt.Appendf(nil, "%q", strings.Repeat("a", maxDiffJSON)), []byte("1")); ok {
		t.Error("a text above the limit was compared")
	}
}

// TestJSONDiffTellsAll undoes the changes: the old text without what was
// removed is the new one without what was added and with what was changed put
// back.
func TestJSONDiffTellsAll(t *testing.T) {
	value := jsonValue(3)
	rapid.Check(t, func(t *rapid.T) {
		a, b := value.Draw(t, "a"), value.Draw(t, "b")
		checkUndo(t, []byte(a), []byte(b))
	})
}

func jsonValue(depth int) *rapid.Generator[string] {
	scalar := rapid.SampledFrom([]string{"null", "true", "0", "1", "1.0", `""`, `"a/b~"`, `"]},{["`})
	if depth == 0 {
		return scalar
	}
	inner := jsonValue(depth - 1)
	return rapid.OneOf(scalar,
		rapid.Map(rapid.SliceOfN(inner, 0, 6), func(e []string) string { return "[" + strings.Join(e, ",") + "]" }),
		rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"", "a", "b/", "~", "0", "é", "\U0001f642"}), inner, 0, 5), func(m map[string]string) string {
			var parts []string
			for k, v := range m {
				parts = append(parts, fmt.Sprintf("%q:%s", k, v))
			}
			return "{" + strings.Join(parts, ",") + "}"
		}))
}

type fataler interface{ Fatalf(string, ...any) }

func checkUndo(t fataler, a, b []byte) {
	changes, ok := JSONDiff(a, b)
	if !ok {
		t.Fatalf("JSONDiff(%s, %s): not ok", a, b)
	}
	old, new := decode(t, a), decode(t, b)
	for _, c := range slices.Backward(changes) {
		switch c.Kind {
		case Removed:
			old = edit(t, old, c.Path, c.Old, nil)
		case Added:
			new = edit(t, new, c.Path, c.New, nil)
		case Changed:
			new = edit(t, new, c.Path, c.New, &c.Old)
		}
	}
	if got, want := encode(t, new), encode(t, old); got != want {
		t.Fatalf("JSONDiff(%s, %s) = %v: undone %s, want %s", a, b, changes, got, want)
	}
}

func decode(t fataler, b []byte) any {
	var v any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

func encode(t fataler, v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatalf("%v", err)
	}
	c, err := canon.JSON(b.Bytes())
	if err != nil {
		t.Fatalf("%s: %v", b.Bytes(), err)
	}
	return string(c)
}

// edit checks that was stands at the pointer and puts is there, or takes the
// place out when is is nil.
func edit(t fataler, v any, path, was string, is *string) any {
	if path == "" {
		if got := encode(t, v); got != was {
			t.Fatalf("at the pointer stands %s, not %s", got, was)
		}
		return decode(t, []byte(*is))
	}
	name, rest, deeper := strings.Cut(path[1:], "/")
	if deeper {
		rest = "/" + rest
	}
	name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
	switch v := v.(type) {
	case map[string]any:
		if rest == "" && is == nil {
			if got := encode(t, v[name]); got != was {
				t.Fatalf("at the pointer stands %s, not %s", got, was)
			}
			delete(v, name)
			return v
		}
		v[name] = edit(t, v[name], rest, was, is)
		return v
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i >= len(v) {
			t.Fatalf("no element %q", name)
		}
		if rest == "" && is == nil {
			if got := encode(t, v[i]); got != was {
				t.Fatalf("at the pointer stands %s, not %s", got, was)
			}
			return slices.Delete(v, i, i+1)
		}
		v[i] = edit(t, v[i], rest, was, is)
		return v
	}
	t.Fatalf("nothing at %q", path)
	return nil
}

func FuzzJSONDiff(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"x"}]}`), []byte(`{"a":[0,1,{"b":"y"}]}`))
	f.Add([]byte(`[[[]]]`), []byte(`"\ud83d\ude42"`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		_, errA := canon.JSON(a)
		_, errB := canon.JSON(b)
		if errA != nil || errB != nil {
			if _, ok := JSONDiff(a, b); ok {
				t.Fatalf("JSONDiff(%q, %q): ok", a, b)
			}
			return
		}
		checkUndo(t, a, b)
	})
}

func TestChangeString(t *testing.T) {
	long := strings.Repeat("The same beginning. ", 20)
	tests := []struct {
		change Change
		want   string
	}{
		{Change{"/model", Changed, `"a"`, `"b"`}, `/model: "a" → "b"`},
		{Change{"", Changed, "1", "2"}, "the whole text: 1 → 2"},
		{Change{"/x", Added, "", "[1]"}, "/x: added [1]"},
		{Change{"/x", Removed, "[1]", ""}, "/x: removed [1]"},
		{Change{"/x", Changed, `"` + long + `tides"`, `"` + long + `moons"`}, "/x: …ng. The same beginning. tides\" → …ng. The same beginning. moons\""},
		{Change{"/\x1b[2J", Added, "", `"` + strings.Repeat("é", 100) + `"`}, `/\x1b[2J: added "` + strings.Repeat("é", 79) + "…"},
	}
	for _, tt := range tests {
		if got := tt.change.String(); got != tt.want {
			t.Errorf("%+v = %q, want %q", tt.change, got, tt.want)
		}
	}
}
