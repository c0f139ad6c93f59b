package program

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/box"
)

// A filesNote tells, in the observations, of files that an execution used, or
// opened to write.
type filesNote struct {
	T     string   `json:"t"` // "used", "changed"
	Files []string `json:"files"`
}

// touched keeps which files the program used. What it may have written outside
// of its workspace the user should know: no replay and no rollback is about it.
func (c *conductor) touched(ev box.Event) {
	names := make([]string, len(ev.Files))
	for i, f := range ev.Files {
		names[i] = string(c.pieces.safe([]byte(f.Path))) // a name may hold a secret
	}
	if err := c.pieces.Observe(filesNote{string(ev.Kind), names}); err != nil {
		c.p.fail(err)
	}
	if ev.Kind == box.Used {
		c.p.used = append(c.p.used, ev.Files...)
		return
	}
	inside := strings.TrimSuffix(c.p.Command.Dir, "/") + "/"
	out := slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, inside) })
	switch len(out) {
	case 0:
	case 1:
		c.p.Note(fmt.Sprintf("a file outside of the workspace was opened to write: %s", out[0]))
	default:
		c.p.Note(fmt.Sprintf("%d files outside of the workspace were opened to write, such as %s", len(out), out[0]))
	}
}
