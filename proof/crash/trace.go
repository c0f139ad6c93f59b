//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// traced are the calls that [parseTrace] understands: all that change files,
// names or file descriptors, make something durable, or let something out.
const traced = "open,openat,openat2,creat,close,close_range,dup,dup2,dup3,fcntl,lseek," +
	"write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,copy_file_range,sendfile,splice,ioctl," +
	"fsync,fdatasync,syncfs,sync,sync_file_range,msync," +
	"rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,mknod,mknodat," +
	"chmod,fchmod,fchmodat,?fchmodat2,sendto,sendmsg"

// A tracer turns strace's lines into operations below root.
type tracer struct {
	root   string // absolute, without links
	fds    map[int]int
	opened int // handles so far
	ops    []op
	begun  map[string]string // by pid: what is printed of a call that goes on
	made   string            // the directory made last
	err    error
}

// parseTrace reads the output of strace -f -y -xx. The text must be of one
// process; its threads may interleave.
func parseTrace(r io.Reader, root string, handles int) ([]op, error) {
	t := &tracer{root: root, fds: map[int]int{}, opened: handles, begun: map[string]string{}}
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			t.line(strings.TrimSuffix(line, "\n"))
		}
		if t.err != nil {
			return nil, fmt.Errorf("trace: %w: %.300s", t.err, line)
		}
		if err == io.EOF {
			return t.ops, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

var resultAt = regexp.MustCompile(`\)\s+= `)

func (t *tracer) line(line string) {
	pid, text, ok := strings.Cut(line, " ")
	text = strings.TrimLeft(text, " ")
	if !ok || strings.HasPrefix(text, "---") || strings.HasPrefix(text, "+++") {
		return
	}
	if head, ok := strings.CutSuffix(text, "<unfinished ...>"); ok {
		t.begun[pid] = head
		name, args, _ := strings.Cut(head, "(")
		t.begin(name, splitArgs(args))
		return
	}
	if rest, ok := strings.CutPrefix(text, "<... "); ok {
		_, rest, _ = strings.Cut(rest, " resumed>")
		text = t.begun[pid] + rest
		delete(t.begun, pid)
	} else {
		name, args, _ := strings.Cut(text, "(")
		if at := resultAt.FindStringIndex(args); at != nil {
			t.begin(name, splitArgs(args[:at[0]]))
		}
	}
	name, args, _ := strings.Cut(text, "(")
	at := resultAt.FindStringIndex(args)
	if at == nil {
		return // a call that never came back
	}
	ret, _, _ := strings.Cut(args[at[1]:], " ")
	number, _, _ := strings.Cut(ret, "<")
	n, err := strconv.ParseInt(number, 0, 64)
	if err != nil || n < 0 {
		return // failed, or the process went
	}
	t.end(name, splitArgs(args[:at[0]]), n)
}

// splitArgs splits at the commas between arguments. Texts are written in
// hexadecimal, so that they hold no punctuation.
func splitArgs(s string) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	return append(out, strings.TrimSpace(s[start:]))
}

// begin notes what counts from its beginning: a promise is made when its
// write begins, and a sync covers what was there when it began.
func (t *tracer) begin(name string, args []string) {
	switch name {
	case "write", "writev", "sendto", "sendmsg":
		fd, where := descriptor(args[0])
		switch {
		case len(args) < 2:
		case strings.HasPrefix(where, "socket:") || strings.HasPrefix(where, "TCP"):
			t.add(op{kind: opSend, data: payload(args[1])})
		case fd == 1 || fd == 2:
			t.add(op{kind: opSay, fd: fd, data: payload(args[1])})
		}
	case "fsync", "fdatasync":
		if h, ok := t.handle(args[0]); ok {
			t.add(op{kind: opSyncBegin, h: h})
		}
	case "syncfs", "sync":
		t.add(op{kind: opSyncBegin, h: -1})
	case "close":
		fd, _ := descriptor(args[0])
		delete(t.fds, fd)
	}
}

func (t *tracer) add(o op) { t.ops = append(t.ops, o) }

func (t *tracer) handle(arg string) (int, bool) {
	fd, _ := descriptor(arg)
	h, ok := t.fds[fd]
	return h, ok
}

// end takes a call that has succeeded.
func (t *tracer) end(name string, a []string, ret int64) {
	switch name {
	case "open", "creat", "openat":
		t.open(name, a, ret)
	case "dup", "dup2", "dup3", "fcntl":
		if name == "fcntl" && !strings.HasPrefix(a[1], "F_DUPFD") {
			return
		}
		if h, ok := t.handle(a[0]); ok {
			t.fds[int(ret)] = h
		}
	case "fsync", "fdatasync":
		if h, ok := t.handle(a[0]); ok {
			t.add(op{kind: opSync, h: h})
		}
	case "syncfs", "sync":
		t.add(op{kind: opSync, h: -1})
	case "syscall_0x1c4", "fchmodat2":
		t.chmodAt(name, a)
	case "mkdir", "mkdirat":
		mode, _ := strconv.ParseInt(a[len(a)-1], 0, 64)
		if p, ok := t.at(a[:len(a)-1]); ok {
			t.add(op{kind: opMkdir, path: p, mode: uint32(mode)})
			t.made = p
		}
	case "write", "writev", "pwrite64", "ftruncate", "fallocate", "lseek", "fchmod", "copy_file_range", "sendfile", "ioctl":
		t.onHandle(name, a, ret)
	case "close", "sendto", "sendmsg", "sync_file_range":
	default:
		t.onPath(name, a)
	}
}

func (t *tracer) open(name string, a []string, ret int64) {
	flags, at := "O_WRONLY|O_CREAT|O_TRUNC", a[:1]
	switch name {
	case "open":
		flags = a[1]
	case "openat":
		flags, at = a[2], a[:2]
	}
	mode := int64(0)
	if len(a) > 2 && strings.Contains(flags, "O_CREAT") {
		mode, _ = strconv.ParseInt(a[len(a)-1], 0, 64)
	}
	p, ok := t.at(at)
	delete(t.fds, int(ret))
	if !ok {
		return
	}
	t.opened++
	t.fds[int(ret)] = t.opened
	t.add(op{
		kind: opOpen, h: t.opened, path: p, mode: uint32(mode),
		create: strings.Contains(flags, "O_CREAT"), trunc: strings.Contains(flags, "O_TRUNC"), atEnd: strings.Contains(flags, "O_APPEND"),
	})
}

// chmodAt reads fchmodat2, which strace may not know: then the path is that of
// the directory made last, as os.Root.Chmod is used.
func (t *tracer) chmodAt(name string, a []string) {
	mode, err := strconv.ParseInt(a[2], 0, 64)
	if err != nil {
		t.err = err
		return
	}
	if name == "fchmodat2" {
		if p, ok := t.at(a[:2]); ok {
			t.add(op{kind: opChmod, path: p, mode: uint32(mode)})
		}
		return
	}
	t.add(op{kind: opChmod, path: t.made, mode: uint32(mode)})
}

func (t *tracer) onHandle(name string, a []string, ret int64) {
	h, ok := t.handle(a[0])
	switch {
	case name == "copy_file_range":
		in, inOK := h, ok
		if h, ok = t.handle(a[2]); !ok {
			return
		}
		if !inOK || a[1] != "NULL" || a[3] != "NULL" {
			t.err = fmt.Errorf("%s from outside or with offsets is not modelled", name)
			return
		}
		t.add(op{kind: opCopy, h: h, h2: in, size: ret})
	case !ok:
	case name == "write", name == "writev":
		t.add(op{kind: opWrite, h: h, off: -1, data: payload(a[1])[:ret]})
	case name == "pwrite64":
		off, _ := strconv.ParseInt(a[3], 0, 64)
		t.add(op{kind: opWrite, h: h, off: off, data: payload(a[1])[:ret]})
	case name == "ftruncate":
		size, _ := strconv.ParseInt(a[1], 0, 64)
		t.add(op{kind: opTruncate, h: h, size: size})
	case name == "lseek":
		t.add(op{kind: opSeek, h: h, off: ret})
	case name == "fchmod":
		mode, _ := strconv.ParseInt(a[1], 0, 64)
		t.add(op{kind: opChmod, h: h, mode: uint32(mode)})
	case name == "ioctl" && !strings.HasPrefix(a[1], "FICLONE") && !strings.Contains(a[1], "BTRFS_IOC_CLONE"):
	case name == "ioctl":
		if from, ok := t.handle(a[2]); ok && !strings.Contains(a[1], "RANGE") {
			t.add(op{kind: opClone, h: h, h2: from})
			return
		}
		t.err = fmt.Errorf("%s is not modelled", a[1])
	default:
		t.err = fmt.Errorf("%s is not modelled", name)
	}
}

func (t *tracer) onPath(name string, a []string) {
	one := func(kind opKind, arg []string) {
		if p, ok := t.at(arg); ok {
			t.add(op{kind: kind, path: p})
		}
	}
	two := func(kind opKind, from, to []string) {
		p, ok := t.at(from)
		q, ok2 := t.at(to)
		if ok != ok2 {
			t.err = fmt.Errorf("%s across the border of the workspace", name)
		}
		if ok && ok2 {
			t.add(op{kind: kind, path: p, to: q})
		}
	}
	switch name {
	case "rename":
		two(opRename, a[:1], a[1:2])
	case "renameat":
		two(opRename, a[:2], a[2:4])
	case "renameat2":
		if a[4] != "0" && a[4] != "RENAME_NOREPLACE" {
			t.err = fmt.Errorf("renameat2 with %s is not modelled", a[4])
		}
		two(opRename, a[:2], a[2:4])
	case "link":
		two(opLink, a[:1], a[1:2])
	case "linkat":
		two(opLink, a[:2], a[2:4])
	case "symlink", "symlinkat":
		if p, ok := t.at(a[1:]); ok {
			t.add(op{kind: opSymlink, path: p, data: payload(a[0])})
		}
	case "unlink", "rmdir":
		one(opUnlink, a[:1])
	case "unlinkat":
		one(opUnlink, a[:2])
	case "truncate":
		size, _ := strconv.ParseInt(a[1], 0, 64)
		if p, ok := t.at(a[:1]); ok {
			t.add(op{kind: opTruncate, path: p, size: size})
		}
	case "chmod", "fchmodat":
		arg := a[:len(a)-1]
		modeArg := a[len(a)-1]
		if name == "fchmodat" {
			arg, modeArg = a[:2], a[2]
		}
		mode, _ := strconv.ParseInt(modeArg, 0, 64)
		if p, ok := t.at(arg); ok {
			t.add(op{kind: opChmod, path: p, mode: uint32(mode)})
		}
	default:
		for _, arg := range a {
			if _, where := descriptor(arg); strings.HasPrefix(where, t.root) {
				t.err = fmt.Errorf("%s is not modelled", name)
			}
		}
	}
}

// at returns the path below the root that the arguments of a call mean: a
// path, or a directory's descriptor and a path.
func (t *tracer) at(args []string) (string, bool) {
	p := string(payload(args[len(args)-1]))
	if !filepath.IsAbs(p) {
		base := t.root
		if len(args) > 1 {
			_, base = descriptor(args[0])
		}
		p = filepath.Join(base, p)
	}
	rel, err := filepath.Rel(t.root, filepath.Clean(p))
	return rel, err == nil && filepath.IsLocal(rel)
}

// descriptor reads 8<path>.
func descriptor(arg string) (fd int, path string) {
	number, rest, _ := strings.Cut(arg, "<")
	fd, err := strconv.Atoi(number)
	if err != nil {
		fd = -1
	}
	if i := strings.LastIndexByte(rest, '>'); i >= 0 {
		rest = rest[:i]
	}
	return fd, string(unhex(rest))
}

var quoted = regexp.MustCompile(`"[^"]*"(\.\.\.)?`)

// payload returns the bytes of all texts in an argument, in order.
func payload(arg string) []byte {
	var out []byte
	for _, q := range quoted.FindAllString(arg, -1) {
		if strings.HasSuffix(q, "...") {
			panic("a text in the trace is cut: strace -s is too small")
		}
		out = append(out, unhex(q[1:len(q)-1])...)
	}
	return out
}

// unhex decodes \xNN; other characters stand for themselves.
func unhex(s string) []byte {
	var out bytes.Buffer
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) && s[i+1] == 'x' {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.Bytes()
}
