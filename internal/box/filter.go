//go:build linux && amd64

package box

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// offsets in struct seccomp_data, seccomp(2).
const (
	offNumber = 0
	offArch   = 4
)

// filter returns the program of the kernel's packet filter machine that
// decides which calls stop: all but those that pass. A call of another
// instruction set is one that does not exist.
func filter(passing []uint64) []unix.SockFilter {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		above = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		ret   = unix.BPF_RET | unix.BPF_K
	)
	enosys := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
	prog := []unix.SockFilter{
		{Code: load, K: offArch},
		{Code: equal, K: unix.AUDIT_ARCH_X86_64, Jt: 1},
		enosys,
		{Code: load, K: offNumber},
	}
	passing = slices.Sorted(slices.Values(passing))
	for _, nr := range passing {
		prog = append(prog,
			unix.SockFilter{Code: equal, K: uint32(nr), Jf: 1},
			unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
	}
	for _, nr := range absent {
		prog = append(prog, unix.SockFilter{Code: equal, K: uint32(nr), Jf: 1}, enosys)
	}
	const x32 = 0x40000000
	return append(prog,
		unix.SockFilter{Code: above, K: x32, Jf: 1}, enosys,
		unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_TRACE})
}

// filterBytes is the filter as the kernel reads it at an address: struct
// sock_fprog, then the instructions.
func filterBytes(at uint64, passing []uint64) []byte {
	prog := filter(passing)
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(prog)))
	b = binary.LittleEndian.AppendUint64(b, at+16)
	for _, i := range prog {
		b = binary.LittleEndian.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = binary.LittleEndian.AppendUint32(b, i.K)
	}
	return b
}
