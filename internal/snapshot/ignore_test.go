package snapshot

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ignoreTable holds patterns people write, and those where matchers go wrong.
var ignoreTable = [][]string{
	{"*.b"},
	{"/a"},
	{"d/"},
	{"d/**"},
	{"**/a"},
	{"d/**/a"},
	{"!a"},
	{"*", "!a"},
	{"*", "!d/", "!a"},
	{`a\ `},
	{"a "},
	{"a  ", "b"},
	{`\#h`},
	{"#h"},
	{`\!n`},
	{"/d/*", "!/d/a"},
	{"d/a"},
	{"**"},
	{"/**/a"},
	{`x\[y`},
	{"[a-b]"},
	{"[!a]"},
	{"[^a]"},
	{"a?b"},
	{"d/*/a"},
	{"/*", "!/d"},
	{"d/dd/"},
	{"**/d/a"},
	{"a/"},
	{"/d/**/a"},
	{"*a*"},
	{"/"},
	{"//"},
	{"!"},
	{"!/"},
	{`\a`},
	{`a\`},
	{"d/*"},
	{"d*"},
	{"*/a"},
	{"*/*/a"},
	{"**/dd/**"},
	{"[[:alpha:]]"},
	{"[[:digit:]a]"},
	{"[[:no:]a]"},
	{"[[:alpha]"},
	{"[]a]"},
	{"[a"},
	{"[\\]a]"},
	{"[a\\-c]"},
	{"[b-a]"},
	{"a\r"},
	{"\ufeffa"},
	{"é"},
	{"[é]"},
	{"?"},
	{"d/dd/a", "!d/dd"},
	{"*.b", "!a.b"},
	{"d", "!d/a"},
	{"**/**/a"},
	{"***/a"},
	{"a**"},
	{"d/a*"},
	{"d.b/"},
	{"d/[a-b]"},
	{"/d/dd/?"},
	{"*[!a]"},
}

// gitTree makes a repository with every name at three depths.
func gitTree(t testing.TB) (root string, paths []string, dirs map[string]bool) {
	t.Helper()
	root = t.TempDir()
	dirs = map[string]bool{}
	var fill func(at string, depth int)
	fill = func(at string, depth int) {
		for _, f := range []string{"a", "ab", "a.b", "b", "x[y", "a*", "#h", "!n", "a b", "a ", "é", "A", "-", "]"} {
			if err := os.WriteFile(filepath.Join(root, at+f), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, at+f)
		}
		if depth == 3 {
			return
		}
		for _, d := range []string{"d", "dd", "da.b"} {
			if err := os.Mkdir(filepath.Join(root, at+d), 0o755); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, at+d)
			dirs[at+d] = true
			fill(at+d+"/", depth+1)
		}
	}
	if out, err := exec.Command("git", "init", "-q", root).CombinedOutput(); err != nil {
		t.Skipf("no git: %v %s", err, out)
	}
	fill("", 0)
	return root, paths, dirs
}

// gitIgnored asks git which of the paths the ignore files of root name.
func gitIgnored(t testing.TB, root string, paths []string) []string {
	t.Helper()
	cmd := exec.Command("git", "-c", "core.ignorecase=false", "-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "-z", "--stdin")
	cmd.Dir = root
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\x00") + "\x00")
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("git check-ignore: %v", err)
	}
	list := strings.Split(string(out), "\x00")
	return list[:len(list)-1]
}

// ourIgnored walks from the top as a snapshot does.
func ourIgnored(files map[string][]byte, paths []string, dirs map[string]bool) []string {
	var list []string
	at := map[string]*ignorer{}
	out := map[string]bool{}
	var enter func(dir string) *ignorer
	enter = func(dir string) *ignorer {
		if ig, ok := at[dir]; ok {
			return ig
		}
		var ig *ignorer
		if dir != "" {
			ig = enter(strings.TrimPrefix(filepath.Dir("/"+dir), "/"))
		}
		if text, ok := files[dir]; ok {
			ig = parseIgnore(ig, dir, text)
		}
		at[dir] = ig
		return ig
	}
	for _, p := range paths { // parents come first
		dir := strings.TrimPrefix(filepath.Dir("/"+p), "/")
		if out[dir] || enter(dir).ignored(p, filepath.Base(p), dirs[p]) {
			out[p] = true
			list = append(list, p)
		}
	}
	return list
}

// The matcher agrees with git itself, on the table and on random patterns, in one
// file and in two.
func TestIgnoreAsGitDoes(t *testing.T) {
	root, paths, dirs := gitTree(t)
	tokens := []string{
		"a", "b", "d", "dd", "da", "*", "**", "/", "?", ".", "[ab]", "[!a]", "[a-c]", `\*`, `\`, "!", "#", " ", "é", "[[:alpha:]]",
		"[^b]", "[x", "**/", "/**", "*.b", `x\[y`, "-", "]", "[]-a]", "[[:upper:]-]", "A",
	}
	rng := rand.New(rand.NewPCG(1, 2))
	random := func() string {
		var b strings.Builder
		for range 1 + rng.IntN(5) {
			b.WriteString(tokens[rng.IntN(len(tokens))])
		}
		return b.String()
	}
	check := func(what string, files map[string][]byte) {
		t.Helper()
		for dir, text := range files {
			if err := os.WriteFile(filepath.Join(root, dir, ".gitignore"), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, got := gitIgnored(t, root, paths), ourIgnored(files, paths, dirs)
		if slices.Equal(want, got) {
			return
		}
		for _, p := range paths {
			if w, g := slices.Contains(want, p), slices.Contains(got, p); w != g {
				t.Errorf("%s: %q: ignored is %v, git says %v", what, p, g, w)
				return
			}
		}
	}
	for _, lines := range ignoreTable {
		text := strings.Join(lines, "\n")
		check(fmt.Sprintf("%q", lines), map[string][]byte{"": []byte(text + "\n")})
		check(fmt.Sprintf("%q, no newline", lines), map[string][]byte{"": []byte(text)})
		check(fmt.Sprintf("%q, CRLF", lines), map[string][]byte{"": []byte(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n")})
	}
	for range rounds(150, 3000) {
		lines := []string{random()}
		for rng.IntN(2) == 0 {
			lines = append(lines, random())
		}
		check(fmt.Sprintf("%q", lines), map[string][]byte{"": []byte(strings.Join(lines, "\n"))})
	}
	for range rounds(50, 1000) {
		a, b := random(), random()+"\n"+random()
		check(fmt.Sprintf("%q and in d %q", a, b), map[string][]byte{"": []byte(a), "d": []byte(b)})
	}
}

// rounds returns the number of rounds of a proof, small or full.
func rounds(small, full int) int {
	if os.Getenv("COO_PROOF") == "full" {
		return full
	}
	return small
}

// No pattern takes longer than its budget of steps.
func TestIgnoreIsBounded(t *testing.T) {
	ig := parseIgnore(nil, "", []byte(strings.Repeat("**/*a", 40)+"x"))
	if ig.ignored(strings.Repeat("a/", 200)+"a", "a", false) {
		t.Error("a path that does not match is ignored")
	}
}

func FuzzIgnore(f *testing.F) {
	for _, lines := range ignoreTable {
		f.Add([]byte(strings.Join(lines, "\n")), "d/dd/a.b")
	}
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		if bytes.Count(text, []byte("*")) > 20 || path == "" {
			return
		}
		ig := parseIgnore(nil, "", text)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if ig.ignored(path, name, false) && !ig.ignored(path, name, true) {
			// Only a "!pattern/" can take a directory back in.
			if !bytes.Contains(text, []byte("!")) {
				t.Errorf("%q ignores the file %q and not the directory", text, path)
			}
		}
	})
}
