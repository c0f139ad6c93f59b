// Package dockerlike runs a program under a filter of system calls that
// forbids what Docker's default profile forbids of what coo might want:
// namespaces, mounts, personality without ASLR, io_uring and the like. It is
// for tests on machines that have no Docker.
//
// The rules are those of profiles/seccomp/default.json of moby, without any
// capability that adds to them.
package dockerlike

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Profile says what is forbidden.
type Profile struct {
	// ASLR lets a program do without random addresses, as it may on a runner
	// of GitHub's, where AppArmor takes the privileges of user namespaces away.
	ASLR bool
}

// denied are calls that fail with EPERM.
var denied = []uint32{
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_TREE,
	unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_FSCONFIG, unix.SYS_FSPICK, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_PERF_EVENT_OPEN, unix.SYS_BPF, unix.SYS_USERFAULTFD, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_SETHOSTNAME,
}

// newSpaces are the flags of clone(2) for namespaces, without CLONE_NEWTIME.
const newSpaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// personalities are those that may be set: Linux, Linux of 32 bits, either
// with an old version's name, and the question which it is.
var personalities = []uint32{0, 8, 0x20000, 0x20008, 0xffffffff}

// filter is the program for the kernel's packet filter machine.
func (p Profile) filter() []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		anyBit = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret    = unix.BPF_RET | unix.BPF_K
		eperm  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		number = 0
		arg0   = 16
	)
	allow := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW}
	deny := unix.SockFilter{Code: ret, K: eperm}
	f := []unix.SockFilter{
		{Code: load, K: number},
		{Code: equal, K: unix.SYS_CLONE3, Jf: 1},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: equal, K: unix.SYS_CLONE, Jf: 4},
		{Code: load, K: arg0},
		{Code: anyBit, K: newSpaces, Jf: 1},
		deny,
		allow,
	}
	for _, nr := range denied {
		f = append(f, unix.SockFilter{Code: equal, K: nr, Jf: 1}, deny)
	}
	if !p.ASLR {
		f = append(f,
			unix.SockFilter{Code: equal, K: unix.SYS_PERSONALITY, Jf: uint8(2 + 2*len(personalities))},
			unix.SockFilter{Code: load, K: arg0})
		for _, v := range personalities {
			f = append(f, unix.SockFilter{Code: equal, K: v, Jf: 1}, allow)
		}
		f = append(f, deny)
	}
	return append(f, allow)
}

// Exec runs a command under the profile in place of this process. It returns
// only when it cannot.
func (p Profile) Exec(argv []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	f := p.filter()
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return unix.Exec(path, argv, os.Environ())
}
