package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A sham is one wrong build.
type sham struct {
	name  string
	proof string // that must fail
	// Of the proof replay: the run, the record at which it diverges, and
	// what that record holds.
	run    string
	record int
	holds  string
	edits  []edit
}

// An edit replaces text that a file holds once.
type edit struct{ file, old, new string }

// builtin is what of the mission language is wrong.
func (s *sham) builtin() string {
	name, _, _ := strings.Cut(s.name, " ")
	return name
}

// parse reads the list; its format is in its first lines.
func parse(text string) ([]*sham, error) {
	var all []*sham
	for block := range strings.SplitSeq(text, "\n\n") {
		s := &sham{}
		lines := slices.DeleteFunc(strings.Split(strings.TrimRight(block, "\n"), "\n"), func(l string) bool { return strings.HasPrefix(l, "#") })
		for _, line := range lines {
			if err := s.line(line); err != nil {
				return nil, fmt.Errorf("shams.txt: %q: %w", line, err)
			}
		}
		if len(lines) == 0 {
			continue
		}
		if s.name == "" || s.proof == "" || len(s.edits) == 0 {
			return nil, fmt.Errorf("shams.txt: incomplete: %q", block)
		}
		all = append(all, s)
	}
	return all, nil
}

func (s *sham) line(line string) error {
	if line != "" && (line[0] == '-' || line[0] == '+') {
		if len(s.edits) == 0 {
			return errors.New("no file before it")
		}
		e := &s.edits[len(s.edits)-1]
		side := &e.old
		if line[0] == '+' {
			side = &e.new
		}
		*side += line[1:] + "\n"
		return nil
	}
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "sham":
		s.name = rest
	case "file":
		s.edits = append(s.edits, edit{file: rest})
	case "replay":
		f := strings.SplitN(rest, " ", 3)
		if len(f) != 3 {
			return errors.New("want RUN N TEXT")
		}
		n, err := strconv.Atoi(f[1])
		if err != nil {
			return err
		}
		s.proof, s.run, s.record, s.holds = word, f[0], n, f[2]
	case "fsync", "canary", "exec", "flip", "relay", "near", "faults", "key", "around", "dotenv":
		s.proof = word
	default:
		return errors.New("unknown word")
	}
	return nil
}

// overlay writes the changed files of s to a directory and returns the name
// of the file that go build -overlay takes.
func (b *bench) overlay(s *sham, dir string) (string, error) {
	replace := map[string]string{}
	for i, e := range s.edits {
		file, err := b.source(e.file)
		if err != nil {
			return "", err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		// The lines stand for text without the last line's end.
		from, to := strings.TrimSuffix(e.old, "\n"), strings.TrimSuffix(e.new, "\n")
		if n := strings.Count(string(text), from); n != 1 || from == "" {
			return "", fmt.Errorf("shams.txt: %s holds its old text %d times, want once: has the source moved on?", e.file, n)
		}
		changed := filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(changed, []byte(strings.Replace(string(text), from, to, 1)), 0o644); err != nil {
			return "", err
		}
		replace[file] = changed
	}
	doc, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, doc, 0o644)
}

// source returns where a file is: in this module, or in a dependency.
func (b *bench) source(file string) (string, error) {
	module, rest, _ := strings.Cut(file, "/")
	if !strings.Contains(module, ".") {
		return filepath.Join(b.root, filepath.FromSlash(file)), nil
	}
	dir, err := b.command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", module, err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), filepath.FromSlash(rest)), nil
}

// namesMission tells the names of all builtins that are reached by a dot.
const namesMission = `
def main(coo):
    a = coo.http("GET", "http://model.coo.invalid/", headers = {"x-sample": "echo; as=sse"})
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    r = coo.chat("sample-large", [{"role": "user", "content": "x"}], tools = [tool], base_url = "http://model.coo.invalid/v1")
    return {
        "coo.": dir(coo), "coo.random.": dir(coo.random), "json.": dir(json), "math.": dir(math),
        "answer.": dir(a), "event.": dir(a.events()[0]), "reply.": dir(r), "usage.": dir(r.usage),
        "tool_call.": dir(r.tool_calls[0]), "attempt.": dir(coo.attempt(lambda: 1)),
    }
`

// complete demands a sham of every builtin: of those that the language itself
// lists with dir, and of the functions in the interpreter's universe.
func (b *bench) complete(all []*sham) error {
	dir, err := os.MkdirTemp(b.dir, "names-*")
	if err != nil {
		return err
	}
	out, _, err := b.mission(b.coo, dir, namesMission)
	if err != nil {
		return err
	}
	tables := map[string][]string{}
	if err := json.Unmarshal([]byte(out), &tables); err != nil {
		return err
	}
	var want []string
	for prefix, names := range tables {
		for _, name := range names {
			want = append(want, prefix+name)
		}
	}
	library, err := b.source("go.starlark.net/starlark/library.go")
	if err != nil {
		return err
	}
	text, err := os.ReadFile(library)
	if err != nil {
		return err
	}
	_, universe, _ := strings.Cut(string(text), "Universe = StringDict{")
	universe, _, _ = strings.Cut(universe, "\n\t}")
	for _, m := range regexp.MustCompile(`"(\w+)":\s+NewBuiltin`).FindAllStringSubmatch(universe, -1) {
		want = append(want, m[1])
	}
	if len(want) < 75 {
		return fmt.Errorf("found only %d builtins: %v", len(want), want)
	}
	var missing []string
	for _, name := range want {
		if !slices.ContainsFunc(all, func(s *sham) bool { return s.builtin() == name && (s.proof == "replay" || s.proof == "exec") }) {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		slices.Sort(missing)
		return fmt.Errorf("no sham of %s", strings.Join(missing, ", "))
	}
	return nil
}
