package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// At level deterministic a program finds the directories for temporary files
// empty, no terminals but its own, and the devices of a machine with one
// processor: what others have left there, and what is built into this machine,
// is nothing of its own.

// showMachine shows all that.
func (o *orders) showMachine() error {
	shown := map[string]bool{}
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil || shown[real] {
			continue
		}
		shown[real] = true
		if err := o.emptyDir(real); err != nil {
			return fmt.Errorf("empty %s: %w", dir, err)
		}
	}
	for _, name := range o.Fresh {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("empty %q: not inside the workspace", name)
		}
		at := filepath.Join(o.Workspace, name)
		if err := unix.Mount("coo", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("empty %q: %w", at, err)
		}
	}
	if _, err := os.Stat("/dev/pts"); err == nil {
		if err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"); err != nil {
			return fmt.Errorf("terminals at /dev/pts: %w", err)
		}
	}
	if _, err := os.Stat("/sys"); err != nil {
		return nil
	}
	return showDevices()
}

// emptyDir shows an empty directory in memory in place of another, and in it
// only what the program is given: its workspace, and what the command line
// and the variables name.
func (o *orders) emptyDir(dir string) error {
	kept := o.named(dir)
	if slices.Contains(kept, dir) {
		return nil // it is the workspace
	}
	fds := make([]int, len(kept))
	for i, name := range kept {
		fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		defer unix.Close(fd)
		fds[i] = fd
	}
	if err := unix.Mount("coo", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
		return err
	}
	for i, name := range kept {
		if err := showAgain(fds[i], name); err != nil {
			return err
		}
	}
	return nil
}

// showAgain shows a file or directory that is open at its path, where nothing
// is any more.
func showAgain(fd int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := os.MkdirAll(name, 0o755); err != nil {
			return err
		}
	} else {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			return err
		}
	}
	return bind("/proc/self/fd/"+strconv.Itoa(fd), name)
}

// named returns what below a directory the program is given, none of it below
// another. It is the directory itself when that is the workspace.
func (o *orders) named(dir string) []string {
	own := []string{o.Workspace, o.Dir}
	if slices.Contains(own, dir) {
		return []string{dir}
	}
	list := append(own, o.Exe.Run)
	list = append(list, o.Argv...)
	for _, kv := range o.Env {
		_, value, _ := strings.Cut(kv, "=")
		list = append(list, filepath.SplitList(value)...)
	}
	var found []string
	for _, name := range list {
		if !strings.HasPrefix(name, dir+"/") {
			continue
		}
		name = filepath.Clean(name)
		if _, err := os.Stat(name); err == nil && strings.HasPrefix(name, dir+"/") {
			found = append(found, name)
		}
	}
	slices.Sort(found) // a directory comes before what is in it
	var kept []string
	for _, name := range found {
		if !slices.ContainsFunc(kept, func(k string) bool { return name == k || strings.HasPrefix(name, k+"/") }) {
			kept = append(kept, name)
		}
	}
	return kept
}

// devices are the files of /sys, and what they say.
var devices = []struct{ path, says string }{
	{"fs/cgroup/", ""},
	{"block/", ""},
	{"bus/", ""},
	{"firmware/", ""},
	{"module/", ""},
	{"class/net/lo/address", "00:00:00:00:00:00"},
	{"class/net/lo/ifindex", "1"},
	{"class/net/lo/mtu", "65536"},
	{"class/net/lo/operstate", "unknown"},
	{"devices/system/cpu/online", "0"},
	{"devices/system/cpu/possible", "0"},
	{"devices/system/cpu/present", "0"},
	{"devices/system/cpu/offline", ""},
	{"devices/system/cpu/isolated", ""},
	{"devices/system/cpu/kernel_max", "0"},
	{"devices/system/cpu/cpu0/online", "1"},
	{"devices/system/cpu/cpu0/topology/core_id", "0"},
	{"devices/system/cpu/cpu0/topology/physical_package_id", "0"},
	{"devices/system/cpu/cpu0/topology/core_siblings", "1"},
	{"devices/system/cpu/cpu0/topology/core_siblings_list", "0"},
	{"devices/system/cpu/cpu0/topology/core_cpus_list", "0"},
	{"devices/system/cpu/cpu0/topology/thread_siblings", "1"},
	{"devices/system/cpu/cpu0/topology/thread_siblings_list", "0"},
	{"devices/system/node/online", "0"},
	{"devices/system/node/possible", "0"},
	{"devices/system/node/has_cpu", "0"},
	{"devices/system/node/node0/cpulist", "0"},
	{"devices/system/node/node0/cpumap", "1"},
	{"devices/system/node/node0/distance", "10"},
	{"kernel/mm/hugepages/", ""},
	{"kernel/mm/transparent_hugepage/enabled", "always [madvise] never"},
	{"kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise [madvise] never"},
	{"kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force"},
	{"kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152"},
}

// showDevices shows them in place of the machine's.
func showDevices() error {
	if err := unix.Mount("coo", "/sys", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755"); err != nil {
		return fmt.Errorf("/sys: %w", err)
	}
	if err := makeDevices("/sys"); err != nil {
		return err
	}
	return readOnly("/sys")
}

// makeDevices makes them in a directory.
func makeDevices(at string) error {
	for _, f := range devices {
		name := filepath.Join(at, f.path)
		dir := filepath.Dir(name)
		if strings.HasSuffix(f.path, "/") {
			dir = name
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if dir == name {
			continue
		}
		if err := os.WriteFile(name, []byte(f.says+"\n"), 0o444); err != nil {
			return err
		}
	}
	return nil
}
