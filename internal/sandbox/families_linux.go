package sandbox

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// families are the kinds of sockets there are inside: those that belong to
// a network namespace. Of the others, AF_VSOCK reaches the machine that
// this one runs on, whatever the namespace.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET, unix.AF_ALG, unix.AF_KEY}

// machines are the kernel's names of the instruction sets that coo is made for.
var machines = map[string]uint32{
	"386": unix.AUDIT_ARCH_I386, "amd64": unix.AUDIT_ARCH_X86_64, "arm": unix.AUDIT_ARCH_ARM, "arm64": unix.AUDIT_ARCH_AARCH64,
	"riscv64": unix.AUDIT_ARCH_RISCV64, "s390x": unix.AUDIT_ARCH_S390X, "ppc64le": unix.AUDIT_ARCH_PPC64LE,
}

// limitFamilies makes this thread, and so the program, fail to make other
// sockets, as on a kernel without them. Of io_uring, which makes sockets past
// any filter, it makes a kernel without it.
func limitFamilies() error {
	machine, ok := machines[runtime.GOARCH]
	if !ok {
		return nil
	}
	prog := familyFilter(machine)
	f := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&f)), 0, 0)
	if err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// Offsets in struct seccomp_data: the number of the call, the machine, and
// the first argument, of whose eight bytes the lower half counts.
const (
	offNumber  = 0
	offMachine = 4
	offArg     = 16
)

// familyFilter is a program for the kernel's packet filter machine. A jump
// counts instructions from the next one.
func familyFilter(machine uint32) []unix.SockFilter {
	const load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	arg := uint32(offArg)
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // big-endian
		arg += 4
	}
	n := uint8(len(families))
	prog := []unix.SockFilter{
		{Code: load, K: offMachine},
		{Code: equal, K: machine, Jf: n + 5}, // another instruction set: allow
		{Code: load, K: offNumber},
		{Code: equal, K: unix.SYS_IO_URING_SETUP, Jt: n + 4},
		{Code: equal, K: unix.SYS_SOCKET, Jf: n + 2}, // allow
		{Code: load, K: arg},
	}
	for i, family := range families {
		prog = append(prog, unix.SockFilter{Code: equal, K: family, Jt: n - uint8(i)})
	}
	return append(prog,
		unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)},
		unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
	)
}
