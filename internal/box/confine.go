//go:build linux && amd64

package box

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// confine takes capabilities from the root of the program: all of them when
// denied is nil.
func (t *thread) confine(denied []int) error {
	for _, c := range denied {
		// A capability that this kernel does not have cannot be dropped.
		if _, err := t.early(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uint64(c), 0, 0, 0); err != nil {
			return err
		}
	}
	if denied == nil {
		if _, err := t.surely("ambient capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
			return err
		}
	}
	header := binary.LittleEndian.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3)
	header = binary.LittleEndian.AppendUint32(header, 0)
	const sets = 24 // two of effective, permitted, inheritable
	t.write(scratchAddr, append(header, make([]byte, sets)...))
	if denied != nil {
		if _, err := t.surely("capabilities", unix.SYS_CAPGET, scratchAddr, scratchAddr+8); err != nil {
			return err
		}
		b := t.read(scratchAddr+8, sets)
		for _, c := range denied {
			for set := range 3 {
				b[c/32*12+set*4+c%32/8] &^= 1 << (c % 8)
			}
		}
		t.write(scratchAddr+8, b)
	}
	_, err := t.surely("capabilities", unix.SYS_CAPSET, scratchAddr, scratchAddr+8)
	return err
}
