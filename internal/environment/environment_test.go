package environment

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

var update = flag.Bool("update", false, "write the vectors anew")

// A vector is one line of vectors/environment/manifests.jsonl.
type vector struct {
	Expect   string `json:"expect"` // ok or refuse
	Manifest string `json:"manifest"`
	SHA256   string `json:"sha256"`
	What     string `json:"what"`
}

const (
	exampleHead   = `{"format":"coo.environment/0","omitted":1}` + "\n"
	exampleCache  = `{"changed":true,"mode":"0600","path":"/home/ada/.cache/agent","sha256":"444e0fffbd825e9610ff5b199485707a0c895339ae80c15cc8a8aee41b106fda","size":6}` + "\n"
	exampleLink   = `{"link":"python3.11","path":"/usr/bin/python3"}` + "\n"
	examplePython = `{"mode":"0755","package":{"name":"python3.11-minimal","system":"debian","version":"3.11.2-6+deb12u6"},"path":"/usr/bin/python3.11","sha256":"6e1b4c10bcd8a5ea4bbc8b6dcd0d7a2fd5bd21dcbd6c9e1f7bb8c7a11c6b2d7c","size":6831736}` + "\n"
	example       = exampleHead + exampleCache + exampleLink + examplePython
)

// vectors lists manifests, and edits of the example that must be refused.
func vectors() []vector {
	list := []vector{
		{What: "example", Expect: "ok", Manifest: example},
		{What: "nothing used", Expect: "ok", Manifest: `{"format":"coo.environment/0","omitted":0}` + "\n"},
		{What: "bytewise order, escapes, beyond the basic plane", Expect: "ok", Manifest: exampleHead +
			`{"link":"x","path":"/\u0001\"\\"}` + "\n" + `{"link":"x","path":"/a"}` + "\n" + `{"link":"x","path":"/a-b"}` + "\n" +
			`{"link":"x","path":"/a/b"}` + "\n" + `{"link":"x","path":"/é"}` + "\n" + `{"link":"x","path":"/` + "\uffee" + `"}` + "\n" + `{"link":"../..","path":"/😀"}` + "\n"},
		{What: "a path of 4096 bytes", Expect: "ok", Manifest: exampleHead + `{"link":"x","path":"/` + strings.Repeat("x", MaxPath-1) + `"}` + "\n"},
		{What: "a path of 4097 bytes", Expect: "refuse", Manifest: exampleHead + `{"link":"x","path":"/` + strings.Repeat("x", MaxPath) + `"}` + "\n"},
		{What: "empty", Expect: "refuse"},
		{What: "no first line", Expect: "refuse", Manifest: exampleLink},
		{What: "a file and a link of one path", Expect: "refuse", Manifest: exampleHead + `{"link":"x","path":"/usr/bin/python3.11"}` + "\n" + examplePython},
		{What: "links before files", Expect: "refuse", Manifest: exampleHead + exampleLink + exampleCache + examplePython},
	}
	for _, e := range [][3]string{
		{"white space", `,"omitted"`, `, "omitted"`},
		{"another format", `coo.environment/0`, `coo.environment/1`},
		{"less than nothing omitted", `"omitted":1`, `"omitted":-1`},
		{"out of order", `"/usr/bin/python3.11"`, `"/aaa"`},
		{"a path twice", `"/usr/bin/python3.11"`, `"/usr/bin/python3"`},
		{"a relative path", `"/home/ada`, `"home/ada`},
		{"the root", `"/home/ada/.cache/agent"`, `"/"`},
		{"a path with dots", `/home/ada/`, `/home/../ada/`},
		{"two slashes", `/home/ada/`, `/home//ada/`},
		{"two slashes at the beginning", `"/home/ada/`, `"//home/ada/`},
		{"a slash at the end", `.cache/agent"`, `.cache/agent/"`},
		{"a NUL in a path", `/home/ada`, `/home/a\u0000a`},
		{"no path", `"path":"/home/ada/.cache/agent",`, ``},
		{"an empty target", `"link":"python3.11"`, `"link":""`},
		{"a link with a mode", `"link":"python3.11"`, `"link":"python3.11","mode":"0777"`},
		{"three digits of mode", `"0600"`, `"600"`},
		{"a mode out of range", `"0600"`, `"0680"`},
		{"no mode", `"mode":"0600",`, ``},
		{"an upper-case digest", `444e0fff`, `444E0FFF`},
		{"no digest", `"sha256":"444e0fffbd825e9610ff5b199485707a0c895339ae80c15cc8a8aee41b106fda",`, ``},
		{"a negative size", `"size":6}`, `"size":-6}`},
		{"a size in other words", `"size":6}`, `"size":6.0}`},
		{"a size out of range", `"size":6}`, `"size":9007199254740992}`},
		{"no size", `,"size":6}`, `}`},
		{"not changed, in words", `"changed":true`, `"changed":false`},
		{"a package without a version", `,"version":"3.11.2-6+deb12u6"`, ``},
		{"a package with an empty version", `"version":"3.11.2-6+deb12u6"`, `"version":""`},
		{"a package that is null", `"package":{"name":"python3.11-minimal","system":"debian","version":"3.11.2-6+deb12u6"}`, `"package":null`},
		{"another member", `"size":6}`, `"size":6,"uid":0}`},
		{"a member twice", `"size":6}`, `"size":6,"size":6}`},
		{"no newline at the end", `"size":6831736}` + "\n", `"size":6831736}`},
		{"an empty line", "\n" + exampleLink, "\n\n" + exampleLink},
		{"a byte order mark", `{"format"`, "\ufeff" + `{"format"`},
	} {
		edited := strings.Replace(example, e[1], e[2], 1)
		if edited == example {
			panic(e[0] + ": nothing changed")
		}
		list = append(list, vector{What: e[0], Expect: "refuse", Manifest: edited})
	}
	for i := range list {
		list[i].SHA256 = digest.Of([]byte(list[i].Manifest)).String()
	}
	return list
}

const vectorFile = "../../vectors/environment/manifests.jsonl"

func TestVectors(t *testing.T) {
	var want bytes.Buffer
	for _, v := range vectors() {
		line, err := canon.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want.Write(append(line, '\n'))
	}
	if *update {
		if err := os.WriteFile(vectorFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what this test has: -update writes it", vectorFile)
	}
	for line := range bytes.Lines(got) {
		var v vector
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		m, err := Parse([]byte(v.Manifest))
		if ok := err == nil; ok != (v.Expect == "ok") {
			t.Errorf("%s: Parse = %v, want %s", v.What, err, v.Expect)
		}
		if err != nil {
			continue
		}
		if again, err := m.Encode(); err != nil || string(again) != v.Manifest {
			t.Errorf("%s: encoded again it differs: %v", v.What, err)
		}
	}
}

// The independent reader agrees with every vector.
func TestPython(t *testing.T) {
	out, err := exec.Command("python3", "-B", "../../vectors/environment.py", vectorFile).CombinedOutput()
	if want := fmt.Sprintf("ok %d vectors\n", len(vectors())); err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors() {
		f.Add([]byte(v.Manifest))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		again, err := m.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("encoded again: %v\n%q\n%q", err, b, again)
		}
		if d := Compare(m, m); len(d) > 0 {
			t.Errorf("differs from itself: %v", d)
		}
	})
}

// A manifest has no more entries, and is no longer, than its limits say.
func TestLimits(t *testing.T) {
	m := &Manifest{Links: make([]Link, MaxEntries)}
	for i := range m.Links {
		m.Links[i] = Link{Link: "x", Path: fmt.Sprintf("/%07d", i)}
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(b); err != nil || len(got.Links) != MaxEntries {
		t.Errorf("as many entries as there may be: %v", err)
	}
	b = append(b, `{"link":"x","path":"/z"}`+"\n"...)
	if _, err := Parse(b); err == nil {
		t.Error("one entry more was accepted")
	}
	m.Links = append(m.Links, Link{Link: "x", Path: "/z"})
	if _, err := m.Encode(); err == nil {
		t.Error("one entry more was written")
	}
	if _, err := Parse(make([]byte, MaxBytes+1)); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("more bytes than there may be: %v", err)
	}
}

func TestCompare(t *testing.T) {
	one, two := digest.Of([]byte("1")), digest.Of([]byte("2"))
	old := &Package{Name: "libc6", System: "debian", Version: "1"}
	new := &Package{Name: "libc6", System: "debian", Version: "2"}
	file := func(path string) File { return File{Mode: "0644", Path: path, SHA256: one, Size: 1} }
	was := &Manifest{
		Files: []File{file("/changed"), file("/content"), file("/gone"), file("/linked"), file("/mode"), file("/same"), file("/umask")},
		Links: []Link{{"a", "/l/file"}, {"a", "/l/gone"}, {"a", "/l/other"}, {"a", "/l/same"}},
	}
	was.Files[0].Changed = true
	was.Files[1].Package = old
	was.Files[2].Package = old
	is := &Manifest{
		Files: []File{file("/content"), file("/l/file"), file("/mode"), file("/same"), file("/umask")},
		Links: []Link{{"b", "/l/other"}, {"a", "/l/same"}, {"b", "/linked"}},
	}
	is.Files[0].SHA256, is.Files[0].Package = two, new
	is.Files[2].Mode = "0755"
	is.Files[4].Mode = "0600"
	want := []Difference{
		{Path: "/content", Was: old, Is: new},
		{Path: "/gone", Missing: true, Was: old},
		{Path: "/l/file", What: "a link to a → a file"},
		{Path: "/l/gone", Missing: true},
		{Path: "/l/other", What: "a link to a → b"},
		{Path: "/linked", What: "a file → a link to b"},
		{Path: "/mode", What: "mode 0644 → 0755"},
	}
	got := Compare(was, is)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Compare:\n%v\nwant\n%v", got, want)
	}
}
