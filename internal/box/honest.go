//go:build linux && amd64

package box

import (
	"fmt"
	"path"
	"strings"
)

// once tells something, if it was not told before.
func (x *tracer) once(kind EventKind, text string) bool {
	if x.said[text] {
		return false
	}
	x.said[text] = true
	x.tell(Event{Kind: kind, Text: text})
	return true
}

// noted says something that the user should know.
func (x *tracer) noted(format string, args ...any) { x.once(Noted, fmt.Sprintf(format, args...)) }

// broken says why the run is not certain to be the same each time. A run that
// must be ends with that.
func (x *tracer) broken(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if x.once(Broken, text) && x.Strict && x.talk == nil {
		x.talk = &BrokenError{text}
	}
}

// A BrokenError is returned by [Run] when Config.Strict is set and the run
// was not certain to be the same each time any more.
type BrokenError struct{ Why string }

func (e *BrokenError) Error() string { return e.Why }

// name is what a process is called in what people read.
func (p *process) name() string {
	comm := ""
	if len(p.threads) > 0 {
		comm = strings.TrimSpace(procFile(p.threads[0].tid, "comm"))
	}
	if comm == "" {
		return fmt.Sprintf("process %d", p.id)
	}
	return fmt.Sprintf("process %d (%s)", p.id, comm)
}

// codeAt says where in a program an address is.
func (t *thread) codeAt(addr uint64) string {
	m, ok := mappingAt(t.tid, addr)
	if !ok || m.path == "" {
		return fmt.Sprintf("%#x", addr)
	}
	return fmt.Sprintf("%s+%#x", path.Base(m.path), addr-m.from+m.offset)
}
