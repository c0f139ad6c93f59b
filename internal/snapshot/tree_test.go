package snapshot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

var update = flag.Bool("update", false, "rewrite the vectors")

// A vector is one line of vectors/tree/objects.jsonl.
type vector struct {
	Expect string `json:"expect"` // ok or refuse
	Object string `json:"object"` // the bytes of the object
	SHA256 string `json:"sha256"`
	What   string `json:"what"`
}

const example = `{"entries":[{"mode":"0644","name":"notes.txt","sha256":"444e0fffbd825e9610ff5b199485707a0c895339ae80c15cc8a8aee41b106fda","size":6,"type":"file"},` +
	`{"mode":"0755","name":"out","sha256":"6e1b4c10bcd8a5ea4bbc8b6dcd0d7a2fd5bd21dcbd6c9e1f7bb8c7a11c6b2d7c","type":"dir"},` +
	`{"name":"today","target":"notes.txt","type":"link"}],"format":"coo.tree/0"}`

// vectors lists objects and edits of the example that must be refused.
func vectors() []vector {
	list := []vector{
		{What: "example", Expect: "ok", Object: example},
		{What: "empty", Expect: "ok", Object: `{"entries":[],"format":"coo.tree/0"}`},
		{What: "bytewise order, escapes, beyond the basic plane", Expect: "ok", Object: `{"entries":[{"name":"\u0001\"\\","target":"x","type":"link"},{"name":"a","target":"x","type":"link"},{"name":"a-b","target":"x","type":"link"},{"name":"a/b","target":"x","type":"link"},{"name":"é","target":"x","type":"link"},{"name":"�","target":"x","type":"link"},{"name":"😀","target":"x","type":"link"}],"format":"coo.tree/0"}`},
	}
	list[2].Object = strings.Replace(list[2].Object, `{"name":"a/b","target":"x","type":"link"},`, "", 1)
	for _, e := range [][3]string{
		{"white space", `,"format"`, `, "format"`},
		{"another format", `coo.tree/0`, `coo.tree/1`},
		{"out of order", `"notes.txt","sha`, `"zz","sha`},
		{"a name twice", `"name":"today"`, `"name":"out"`},
		{"no name", `"name":"out"`, `"name":""`},
		{"the directory itself", `"name":"notes.txt"`, `"name":"."`},
		{"the directory above", `"name":"notes.txt"`, `"name":".."`},
		{"a slash in a name", `"name":"out"`, `"name":"o/t"`},
		{"a NUL in a name", `"name":"out"`, `"name":"o\u0000t"`},
		{"a name of 256 bytes", `"name":"out"`, `"name":"o` + strings.Repeat("x", 255) + `"`},
		{"three digits of mode", `"0644"`, `"644"`},
		{"a mode out of range", `"0644"`, `"0684"`},
		{"no mode", `"mode":"0644",`, ``},
		{"a link with a mode", `{"name":"today"`, `{"mode":"0777","name":"today"`},
		{"an upper-case digest", `444e0fff`, `444E0FFF`},
		{"a file without a digest", `"sha256":"444e0fffbd825e9610ff5b199485707a0c895339ae80c15cc8a8aee41b106fda",`, ``},
		{"a directory with a size", `d7c","type":"dir"`, `d7c","size":1,"type":"dir"`},
		{"a file without a size", `"size":6,`, ``},
		{"a negative size", `"size":6`, `"size":-6`},
		{"a size in other words", `"size":6`, `"size":6.0`},
		{"a size out of range", `"size":6`, `"size":9007199254740992`},
		{"an empty target", `"target":"notes.txt"`, `"target":""`},
		{"a file with a target", `"size":6,"type"`, `"size":6,"target":"x","type"`},
		{"another type", `"type":"dir"`, `"type":"pipe"`},
		{"another member", `"type":"dir"`, `"type":"dir","uid":0`},
		{"a member twice", `"type":"dir"`, `"type":"dir","type":"dir"`},
		{"something after it", `/0"}`, `/0"} `},
		{"a byte order mark", `{"entries"`, "\ufeff" + `{"entries"`},
		{"entries that are null", `"format":"coo.tree/0"`, `"format":null`},
	} {
		list = append(list, vector{What: e[0], Expect: "refuse", Object: strings.Replace(example, e[1], e[2], 1)})
	}
	for i := range list {
		list[i].SHA256 = digest.Of([]byte(list[i].Object)).String()
	}
	return list
}

const vectorFile = "../../vectors/tree/objects.jsonl"

func TestVectors(t *testing.T) {
	if *update {
		var b bytes.Buffer
		for _, v := range vectors() {
			line, err := canon.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		if err := os.MkdirAll(filepath.Dir(vectorFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
		var v vector
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if want := vectors()[n]; v != want {
			t.Errorf("vector %d is not %q any more", n, want.What)
		}
		entries, err := ParseTree([]byte(v.Object))
		if ok := err == nil; ok != (v.Expect == "ok") {
			t.Errorf("%s: ParseTree = %v, want %s", v.What, err, v.Expect)
		}
		if err == nil && string(encodeTree(entries)) != v.Object {
			t.Errorf("%s: encoded again it differs", v.What)
		}
	}
	if n != len(vectors()) {
		t.Errorf("%d vectors, want %d", n, len(vectors()))
	}
}

// The encoder without reflection writes what package canon does.
func TestEncodeTreeIsCanonical(t *testing.T) {
	for _, v := range vectors() {
		if v.Expect != "ok" {
			continue
		}
		var any struct {
			Entries []map[string]any `json:"entries"`
			Format  string           `json:"format"`
		}
		dec := json.NewDecoder(strings.NewReader(v.Object))
		dec.UseNumber()
		if err := dec.Decode(&any); err != nil {
			t.Fatal(err)
		}
		for _, e := range any.Entries {
			if n, ok := e["size"].(json.Number); ok {
				e["size"], _ = n.Int64()
			}
		}
		b, err := canon.Marshal(any)
		if err != nil || string(b) != v.Object {
			t.Errorf("%s: package canon makes %s, %v", v.What, b, err)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	for _, v := range vectors() {
		f.Add([]byte(v.Object))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := ParseTree(b)
		if err != nil {
			return
		}
		if again := encodeTree(entries); !bytes.Equal(again, b) {
			t.Errorf("ParseTree and encodeTree: %s, want %s", again, b)
		}
		for _, e := range entries {
			if !filepath.IsLocal(e.Name) || strings.Contains(e.Name, "/") {
				t.Errorf("ParseTree accepts the name %q", e.Name)
			}
		}
	})
}

// The second implementation agrees, on the vectors and on a whole tree.
func TestPythonAgrees(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	run := func(args ...string) (string, error) {
		cmd := exec.Command(python, append([]string{"-B", "../../vectors/tree.py"}, args...)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(vectorFile); err != nil || !strings.HasPrefix(out, "ok ") {
		t.Errorf("vectors: %v %s", err, out)
	}
	root, st, blobs := tempDir(t), newStore(t), t.TempDir()
	sample.write(t, root)
	tree := mustTake(t, root, st, Options{}).Tree
	export := func(d digest.Digest) {
		b, err := st.Get(d)
		if err == nil {
			err = os.WriteFile(filepath.Join(blobs, d.String()), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var walk func(d digest.Digest)
	walk = func(d digest.Digest) {
		export(d)
		entries, err := readTree(st, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			switch e.Type {
			case Dir:
				walk(e.SHA256)
			case File:
				export(e.SHA256)
			}
		}
	}
	walk(tree)
	want := "ok " + tree.String() + " 8 files, 5 directories, 4 links\n"
	if out, err := run(blobs, tree.String()); err != nil || out != want {
		t.Errorf("a tree: %v %s, want %s", err, out, want)
	}
	if err := os.WriteFile(filepath.Join(blobs, digest.Of([]byte("deep")).String()), []byte("deeq"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := run(blobs, tree.String()); err == nil {
		t.Errorf("a damaged tree: %s, want a refusal", out)
	}
}

// Root may read and write everywhere: the tests of permissions again as nobody.
func TestAsOrdinaryUser(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		return // not root: the others were it
	}
	dir, err := os.MkdirTemp("", "coo-nobody-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bin, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "test")
	if err := errors.Join(os.WriteFile(copied, bin, 0o755), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.run=^TestRollback|^TestRestore|^TestTakeNamesWhat|^TestOverlay", "-rapid.checks=30", "-rapid.nofailfile")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = nobody()
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// The objects on the format's page are what they say.
func TestDocumentedExample(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	model{"notes.txt": "f0644 notes\n", "out": "d0755", "out/summary.md": "f0600 summary", "today": "-> notes.txt"}.write(t, root)
	tree := mustTake(t, root, st, Options{}).Tree
	doc, err := os.ReadFile("../../docs/format/workspace.md")
	if err != nil {
		t.Fatal(err)
	}
	b, err := st.Get(tree)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := ParseTree(b)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := st.Get(find(entries, "out").SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{tree.String(), string(b), string(inner)} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("docs/format/workspace.md does not have %s", want)
		}
	}
}
