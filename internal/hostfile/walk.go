package hostfile

import (
	"os"
	"path"
	"strings"

	"github.com/coo-runtime/coo/internal/environment"
)

// A walk follows paths through symbolic links, each of which is looked at once.
type walk struct {
	targets map[string]string // "": it is no link
}

func newWalk() *walk { return &walk{targets: map[string]string{}} }

// maxLinks is how many links one path may lead through, as in Linux.
const maxLinks = 40

// resolve returns the path of what is at an absolute path, through which no
// link leads, and the links on the way. ok is false when nothing is there.
func (w *walk) resolve(name string) (at string, via []environment.Link, ok bool) {
	at = "/"
	rest := strings.Split(name, "/")
	for len(rest) > 0 {
		element := rest[0]
		rest = rest[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, element)
		to, err := w.target(next)
		switch {
		case err != nil:
			return "", nil, false
		case to == "":
			at = next
			continue
		case len(via) == maxLinks:
			return "", nil, false
		}
		via = append(via, environment.Link{Link: to, Path: next})
		if strings.HasPrefix(to, "/") {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return at, via, true
}

// target returns where the link at a path leads, "" when it is none.
func (w *walk) target(name string) (string, error) {
	if to, ok := w.targets[name]; ok {
		return to, nil
	}
	fi, err := os.Lstat(name)
	if err != nil {
		return "", err
	}
	to := ""
	if fi.Mode()&os.ModeSymlink != 0 {
		if to, err = os.Readlink(name); err != nil {
			return "", err
		}
	}
	w.targets[name] = to
	return to, nil
}
