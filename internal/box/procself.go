//go:build linux && amd64

package box

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// passedFiles are files about a process that tell only what it has done.
var passedFiles = []string{
	"", "environ", "cmdline", "comm", "exe", "cwd", "root", "mem", "coredump_filter", "clear_refs", "setgroups",
	"uid_map", "gid_map", "projid_map", "pagemap", "fd", "ns", "task", "fdinfo", "map_files", "attr", "net",
	"net/route", "net/arp", "net/if_inet6", "net/ipv6_route", "net/protocols", "net/wireless", "net/fib_trie",
}

// fixedFiles are files about a process that tell the same of all.
var fixedFiles = map[string]string{
	"statm":         "65536 16384 1024 1 0 8192 0\n",
	"io":            "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n",
	"schedstat":     "0 0 0\n",
	"sched":         "",
	"latency":       "",
	"autogroup":     "/autogroup-1 nice 0\n",
	"cgroup":        "0::/\n",
	"cpuset":        "/\n",
	"mounts":        mountTable,
	"mountinfo":     mountInfo,
	"mountstats":    "",
	"oom_score":     "666\n",
	"oom_adj":       "0\n",
	"personality":   "00040000\n",
	"wchan":         "0",
	"syscall":       "running\n",
	"stack":         "",
	"timerslack_ns": "50000\n",
	"loginuid":      "4294967295",
	"sessionid":     "4294967295",
	"attr/current":  "unconfined\n",
	"numa_maps":     "",
	"net/dev": "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
		"    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n",
}

const mountTable = "/dev/root / ext4 rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n" +
	"sysfs /sys sysfs ro,nosuid,nodev,noexec,relatime 0 0\nudev /dev devtmpfs rw,nosuid 0 0\n" +
	"tmpfs /tmp tmpfs rw,nosuid,nodev 0 0\ntmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0\n"

const mountInfo = "1 0 0:1 / / rw,relatime - ext4 /dev/root rw\n2 1 0:2 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n" +
	"3 1 0:3 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro\n4 1 0:4 / /dev rw,nosuid - devtmpfs udev rw\n" +
	"5 1 0:5 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw\n6 4 0:6 / /dev/shm rw,nosuid,nodev - tmpfs tmpfs rw\n"

// editedFiles are files about a process or thread in which some is the
// kernel's and some is not told. who is nil for one that is not traced.
var editedFiles = map[string]func(x *tracer, who *thread, old string) string{
	"stat":          (*tracer).statOf,
	"status":        (*tracer).statusOf,
	"maps":          (*tracer).mapsOf,
	"smaps":         (*tracer).smapsOf,
	"smaps_rollup":  (*tracer).smapsOf,
	"limits":        (*tracer).limitsOf,
	"oom_score_adj": func(*tracer, *thread, string) string { return "0\n" },
}

// ownFile returns what a file about a process or a thread is to tell.
func (x *tracer) ownFile(t *thread, dir, name string) (string, bool) {
	kernel := procPath(t.tid, "root/proc/"+x.procDir(dir))
	old := func() (string, bool) {
		b, err := os.ReadFile(kernel + "/" + name)
		return string(b), err == nil
	}
	if s, ok := fixedFiles[name]; ok {
		_, err := os.Stat(kernel)
		return s, err == nil
	}
	who := x.threadOf(dir)
	if name == "auxv" && who != nil {
		return string(who.proc.auxv), true
	}
	if name == "cmdline" && who != nil && who.proc.ran.host != "" {
		s, ok := old()
		return strings.Replace(s, who.proc.ran.host+"\x00", who.proc.ran.name+"\x00", 1), ok
	}
	edit, ok := editedFiles[name]
	if !ok {
		edit, ok = netFiles[name]
	}
	if ok {
		s, ok := old()
		if !ok {
			return "", false
		}
		return edit(x, who, s), true
	}
	if n, ok := strings.CutPrefix(name, "fdinfo/"); ok && who != nil {
		s, ok := old()
		return x.fdinfoOf(who, n, s), ok
	}
	first, _, _ := strings.Cut(name, "/")
	if !slices.Contains(passedFiles, name) && first != "fd" && first != "ns" && first != "map_files" {
		x.unknownFile(t, "self/"+name)
	}
	return "", false
}

// threadOf returns the thread that a directory such as 3 or 3/task/4 is about.
func (x *tracer) threadOf(dir string) *thread {
	_, after, ok := strings.Cut(dir, "/task/")
	if !ok {
		after = dir
	}
	id, _ := strconv.Atoi(after)
	for _, p := range x.processes {
		for _, t := range p.threads {
			if t.id == id {
				return t
			}
		}
	}
	return nil
}

// stateLetter is the state that a thread would be seen in: all but one are
// stopped, as the tracer has them.
func (t *thread) stateLetter() string {
	switch {
	case t.parked == nil:
		return "R (running)"
	default:
		return "S (sleeping)"
	}
}

// statOf is /proc/PID/stat, whose fields are numbered in proc(5).
func (x *tracer) statOf(who *thread, old string) string {
	i := strings.LastIndexByte(old, ')')
	if i < 0 {
		return old
	}
	old = x.statIDs(old)
	i = strings.LastIndexByte(old, ')')
	f := append([]string{"", ""}, strings.Fields(old[i+1:])...) // f[2] is field 3
	set := func(field int, value any) {
		if field-1 < len(f) {
			f[field-1] = fmt.Sprint(value)
		}
	}
	for _, field := range []int{7, 10, 11, 12, 13, 14, 15, 16, 17, 19, 21, 22, 28, 29, 30, 35, 36, 37, 39, 40, 41, 42, 43, 44, 48, 49, 50, 51} {
		set(field, 0)
	}
	set(8, -1) // no terminal's group
	set(9, 0x400000)
	set(18, 20)
	set(20, 1)
	set(23, 256<<20)
	set(24, residentKB/4)
	set(25, noLimit)
	if who != nil {
		const tick = second / 100
		set(3, who.stateLetter()[:1])
		set(14, who.proc.cpu/tick)
		set(19, who.proc.nice)
		set(20, len(who.proc.threads))
		set(22, (sinceBoot+who.proc.began)/tick)
	}
	return old[:i+1] + " " + strings.Join(f[2:], " ") + "\n"
}

// statusLines are the lines of /proc/PID/status that there are, and what they
// say: "" is what the kernel says.
var statusLines = [][2]string{
	{"Name"},
	{"Umask"},
	{"State"},
	{"Tgid"},
	{"Ngid", "0"},
	{"Pid"},
	{"PPid"},
	{"TracerPid", "0"},
	{"Uid"},
	{"Gid"},
	{"FDSize", "256"},
	{"Groups"},
	{"NStgid"},
	{"NSpid"},
	{"NSpgid"},
	{"NSsid"},
	{"VmPeak", "262144 kB"},
	{"VmSize", "262144 kB"},
	{"VmLck", "0 kB"},
	{"VmPin", "0 kB"},
	{"VmHWM", "65536 kB"},
	{"VmRSS", "65536 kB"},
	{"RssAnon", "61440 kB"},
	{"RssFile", "4096 kB"},
	{"RssShmem", "0 kB"},
	{"VmData", "32768 kB"},
	{"VmStk", "132 kB"},
	{"VmExe", "4 kB"},
	{"VmLib", "4096 kB"},
	{"VmPTE", "256 kB"},
	{"VmSwap", "0 kB"},
	{"CoreDumping", "0"},
	{"Threads", "1"},
	{"SigQ", "0/15000"},
	{"SigPnd"},
	{"ShdPnd"},
	{"SigBlk"},
	{"SigIgn"},
	{"SigCgt"},
	{"CapInh"},
	{"CapPrm"},
	{"CapEff"},
	{"CapBnd"},
	{"CapAmb"},
	{"NoNewPrivs"},
	{"Seccomp", "0"},
	{"Seccomp_filters", "0"},
	{"Cpus_allowed", "1"},
	{"Cpus_allowed_list", "0"},
	{"Mems_allowed", "1"},
	{"Mems_allowed_list", "0"},
	{"voluntary_ctxt_switches", "0"},
	{"nonvoluntary_ctxt_switches", "0"},
}

func (x *tracer) statusOf(who *thread, old string) string {
	said := map[string]string{}
	for _, l := range lines(old) {
		said[l[0]] = x.statusID(l[0], l[1])
	}
	if who != nil {
		said["State"] = who.stateLetter()
		said["Threads"] = strconv.Itoa(len(who.proc.threads))
	}
	var b strings.Builder
	for _, l := range statusLines {
		value, there := said[l[0]]
		if l[1] != "" && !(l[0] == "Threads" && who != nil) {
			value, there = l[1], true
		}
		if there {
			fmt.Fprintf(&b, "%s:\t%s\n", l[0], value)
		}
	}
	return b.String()
}

// mapLine gives the line of a mapping the numbers of files that the program
// knows them by, "" when it is not to be seen.
func (x *tracer) mapLine(line string) string {
	f := strings.Fields(line)
	if len(f) < 5 || strings.HasPrefix(f[0], hiddenMapping) || len(f) > 5 && strings.HasPrefix(f[5], "[vvar") {
		return ""
	}
	name := ""
	if len(f) > 5 {
		name = strings.Join(f[5:], " ")
		if x.views != nil {
			name = x.views.inside(name)
		}
	}
	ino, _ := strconv.ParseUint(f[4], 10, 64)
	if ino != 0 {
		ino = x.node(inode{parseDev(f[3]), ino}).number
		f[3] = fmt.Sprintf("00:%02x", device)
	}
	return fmt.Sprintf("%-73s", fmt.Sprintf("%s %s %s %s %d ", f[0], f[1], f[2], f[3], ino)) + name
}

// hiddenMapping is how the tracer's own memory in every program begins.
var hiddenMapping = fmt.Sprintf("%x", scratchAddr>>20)

// parseDev reads a device as maps has it, proc(5).
func parseDev(s string) uint64 {
	major, minor, _ := strings.Cut(s, ":")
	hi, _ := strconv.ParseUint(major, 16, 32)
	lo, _ := strconv.ParseUint(minor, 16, 32)
	return unix.Mkdev(uint32(hi), uint32(lo))
}

func (x *tracer) mapsOf(_ *thread, old string) string {
	var b strings.Builder
	for line := range strings.Lines(old) {
		if l := x.mapLine(line); l != "" {
			b.WriteString(strings.TrimRight(l, " ") + "\n")
		}
	}
	return b.String()
}

// smapsOf tells of mappings without how much of them is in memory, which the
// machine's other programs decide as well.
func (x *tracer) smapsOf(_ *thread, old string) string {
	var b strings.Builder
	shown := false
	for line := range strings.Lines(old) {
		name, value, isField := strings.Cut(line, ":")
		switch {
		case !isField || strings.Contains(name, "-"):
			l := x.mapLine(line)
			if shown = l != ""; shown {
				b.WriteString(strings.TrimRight(l, " ") + "\n")
			}
		case !shown:
		case name == "Size" || name == "KernelPageSize" || name == "MMUPageSize":
			b.WriteString(line)
		case strings.HasSuffix(value, " kB\n"):
			fmt.Fprintf(&b, "%-16s%8d kB\n", name+":", 0)
		}
	}
	return b.String()
}

func (x *tracer) limitsOf(who *thread, _ string) string {
	if who == nil {
		l := startLimits
		return l.text()
	}
	return who.proc.limits.text()
}

// fdinfoOf is /proc/PID/fdinfo/N.
func (x *tracer) fdinfoOf(who *thread, n, old string) string {
	var b strings.Builder
	for line := range strings.Lines(old) {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "mnt_id":
			line = "mnt_id:\t1\n"
		case "ino":
			fd, _ := strconv.Atoi(n)
			if s, ok := who.stateOfFD(fd); ok {
				line = fmt.Sprintf("ino:\t%d\n", x.node(statxKey(&s)).number)
			}
		case "eventfd-id":
			continue
		case "Pid", "NSpid":
			line = name + ":\t" + x.statusID(name, strings.TrimSpace(strings.TrimPrefix(line, name+":"))) + "\n"
		case "tfd":
			line, _, _ = strings.Cut(line, " pos:")
			line = strings.TrimRight(line, "\n") + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}
