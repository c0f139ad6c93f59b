//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// page is the unit in which a tmpfs gives space.
const page = 4096

// space performs scenarios on a disk that fills up, and on one that is
// read-only. It needs to mount: as root, or in a user namespace.
func (b *bench) space() (n int, errs []error, err error) {
	dir, err := b.temp("disk")
	if err != nil {
		return 0, nil, err
	}
	if err := mount(dir, "size=1m"); errors.Is(err, syscall.EPERM) {
		return b.inNamespace()
	} else if err != nil {
		return 0, nil, err
	}
	if err := syscall.Unmount(dir, 0); err != nil {
		return 0, nil, err
	}
	for _, s := range scenarios {
		if s.kills != "" || s.live {
			continue
		}
		tried, more, err := b.fill(s, dir)
		n += tried
		errs = append(errs, more...)
		if err != nil || len(errs) > 0 && !b.all {
			return n, errs, err
		}
	}
	tried, more, err := b.readOnly(dir)
	return n + tried, append(errs, more...), err
}

func mount(dir, options string) error { return syscall.Mount("coo-crash", dir, "tmpfs", 0, options) }

// inNamespace does space in a process that may mount.
func (b *bench) inNamespace() (n int, errs []error, err error) {
	if os.Getenv("COO_CRASH_INSIDE") != "" {
		return 0, nil, errors.New("no right to mount a file system, in a user namespace either")
	}
	self, err := os.Executable()
	if err != nil {
		return 0, nil, err
	}
	cmd := exec.Command("unshare", "-rm", self, "-coo", b.coo, "-scenario", "full disk")
	cmd.Env = append(os.Environ(), "COO_CRASH_INSIDE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, nil, fmt.Errorf("in a user namespace: %w: %s", err, out)
	}
	_, err = fmt.Sscanf(string(out), "proof: crash: full disk and read-only disk: %d of", &n)
	return n, nil, err
}

// fill performs a scenario with less and less to spare: pages, and names.
func (b *bench) fill(s scenario, dir string) (n int, errs []error, err error) {
	t, err := b.record(s)
	if err != nil {
		return 0, nil, err
	}
	attempt := func(what string, inodes, free int) (bool, error) {
		n++
		enough, err := b.cramped(s, t, dir, inodes, free)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s with %s to spare: %w", s.name, what, err))
		}
		return enough || err != nil && !b.all, err
	}
	step := 3
	if b.full {
		step = 1
	}
	for free := 0; ; free += step {
		if done, _ := attempt(fmt.Sprintf("%d pages", free), 0, free); done {
			break
		}
	}
	for free := 0; len(errs) == 0 || b.all; free += step {
		if done, _ := attempt(fmt.Sprintf("%d names", free), free, 1<<12); done {
			break
		}
	}
	return n, errs, nil
}

// cramped performs the scenario once, with free pages and, if names is more
// than 0, so many more files than there are, and reports whether it was enough.
func (b *bench) cramped(s scenario, t *take, dir string, names, free int) (enough bool, err error) {
	options := "size=64m"
	tree := t.start.state(nil)
	if free >= 1<<12 {
		options += fmt.Sprintf(",nr_inodes=%d", tree.count()+1+names)
	}
	if err := mount(dir, options); err != nil {
		return false, err
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		return false, err
	}
	if err := tree.write(work); err != nil {
		return false, err
	}
	filler := filepath.Join(dir, "filler")
	if free < 1<<12 {
		if err := fillUp(dir, filler, free); err != nil {
			return false, err
		}
	}
	r := b.run(work, b.args(s)...)
	os.Remove(filler)
	if free >= 1<<12 {
		if err := syscall.Mount("coo-crash", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m,nr_inodes=100000"); err != nil {
			return false, err
		}
	}
	f := fault{call: "space", errno: "ENOSPC"}
	if r.status != 0 && !strings.Contains(r.stderr, errnos["ENOSPC"]) {
		return false, fmt.Errorf("%s", r)
	}
	return r.status == 0, b.afterFault(s, t, f, r, work, false)
}

func (n *node) count() int {
	sum := 1
	for _, c := range n.entries {
		sum += c.count()
	}
	return sum
}

// fillUp writes a file that leaves so many free pages.
func fillUp(dir, name string, free int) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return err
	}
	size := (int64(st.Bavail) - int64(free)) * page
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return syscall.Fallocate(int(f.Fd()), 0, 0, size)
}

// readOnly demands that what only reads works where nothing can be written,
// that the rest says so, and that nothing is lost.
func (b *bench) readOnly(dir string) (n int, errs []error, err error) {
	var s scenario
	for _, s = range scenarios {
		if s.name == "apply" {
			break
		}
	}
	t, err := b.record(s)
	if err != nil {
		return 0, nil, err
	}
	if err := mount(dir, "size=64m"); err != nil {
		return 0, nil, err
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	if err := b.prepare(s, dir); err != nil {
		return 0, nil, err
	}
	remount := func(flags uintptr) error {
		return syscall.Mount("coo-crash", dir, "tmpfs", syscall.MS_REMOUNT|flags, "")
	}
	if err := remount(syscall.MS_RDONLY); err != nil {
		return 0, nil, err
	}
	for _, args := range [][]string{
		{"logs"},
		{"logs", "@last"},
		{"verify", "@last"},
		{"inspect", "@last"},
		{"explain", "@last"},
		{"run", "apply.star"},
		{"run", "next.star"},
	} {
		n++
		r := b.run(dir, args...)
		want := 0
		if args[0] == "run" {
			want = 1
		}
		if r.status != want || want == 1 && !strings.Contains(r.stderr, errnos["EROFS"]) {
			errs = append(errs, fmt.Errorf("on a read-only disk: want status %d: %s", want, r))
		}
	}
	if err := remount(0); err != nil {
		return n, errs, err
	}
	left, err := readTree(dir)
	if err != nil {
		return n, errs, err
	}
	n++
	if err := b.check(dir, left, &t.story, promise{}.clone()); err != nil {
		errs = append(errs, fmt.Errorf("after a read-only disk: %w", err))
	}
	return n, errs, nil
}
