//go:build linux

package main

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// play does operations on an empty disk.
func play(t *testing.T, ops ...op) *disk {
	t.Helper()
	d := &disk{root: newDir(0o755), files: map[int]*file{}, syncs: map[int]int{}}
	for _, o := range ops {
		if err := d.apply(o); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// left describes what the named policy leaves.
func left(t *testing.T, d *disk, name string) string {
	t.Helper()
	for _, p := range policies(0) {
		if p.name == name {
			return list(d.state(p.choose(d.pending, rand.New(rand.NewPCG(1, 1)))), "")
		}
	}
	t.Fatalf("no policy %q", name)
	return ""
}

func list(n *node, at string) string {
	var out []string
	for _, name := range []string{"a", "b", "d"} {
		c := n.entries[name]
		if c == nil {
			continue
		}
		out = append(out, at+name+"="+string(c.data))
		if c.dir {
			out = append(out, list(c, at+name+"/"))
		}
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.Join(out, " "), "\x00", "0"))
}

func create(h int, path string) op {
	return op{kind: opOpen, h: h, path: path, create: true, mode: 0o644}
}
func open(h int, path string) op  { return op{kind: opOpen, h: h, path: path} }
func write(h int, text string) op { return op{kind: opWrite, h: h, off: -1, data: []byte(text)} }
func fsync(h int) []op            { return []op{{kind: opSyncBegin, h: h}, {kind: opSync, h: h}} }
func rename(from, to string) op   { return op{kind: opRename, path: from, to: to} }
func join(parts ...any) (ops []op) {
	for _, p := range parts {
		switch p := p.(type) {
		case op:
			ops = append(ops, p)
		case []op:
			ops = append(ops, p...)
		}
	}
	return ops
}

func TestWhatACrashLeaves(t *testing.T) {
	file := join(create(1, "a"), write(1, "old"), fsync(1), open(2, "."), fsync(2))
	dir := join(op{kind: opMkdir, path: "d", mode: 0o755}, open(2, "."), fsync(2))
	for _, c := range []struct {
		what   string
		ops    []op
		policy string
		want   string
	}{
		{"a file that was not synced", join(create(1, "a"), write(1, "x")), "kill", "a=x"},
		{"a file that was not synced", join(create(1, "a"), write(1, "x")), "nothing unsynced", ""},
		{"a file that was not synced", join(create(1, "a"), write(1, "x")), "names without data", "a="},
		{"a file that was not synced", join(create(1, "a"), write(1, "xy")), "names and zeros", "a=00"},
		{"a synced file with a name that was not", join(create(1, "a"), write(1, "x"), fsync(1)), "nothing unsynced", ""},
		{"a synced file with a synced name", file, "nothing unsynced", "a=old"},
		{"more after the sync", join(file, write(1, "er")), "nothing unsynced", "a=old"},
		{"more after the sync", join(file, write(1, "er")), "kill", "a=older"},
		{"a write while the sync goes on", join(create(1, "a"), fsync(1)[:1], write(1, "x"), fsync(1)[1:], open(2, "."), fsync(2)), "nothing unsynced", "a="},
		{"the file system synced", join(create(1, "a"), write(1, "x"), fsync(-1)), "nothing unsynced", "a=x"},
		{"replaced, the directory not synced", join(file, create(3, "b"), write(3, "new"), fsync(3), rename("b", "a")), "nothing unsynced", "a=old"},
		{"replaced, the directory not synced", join(file, create(3, "b"), write(3, "new"), fsync(3), rename("b", "a")), "data without renames", "a=old b=new"},
		{"replaced, the directory synced", join(file, create(3, "b"), write(3, "new"), fsync(3), rename("b", "a"), fsync(2)), "nothing unsynced", "a=new"},
		{"replaced by what was not synced", join(file, create(3, "b"), write(3, "new"), rename("b", "a"), fsync(2)), "nothing unsynced", "a="},
		{"moved, the new directory synced", join(file, dir, rename("a", "d/b"), open(4, "d"), fsync(4)), "nothing unsynced", "a=old d= d/b=old"},
		{"moved, the old directory synced", join(file, dir, rename("a", "d/b"), fsync(2)), "nothing unsynced", "d= d/b=old"},
		{"removed, the directory not synced", join(file, op{kind: opUnlink, path: "a"}), "nothing unsynced", "a=old"},
		{"removed, the directory not synced", join(file, op{kind: opUnlink, path: "a"}), "removals only", ""},
		{"removed, the directory synced", join(file, op{kind: opUnlink, path: "a"}, fsync(2)), "nothing unsynced", ""},
	} {
		if got := left(t, play(t, c.ops...), c.policy); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.what, c.policy, got, c.want)
		}
	}
}

func TestTorn(t *testing.T) {
	d := play(t, join(create(1, "a"), write(1, strings.Repeat("x", 1300)))...)
	for name, want := range map[string]func(string) bool{
		"torn at a sector":   func(s string) bool { n := len(s) - 2; return (n == 512 || n == 1024) && strings.Count(s, "x") == n },
		"torn at a byte":     func(s string) bool { return len(s)-2 < 1300 && strings.Count(s, "x") == len(s)-2 },
		"torn, the end kept": func(s string) bool { z := strings.Count(s, "0"); return len(s) == 1302 && (z == 512 || z == 1024) },
	} {
		if got := left(t, d, name); !want(got) {
			t.Errorf("%s: %d bytes: %.60q", name, len(got), got)
		}
	}
}

// A trace of two threads whose calls interleave, and one that failed.
func TestTrace(t *testing.T) {
	const text = `7 openat(AT_FDCWD<\x2f\x77>, "\x2f\x77\x2f\x61", O_WRONLY|O_CREAT|O_CLOEXEC, 0644) = 3<\x2f\x77\x2f\x61>
7 write(3<\x2f\x77\x2f\x61>, "\x68\x69", 2 <unfinished ...>
8 fsync(3<\x2f\x77\x2f\x61> <unfinished ...>
7 <... write resumed>) = 2
8 <... fsync resumed>) = 0
8 renameat(AT_FDCWD<\x2f\x77>, "\x61", AT_FDCWD<\x2f\x77>, "\x62") = -1 EIO (Input/output error) (INJECTED)
8 --- SIGURG {si_signo=SIGURG} ---
8 renameat(AT_FDCWD<\x2f\x77>, "\x61", AT_FDCWD<\x2f\x77>, "\x62") = 0
8 write(2<\x70\x69\x70\x65>, "\x6f\x6b", 2) = 2
8 openat(AT_FDCWD<\x2f\x77>, "\x2f\x65\x74\x63", O_RDONLY) = 4<\x2f\x65\x74\x63>
8 +++ exited with 0 +++
`
	ops, err := parseTrace(strings.NewReader(text), "/w", 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range ops {
		got = append(got, o.String())
	}
	want := `open a, sync begins, write (2 bytes), sync, rename a to b, say "ok"`
	if g := strings.Join(got, ", "); g != want {
		t.Errorf("operations: %s\nwant:       %s", g, want)
	}
	d := play(t, ops...)
	if g := left(t, d, "data without names"); g != "" {
		t.Errorf("left: %q", g)
	}
	if g := list(d.state(d.pending), ""); g != "b=hi" {
		t.Errorf("at the end: %q", g)
	}
}

// What the model cannot follow must not pass.
func TestTraceRefusesWhatItCannotFollow(t *testing.T) {
	for _, line := range []string{
		`7 mknodat(AT_FDCWD<\x2f\x77>, "\x61", S_IFIFO|0644) = 0`,
		`7 renameat2(AT_FDCWD<\x2f\x77>, "\x61", AT_FDCWD<\x2f\x77>, "\x62", RENAME_EXCHANGE) = 0`,
		`7 renameat(AT_FDCWD<\x2f\x77>, "\x61", AT_FDCWD<\x2f\x78>, "\x62") = 0`,
	} {
		if _, err := parseTrace(strings.NewReader(line+"\n"), "/w", 0); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}
