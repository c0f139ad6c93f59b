package modelserver

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestDirectiveErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                            `x-sample: no such kind: ""`,
		"status":                      `x-sample: no such kind: "status"`,
		"399":                         `x-sample: no such kind: "399"`,
		"0500":                        `x-sample: no such kind: "0500"`,
		"cut,":                        `x-sample: no such kind: ""`,
		"cut; pad=1":                  `x-sample: cut: no such parameter: "pad"`,
		"echo; pad=1; pad=2":          `x-sample: echo: pad: given twice`,
		"echo; pad=x":                 `x-sample: pad: "x": not a number from 0 to 1024`,
		"echo; chunks=3+0":            `x-sample: chunks: "3+0": not numbers joined by +`,
		"echo; as=xml":                `x-sample: as: "xml": not one of json text sse reply hex base64 base64url percent`,
		"echo; coding=a b":            `x-sample: coding: "a b": not a token`,
		"redirect; code=304":          `x-sample: code: "304": not a redirect`,
		"redirect; to=//x":            `x-sample: to: "//x": not an origin such as http://127.0.0.1:8080`,
		"redirect; to=http://x/path":  `x-sample: to: "http://x/path": not an origin such as http://127.0.0.1:8080`,
		"429; retry-after=-1":         `x-sample: retry-after: "-1": not a number from 0 to 3600`,
		"big; bytes=1073741825":       `x-sample: bytes: "1073741825": not a number from 0 to 1073741824`,
		"echo, deep; depth=100000000": `x-sample: depth: "100000000": not a number from 1 to 10000000`,
	} {
		if _, err := parseDirectives(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	s := start(t)
	if a := post(t, s.Client(), s.URL+"/v1/messages", "{}", "x-sample", "bust"); a.status != 400 {
		t.Errorf("an unknown kind: status %d", a.status)
	}
}

func FuzzDirective(f *testing.F) {
	for _, seed := range []string{"429", "500-once", "echo; as=text; chunks=1+2; names", "redirect; to=http://a:1; code=303", "cut", "429;retry-after=3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDirective(text)
		if err != nil {
			return
		}
		again, err := parseDirective(d.String())
		if err != nil || !reflect.DeepEqual(d, again) {
			t.Errorf("%q: %+v is written %q and read as %+v, %v", text, d, d.String(), again, err)
		}
	})
}

// TestDocumented holds the documents to the code: every kind, every parameter
// and every form of echo is in both of them.
func TestDocumented(t *testing.T) {
	for _, file := range []string{"doc.go", "../../examples/sampleserver/README.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		words := regexp.MustCompile(`[a-z0-9-]+`).FindAllString(string(text), -1)
		for kind, params := range parameters {
			for _, name := range append(slices.Clone(params), kind) {
				if !slices.Contains(words, name) {
					t.Errorf("%s: nothing about %s", file, name)
				}
			}
		}
		for _, form := range echoForms {
			if !slices.Contains(words, form) {
				t.Errorf("%s: nothing about as=%s", file, form)
			}
		}
		for _, p := range providers {
			if path, _, _ := strings.Cut(p.streams, "?"); !strings.Contains(string(text), path) {
				t.Errorf("%s: nothing about %s", file, path)
			}
		}
	}
}
