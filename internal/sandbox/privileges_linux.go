package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// needed are the capabilities that making a box takes. In a user namespace
// they reach no further than the box.
var needed = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE}

// denied are the capabilities that root does not have inside: with one of
// them it could join or change a network outside the box.
var denied = []int{
	unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_PTRACE,
	unix.CAP_SYS_BOOT, unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_CHECKPOINT_RESTORE,
}

// dropPrivileges takes from this thread, and so from the program, what made
// the box. An ordinary user's program is left with nothing; root's with what
// does not reach out of it, also where root is so in a user namespace alone.
// That gains nothing when it is executed, or the kernel would make its
// addresses random again: PER_CLEAR_ON_SETID, personality(2).
func dropPrivileges(root bool) error {
	if root {
		for _, c := range denied {
			if err := dropBounding(c); err != nil {
				return err
			}
		}
		return limitCapabilities(denied)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("ambient capabilities: %w", err)
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&h, &none[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

func dropBounding(c int) error {
	err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
	if err == unix.EINVAL {
		return nil // a capability that this kernel does not have
	}
	if err != nil {
		return fmt.Errorf("bounding set: %w", err)
	}
	return nil
}

// limitCapabilities removes capabilities from every set of this thread.
func limitCapabilities(denied []int) error {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	for _, c := range denied {
		bit := ^(uint32(1) << (c % 32))
		d[c/32].Effective &= bit
		d[c/32].Permitted &= bit
		d[c/32].Inheritable &= bit
	}
	if err := unix.Capset(&h, &d[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

// hasCapability reports whether this process has an effective capability.
func hasCapability(c int) bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	return unix.Capget(&h, &d[0]) == nil && d[c/32].Effective&(1<<(c%32)) != 0
}
