package archive

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of a name, in bytes and in parts between slashes.
const (
	maxName  = 1000
	maxPart  = 255
	maxParts = 64
)

// PlainByte reports whether c may stand for itself in a name: it can in a file
// name of every system, and no tool gives it a meaning of its own.
func PlainByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte(" !#$&'()+,-.;=@[]^_{}~", c) >= 0
}

// CheckName says what is wrong with the name of a file: it must be possible,
// and mean the same, on every system.
func CheckName(name string) error {
	if len(name) == 0 || len(name) > maxName {
		return fmt.Errorf("a name of %d bytes, want 1 to %d", len(name), maxName)
	}
	if strings.Count(name, "/") >= maxParts {
		return fmt.Errorf("more than %d names in a path", maxParts)
	}
	for part := range strings.SplitSeq(name, "/") {
		if err := checkPart(part); err != nil {
			return err
		}
	}
	return nil
}

func checkPart(part string) error {
	if part == "" || len(part) > maxPart {
		return fmt.Errorf("a path with a name of %d bytes, want 1 to %d", len(part), maxPart)
	}
	for i := range len(part) {
		if c := part[i]; !PlainByte(c) && c != '%' {
			return fmt.Errorf("byte %#02x in a name", c)
		}
	}
	if last := part[len(part)-1]; last == '.' || last == ' ' {
		return fmt.Errorf("%q ends in a dot or a space", part)
	}
	if Reserved(part) {
		return fmt.Errorf("%q is reserved by Windows", part)
	}
	return nil
}

var devices = []string{"con", "prn", "aux", "nul", "conin$", "conout$"}

// Reserved reports whether Windows keeps a name for a device, with any
// extension.
func Reserved(part string) bool {
	stem, _, _ := strings.Cut(part, ".")
	stem = Fold(strings.TrimRight(stem, " "))
	if slices.Contains(devices, stem) {
		return true
	}
	number, ok := strings.CutPrefix(stem, "com")
	if !ok {
		number, ok = strings.CutPrefix(stem, "lpt")
	}
	return ok && len(number) == 1 && '0' <= number[0] && number[0] <= '9'
}

// Fold returns a name as a file system that does not tell cases apart sees it.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// apart reports the first file whose name cannot stand beside that of another:
// they differ in case only, or one is a directory of the other.
func apart(files []File) (file, other *File) {
	order := make([]int32, len(files))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return compareFolded(files[a].Name, files[b].Name) })
	for i := 1; i < len(order); i++ {
		a, b := &files[order[i-1]], &files[order[i]]
		if beneath(a.Name, b.Name) {
			return b, a
		}
	}
	return nil, nil
}

// compareFolded orders names so that one stands right before what is beneath
// it: cases are one, and the slash comes before every other byte.
func compareFolded(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := rank(a[i]), rank(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func rank(c byte) byte {
	switch {
	case c == '/':
		return 0
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	}
	return c
}

// beneath reports whether b is a, or in the directory a, but for case.
func beneath(a, b string) bool {
	if len(b) > len(a) && b[len(a)] != '/' || len(b) < len(a) {
		return false
	}
	return compareFolded(a, b[:len(a)]) == 0
}
