package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/wire"
)

const sample = `
[[ignore]]
pointer = "/metadata/session_id"
host = "api.example.test"
reason = "fresh in every process"

[[ignore]]
header = "x-trace-*"
`

var sampleIgnores = []wire.Ignore{
	{Pointer: "/metadata/session_id", Host: "api.example.test", Reason: "fresh in every process"},
	{Header: "x-trace-*"},
}

func TestParse(t *testing.T) {
	c, err := Parse([]byte(sample))
	if err != nil || !reflect.DeepEqual(c.Ignore, sampleIgnores) {
		t.Errorf("Parse = %+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"[[ignore]]\npointer = \"/model\"":             `ignore 1: rules: pointer "/model": "model" decides`,
		"[[ignore]]\nheader = \"a\"\n[[ignore]]":       "ignore 2: rules: each needs a header or a pointer",
		"[[ignore]]\npointer = \"/a\"\nheader = \"a\"": "ignore 1: rules: each needs",
		"[[ignore]]\npointer = \"/a\"\npath = \"x\"":   `"ignore.path" is not known`,
		"colour = true":                                  `"colour" is not known`,
		"[[ignore]]\npointer = 7":                        "toml",
		"[[ignore":                                       "toml",
		"[[ignore]]\npointer = \"a\"":                    "must begin with /",
		"[[ignore]]\nheader = \"a b\"":                   "malformed",
		"[ignore]\npointer = \"/a\"":                     "toml",
		"[[ignore]]\npointer = \"/x/Generation_Config\"": "decides",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want %q", text, err, want)
		}
	}
	if c, err := Parse(nil); err != nil || c.Ignore != nil {
		t.Errorf("an empty file: %+v, %v", c, err)
	}
}

func TestFind(t *testing.T) {
	top := t.TempDir()
	deep := filepath.Join(top, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(dir, text string) {
		if err := os.WriteFile(filepath.Join(dir, Name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := Find(deep); err != nil || c.Path != "" {
		t.Errorf("none: %+v, %v", c, err)
	}
	write(top, sample)
	if c, err := Find(deep); err != nil || c.Path != filepath.Join(top, Name) || len(c.Ignore) != 2 {
		t.Errorf("above: %+v, %v", c, err)
	}
	write(deep, "")
	if c, err := Find(deep); err != nil || c.Path != filepath.Join(deep, Name) || c.Ignore != nil {
		t.Errorf("nearer: %+v, %v", c, err)
	}
	write(deep, "x = 1")
	if _, err := Find(deep); err == nil || !strings.Contains(err.Error(), filepath.Join(deep, Name)) {
		t.Errorf("broken: %v", err)
	}
	write(deep, strings.Repeat("#", maxSize+1))
	if _, err := Find(deep); err == nil {
		t.Error("a file without end is read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err == nil {
			if _, err = wire.UserRules(c.Ignore); err != nil {
				t.Error(err)
			}
		}
	})
}
