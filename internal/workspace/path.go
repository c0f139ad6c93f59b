package workspace

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a path, in bytes and in names.
const (
	maxPath  = 1000
	maxName  = 255
	maxDepth = 62
)

// CleanPath returns the one spelling of a path that a mission may write:
// "./a" and "a//b" become "a" and "a/b". A path is relative, valid UTF-8, has
// "/" between names and no "..", at most 1000 bytes, 62 names and 255 bytes a
// name, no name of the ignore set, and only names that every system can make:
// no control characters, none of <>:"|?* and none of Windows' reserved names.
// The error is a [*PathError].
func CleanPath(path string) (string, error) { return clean("path", path, true) }

// CleanReadPath is CleanPath for a file that may be there already, whose name
// need not be possible on every system.
func CleanReadPath(path string) (string, error) { return clean("path", path, false) }

func clean(op, path string, portable bool) (string, error) {
	if what := wrongPath(path); what != "" {
		return "", &PathError{Op: op, Path: shorten(path), What: what}
	}
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		what := wrongName(name)
		if what == "" && portable {
			what = unportable(name)
		}
		if what != "" {
			return "", &PathError{Op: op, Path: path, What: what}
		}
		names = append(names, name)
	}
	if len(names) > maxDepth {
		return "", &PathError{Op: op, Path: path, What: fmt.Sprintf("more than %d names", maxDepth)}
	}
	return strings.Join(names, "/"), nil
}

// wrongPath says what is wrong with a path as a whole.
func wrongPath(path string) string {
	switch {
	case path == "":
		return "the path is empty"
	case len(path) > maxPath:
		return fmt.Sprintf("longer than %d bytes", maxPath)
	case !utf8.ValidString(path):
		return "not valid UTF-8"
	case strings.ContainsRune(path, 0):
		return "a NUL character is not allowed"
	case strings.Contains(path, `\`):
		return `"\" is not allowed: write "/" between names`
	case path[0] == '/', len(path) > 1 && path[1] == ':' && isLetter(path[0]):
		return "not relative to the workspace"
	case path == ".", strings.HasSuffix(path, "/"), strings.HasSuffix(path, "/."):
		return "names a directory"
	}
	return ""
}

// wrongName says what is wrong with one name of a path.
func wrongName(name string) string {
	switch {
	case name == "..":
		return `".." is not allowed`
	case len(name) > maxName:
		return fmt.Sprintf("a name is longer than %d bytes", maxName)
	case ignoredName(name):
		return fmt.Sprintf("%q is never read or written", name)
	}
	return ""
}

// unportable says why a name cannot be made on every system.
func unportable(name string) string {
	for _, r := range name {
		if unicode.IsControl(r) || strings.ContainsRune(`<>:"|?*`, r) {
			return fmt.Sprintf("%q is not allowed in a name", r)
		}
	}
	if strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return "a name may not end in a dot or a space"
	}
	stem, _, _ := strings.Cut(name, ".")
	if stem = strings.TrimRight(stem, " "); reservedNames[fold(stem)] {
		return fmt.Sprintf("%q is reserved by Windows", stem)
	}
	return ""
}

// reservedNames holds the folded names that Windows keeps for devices, with
// any extension.
var reservedNames = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range []string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} {
		m[name] = true
	}
	for _, n := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"} {
		m["COM"+n], m["LPT"+n] = true, true
	}
	return m
}()

// tempPrefix begins the names of this package's own temporary files.
const tempPrefix = ".coo-apply-"

// RestorePrefix begins the name of a directory that is being restored, until it is
// whole. Nobody reads or snapshots it before.
const RestorePrefix = ".coo-restore-"

var ignoredNames = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range []string{
		".git", ".coo", "node_modules", ".venv", "__pycache__",
		".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox",
	} {
		m[fold(name)] = true
	}
	return m
}()

// Ignored reports whether a name in path belongs to the ignore set.
func Ignored(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if ignoredName(name) {
			return true
		}
	}
	return false
}

// ignoredName compares as the laxest file system does, or ".Git" would lead
// into .git where case does not count: by folded case, without the characters
// that HFS+ drops and the dots and spaces that Windows drops, and by the short
// names that Windows gives files, such as GIT~1.
func ignoredName(name string) bool {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, name)
	name = fold(strings.TrimRight(name, ". "))
	for _, prefix := range []string{".ENV", fold(tempPrefix), fold(RestorePrefix)} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	if ignoredNames[name] {
		return true
	}
	for _, short := range []string{"GIT~", "COO~", "ENV~"} {
		if n, ok := strings.CutPrefix(name, short); ok && n != "" && strings.Trim(n, "0123456789") == "" {
			return true
		}
	}
	return false
}

// fold maps strings that differ only in case to one: every character to the
// smallest that Unicode's simple folding counts as equal.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			if 'a' <= r && r <= 'z' {
				r -= 'a' - 'A'
			}
			return r
		}
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// shorten keeps a hostile path from filling an error text.
func shorten(path string) string {
	if len(path) <= maxPath {
		return path
	}
	return path[:40] + "…"
}

// parents yields the directories above path, the nearest last.
func parents(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := range len(path) {
			if path[i] == '/' && !yield(path[:i]) {
				return
			}
		}
	}
}
