//go:build linux && amd64

package box

import (
	"fmt"
	"strings"
)

// once tells something, if it was not told before.
func (x *tracer) once(kind EventKind, text string) {
	if !x.said[text] {
		x.said[text] = true
		x.tell(Event{Kind: kind, Text: text})
	}
}

// noted says something that the user should know.
func (x *tracer) noted(format string, args ...any) { x.once(Noted, fmt.Sprintf(format, args...)) }

// broken says why the run is not certain to be the same each time. Whether it
// goes on is for the outside to say.
func (x *tracer) broken(format string, args ...any) { x.once(Broken, fmt.Sprintf(format, args...)) }

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
