package snapshot

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/coo-runtime/coo/internal/workspace"
)

// group notes the names of one directory that are alike, those of what stays in it
// among them.
func (c *checker) group(dir string, entries []Entry) {
	names := append([]string(nil), c.beside[dir]...)
	for i := range entries {
		names = append(names, entries[i].Name)
	}
	seen := make(map[string]string, len(names))
	for _, name := range names {
		key := workspace.Likeness(name)
		if first, ok := seen[key]; ok && first != name {
			c.alike = append(c.alike, [2]string{join(dir, first), join(dir, name)})
		} else {
			seen[key] = name
		}
	}
}

// sameName reports whether two names are one in a directory; tests replace it.
var sameName = workspace.SameName

// collisions asks the file system of root about names that are alike.
func (c *checker) collisions(root string) error {
	slices.SortFunc(c.alike, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	for _, pair := range c.alike {
		same, err := sameName(root, path.Base(pair[0]), path.Base(pair[1]))
		if err != nil {
			return err
		}
		if same {
			return &BlockedError{pair[1], "is the same name as " + strconv.QuoteToASCII(pair[0]) + " on this file system"}
		}
	}
	return nil
}

// renamedByCase finds a name that is to come in the place of one that this file
// system takes for the same: the plan could not tell the two apart.
func renamedByCase(root string, changes []Change) error {
	gone := map[string]string{} // directory and likeness to the path that goes
	key := func(p string) string { return path.Dir(p) + "/" + workspace.Likeness(path.Base(p)) }
	for _, c := range changes {
		if c.Kind == Removed {
			gone[key(c.Path)] = c.Path
		}
	}
	for _, c := range changes {
		old, ok := gone[key(c.Path)]
		if c.Kind != Added || !ok {
			continue
		}
		same, err := sameName(root, path.Base(old), path.Base(c.Path))
		if err != nil {
			return err
		}
		if same {
			return &BlockedError{c.Path, "is the same name as " + strconv.QuoteToASCII(old) + ", which is there, on this file system: " +
				"rename that by hand, by way of a third name, and try again"}
		}
	}
	return nil
}
