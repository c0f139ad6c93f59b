package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/proofs"
)

// Documents are executed. In README.md and docs/, each block marked
// "console" is a session: lines that begin with "$ " are run, one after the
// other, in one directory a document, and what they print must be what
// follows them. In it, "…" stands for any text within a line, and a line "…"
// for any lines. Each block marked "star" or "text" with a file name is
// written to that file first. A block marked "sh" cannot be run here, and
// the line before it says why: "not run here: reason".
//
// A sample model server listens at $ADDR, and one that speaks https in the
// place of the providers: $SAMPLE is what leads coo to it, and $KEYFILE holds a
// key. A README.md in examples/ is followed in a copy of its directory. What
// examples import comes from tools/clients.sh.

// notRunHere lists the blocks that no test runs, by document and reason.
var notRunHere = []string{
	"docs/performance.md: it takes minutes",
	"docs/performance.md: it takes ten minutes, and installs the other tools",
	"docs/performance.md: it takes three minutes",
	"docs/performance.md: it takes minutes and gigabytes",
	"README.md: tools/newcomer.sh follows this page on a fresh machine",
	"README.md: tools/newcomer.sh follows this page on a fresh machine",
	"examples/sampleserver/README.md: it serves until it is stopped",
}

// usesClients lists the documents whose programs import what tools/clients.sh
// installs.
var usesClients = []string{
	"docs/pipelines.md", "examples/github-actions/README.md", "examples/node-agent/README.md",
	"examples/pytest/README.md", "examples/python-agent/README.md",
}

func TestDocs(t *testing.T) {
	bin := buildCoo(t)
	root := repoRoot(t)
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	formats, err := filepath.Glob(filepath.Join(root, "docs", "format", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob(filepath.Join(root, "examples", "*", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs = slices.Concat(docs, formats, examples, []string{filepath.Join(root, "README.md")})
	var skipped []string
	for _, doc := range docs {
		rel, err := filepath.Rel(root, doc)
		if err != nil {
			t.Fatal(err)
		}
		d := readDoc(t, doc, filepath.ToSlash(rel))
		skipped = append(skipped, d.skipped...)
		t.Run(d.name, func(t *testing.T) {
			if slices.Contains(usesClients, d.name) {
				proofs.Needed(t) // whole test suites, several times
			}
			t.Parallel()
			d.run(t, bin)
		})
	}
	slices.Sort(skipped)
	if want := slices.Sorted(slices.Values(notRunHere)); !slices.Equal(skipped, want) {
		t.Errorf("blocks marked as not run here:\n%s\nwant, from docs_test.go:\n%s", strings.Join(skipped, "\n"), strings.Join(want, "\n"))
	}
}

// A doc is a document split in lines, with its blocks.
type doc struct {
	name, file string
	lines      []string
	blocks     []docBlock
	skipped    []string
}

type docBlock struct {
	kind, file string
	from, to   int // lines of its content
}

var fence = regexp.MustCompile("^```([a-z]*) ?(.*)$")

func readDoc(t *testing.T, file, name string) *doc {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := &doc{name: name, file: file, lines: strings.Split(string(b), "\n")}
	for i := 0; i < len(d.lines); i++ {
		m := fence.FindStringSubmatch(d.lines[i])
		if m == nil {
			continue
		}
		end := i + 1
		for end < len(d.lines) && d.lines[end] != "```" {
			end++
		}
		if end == len(d.lines) {
			t.Fatalf("%s:%d: a block that does not end", name, i+1)
		}
		if m[1] == "sh" {
			d.skip(t, i)
		}
		d.blocks = append(d.blocks, docBlock{kind: m[1], file: m[2], from: i + 1, to: end})
		i = end
	}
	return d
}

// skip notes why the block that begins at line i is not run.
func (d *doc) skip(t *testing.T, i int) {
	above := i - 1
	for above > 0 && d.lines[above] == "" {
		above--
	}
	_, reason, ok := strings.Cut(d.lines[above], "not run here: ")
	if !ok {
		t.Errorf("%s:%d: a sh block without \"not run here: reason\" above it; use console for what can be run", d.name, i+1)
		return
	}
	d.skipped = append(d.skipped, d.name+": "+strings.TrimRight(reason, ".:*_)> -"))
}

func (d *doc) run(t *testing.T, bin string) {
	dir := t.TempDir()
	srv := httptest.NewServer(modelserver.New(modelserver.Options{}))
	t.Cleanup(srv.Close)
	env := append(os.Environ(), "HOME="+dir, "ADDR="+strings.TrimPrefix(srv.URL, "http://"), "SAMPLE="+providers(t),
		"KEYFILE="+writeTemp(t, "key", []byte("sk-proj-only-an-example-key\n")))
	path := []string{bin}
	if example, ok := strings.CutPrefix(d.name, "examples/"); ok {
		copyExamples(t, dir)
		dir = filepath.Join(dir, filepath.Dir(example))
	}
	if slices.Contains(usesClients, d.name) {
		path = append(path, clientsPath(t)...)
		linkModules(t, dir)
	}
	env = append(env, "PATH="+strings.Join(append(path, os.Getenv("PATH")), string(os.PathListSeparator)))
	changed := false
	// From the end, so that line numbers stay true while outputs are updated.
	var sessions []docBlock
	for _, b := range d.blocks {
		switch {
		case b.kind == "console":
			sessions = append(sessions, b)
		case b.file != "":
			content := strings.Join(d.lines[b.from:b.to], "\n") + "\n"
			name := filepath.Join(dir, filepath.FromSlash(b.file))
			if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	replaced := map[int][]string{} // first line of a session to its new lines
	for _, b := range sessions {
		got, ok := d.session(t, b, dir, env)
		if !ok && *update {
			replaced[b.from] = got
			changed = true
		}
	}
	if !changed {
		return
	}
	for _, b := range slices.Backward(sessions) {
		if lines, ok := replaced[b.from]; ok {
			d.lines = slices.Replace(d.lines, b.from, b.to, lines...)
		}
	}
	if err := os.WriteFile(d.file, []byte(strings.Join(d.lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// providers starts a sample model server that speaks https, and returns the
// flags by which coo finds it in the place of the providers.
func providers(t *testing.T) string {
	t.Helper()
	authority, err := modelserver.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(modelserver.New(modelserver.Options{}))
	srv.TLS = authority.TLS()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	addr := strings.TrimPrefix(srv.URL, "https://")
	return fmt.Sprintf("--upstream-ca %s --resolve api.openai.com:443:%s --resolve api.anthropic.com:443:%s",
		writeTemp(t, "ca.pem", authority.PEM()), addr, addr)
}

// writeTemp writes a file in a directory of its own.
func writeTemp(t *testing.T, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// copyExamples copies the examples that have files of their own.
func copyExamples(t *testing.T, dir string) {
	t.Helper()
	for _, name := range usesClients {
		if name, ok := strings.CutPrefix(name, "examples/"); ok {
			example := filepath.Dir(name)
			if err := os.CopyFS(filepath.Join(dir, example), os.DirFS(filepath.Join(repoRoot(t), "examples", example))); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// clientsPath returns where the installed clients are.
func clientsPath(t *testing.T) []string {
	t.Helper()
	clients := filepath.Join(repoRoot(t), ".cache", "clients")
	path := []string{filepath.Join(clients, "python", "bin"), filepath.Join(clients, "node", "node_modules", "node24", "bin")}
	for _, dir := range path {
		if _, err := os.Stat(dir); err != nil {
			t.Fatalf("%v: tools/clients.sh installs what the examples use", err)
		}
	}
	return path
}

// linkModules does what npm install would do in a directory that has a
// package.json.
func linkModules(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "package.json")); err != nil {
		return
	}
	modules := filepath.Join(repoRoot(t), ".cache", "clients", "node", "node_modules")
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
}

// session runs the commands of a block and compares what they print. It
// returns the block as it should be.
func (d *doc) session(t *testing.T, b docBlock, dir string, env []string) (lines []string, ok bool) {
	ok = true
	for i := b.from; i < b.to; {
		command, isCommand := strings.CutPrefix(d.lines[i], "$ ")
		if !isCommand {
			t.Fatalf("%s:%d: a session begins with a command", d.name, i+1)
		}
		end := i + 1
		for end < b.to && !strings.HasPrefix(d.lines[end], "$ ") {
			end++
		}
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir, cmd.Env = dir, env
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			fmt.Fprintf(&out, "[%v]\n", err)
		}
		got := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
		if out.Len() == 0 {
			got = nil
		}
		want := d.lines[i+1 : end]
		lines = append(lines, d.lines[i])
		if matches(want, got) {
			lines = append(lines, want...)
		} else {
			ok = false
			lines = append(lines, got...)
			if !*update {
				t.Errorf("%s:%d: $ %s\ngot\n%s\nwant\n%s", d.name, i+1, command, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		i = end
	}
	return lines, ok
}

// matches reports whether got is what want, with its "…", describes.
func matches(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "…" {
		for i := range len(got) + 1 {
			if matches(want[1:], got[i:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && lineMatches(want[0], got[0]) && matches(want[1:], got[1:])
}

func lineMatches(want, got string) bool {
	parts := strings.Split(want, "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(got)
}

// buildCoo builds coo as a user would and returns the directory it is in.
func buildCoo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-trimpath", "-o", dir, "./cmd/coo", "./examples/sampleserver")
	cmd.Dir = repoRoot(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}

func repoRoot(t *testing.T) string {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(wd, "..", "..")
}

// TestCLIReference keeps docs/cli.md what the commands themselves say.
func TestCLIReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Command line\n\nThis page is generated from the commands: `go test ./cmd/coo -run TestCLIReference -update`.\n\n")
	b.WriteString("stdout carries the result, stderr everything else; nothing on stdout changes between two\nidentical invocations. Exit statuses:\n\n```text\n" + exitTable + "```\n")
	a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	root := a.command()
	for _, c := range root.Commands() {
		if c.Name() == "help" || c.Name() == "exit-statuses" {
			continue
		}
		fmt.Fprintf(&b, "\n## coo %s\n\n%s\n", c.Name(), c.Short)
		var help bytes.Buffer
		c.SetOut(&help)
		c.InitDefaultHelpFlag()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n```text\n%s\n```\n", strings.TrimRight(help.String(), "\n"))
	}
	file := filepath.Join(repoRoot(t), "docs", "cli.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("docs/cli.md is not what the commands say: go test ./cmd/coo -run TestCLIReference -update")
	}
}

// TestClaims checks that every test that docs/reproducibility-claims.md
// names exists.
func TestClaims(t *testing.T) {
	root := repoRoot(t)
	b, err := os.ReadFile(filepath.Join(root, "docs", "reproducibility-claims.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)(/[a-z_]+)?`|`((?:tools|proof)/[a-z.]+)`").FindAllStringSubmatch(string(b), -1)
	if len(names) < 20 {
		t.Fatalf("the page names only %d tests", len(names))
	}
	source := testSource(t, root)
	for _, m := range names {
		switch {
		case m[3] != "":
			if _, err := os.Stat(filepath.Join(root, m[3])); err != nil {
				t.Errorf("%s: %v", m[3], err)
			}
		case !strings.Contains(source, "func "+m[1]+"("):
			t.Errorf("there is no test called %s", m[1])
		case m[2] != "":
			if _, err := os.Stat(filepath.Join(root, "cmd/coo/testdata/script", m[2][1:]+".txtar")); err != nil {
				t.Errorf("%s%s: %v", m[1], m[2], err)
			}
		}
	}
}

// testSource returns the text of all test files.
func testSource(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	names, err := filepath.Glob(filepath.Join(root, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	for _, dir := range []string{"internal", "cmd", "tools"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			b.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
