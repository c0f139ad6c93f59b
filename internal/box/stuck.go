//go:build linux && amd64

package box

import (
	"debug/elf"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// stuck says why nothing can ever happen any more.
func (x *tracer) stuck() string {
	var b strings.Builder
	b.WriteString("the program is stuck: every thread waits for another")
	for _, p := range x.processes {
		if p.stopped != 0 {
			fmt.Fprintf(&b, "; %s: stopped by %s", p.name(), unix.SignalName(p.stopped))
			continue
		}
		for _, t := range p.threads {
			switch {
			case t.parked != nil:
				fmt.Fprintf(&b, "; %s, thread %d: %s%s", p.name(), t.id, t.parked.why, x.target(t))
			case x.vforking(t):
				fmt.Fprintf(&b, "; %s, thread %d: waits for its child to execute a program", p.name(), t.id)
			default:
				fmt.Fprintf(&b, "; %s, thread %d: spins at %s", p.name(), t.id, t.codeAt(t.regs.Rip))
			}
		}
	}
	return b.String()
}

// target says what the call at which a thread waits is about.
func (x *tracer) target(t *thread) string {
	switch t.nr {
	case unix.SYS_FUTEX:
		return " in " + t.codeAt(t.arg(0))
	case unix.SYS_POLL, unix.SYS_PPOLL:
		return t.files(t.pollFDs(t.arg(0), int(min(t.arg(1), mostNamed))))
	case unix.SYS_SELECT, unix.SYS_PSELECT6:
		return t.files(t.selected(int(min(t.arg(0), 1024))))
	case unix.SYS_READ, unix.SYS_READV, unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_SENDTO,
		unix.SYS_SENDMSG, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_FLOCK, unix.SYS_FCNTL:
		return t.files(pollSet{{Fd: int32(t.intArg(0))}})
	}
	return ""
}

// mostNamed is how many descriptors of a thread are named.
const mostNamed = 8

func (t *thread) files(set pollSet) string {
	var names []string
	for _, f := range set[:min(len(set), mostNamed)] {
		names = append(names, fmt.Sprintf("%d is %s", f.Fd, t.fileName(int(f.Fd))))
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// fileName says what a descriptor is, without numbers that are others each
// time.
func (t *thread) fileName(n int) string {
	link, err := os.Readlink("/proc/" + strconv.Itoa(t.tid) + "/fd/" + strconv.Itoa(n))
	if err != nil {
		return "not open"
	}
	kind, rest, ok := strings.Cut(link, ":")
	switch {
	case !ok || strings.HasPrefix(link, "/"):
		return link
	case kind == "anon_inode":
		return "an " + strings.Trim(rest, "[]")
	}
	return "a " + kind
}

// codeAt says where in a program an address is: the file, and the function or
// how far into it.
func (t *thread) codeAt(addr uint64) string {
	m, ok := mappingAt(t.tid, addr)
	if !ok || m.path == "" {
		return fmt.Sprintf("%#x", addr)
	}
	name := path.Base(m.path)
	offset := addr - m.from + m.offset
	if s := function("/proc/"+strconv.Itoa(t.tid)+"/root"+m.path, offset); s != "" {
		return name + ", " + s
	}
	return fmt.Sprintf("%s+%#x", name, offset)
}

// function returns the name of the function at an offset of an executable
// file, "" when that does not say.
func function(file string, offset uint64) string {
	f, err := elf.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	at := uint64(0)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && offset >= p.Off && offset < p.Off+p.Filesz {
			at = offset - p.Off + p.Vaddr
		}
	}
	for _, list := range []func() ([]elf.Symbol, error){f.Symbols, f.DynamicSymbols} {
		symbols, _ := list()
		for _, s := range symbols {
			if elf.ST_TYPE(s.Info) == elf.STT_FUNC && at >= s.Value && at < s.Value+s.Size {
				return fmt.Sprintf("%s+%#x", s.Name, at-s.Value)
			}
		}
	}
	return ""
}
