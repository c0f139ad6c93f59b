//go:build linux && amd64

package box

import (
	"slices"

	"golang.org/x/sys/unix"
)

// natural are the calls that stop, for they may be told in a trace and take
// time, and that the kernel answers. What they say follows from what the
// program has done, or is the same on each run on one machine.
var natural = []uint64{
	unix.SYS_STAT, unix.SYS_FSTAT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_STATFS, unix.SYS_FSTATFS,
	unix.SYS_GETDENTS, unix.SYS_GETDENTS64, unix.SYS_READLINK, unix.SYS_READLINKAT, unix.SYS_CREAT, unix.SYS_MKNOD, unix.SYS_MKNODAT,
	unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT, unix.SYS_UTIMENSAT, unix.SYS_FCHMODAT2, unix.SYS_FILE_GETATTR, unix.SYS_FILE_SETATTR,
	unix.SYS_SETXATTRAT, unix.SYS_GETXATTRAT, unix.SYS_LISTXATTRAT, unix.SYS_REMOVEXATTRAT,
	unix.SYS_IOCTL, unix.SYS_PWRITE64, unix.SYS_PWRITEV,
	unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKOPT,
	unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_RESTART_SYSCALL,
	unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETGROUPS,
	unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_CAPGET, unix.SYS_CAPSET, unix.SYS_CHROOT,
	unix.SYS_GETRLIMIT, unix.SYS_SETRLIMIT, unix.SYS_PRLIMIT64,
	unix.SYS_GETPRIORITY, unix.SYS_SETPRIORITY, unix.SYS_IOPRIO_GET, unix.SYS_IOPRIO_SET, unix.SYS_SCHED_GETSCHEDULER, unix.SYS_SCHED_GETPARAM,
	unix.SYS_SCHED_GETATTR, unix.SYS_SCHED_GET_PRIORITY_MAX, unix.SYS_SCHED_GET_PRIORITY_MIN, unix.SYS_SCHED_RR_GET_INTERVAL,
	unix.SYS_INOTIFY_INIT, unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_INOTIFY_RM_WATCH,
	unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMDT, unix.SYS_SEMGET, unix.SYS_MSGGET,
	unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK, unix.SYS_MQ_NOTIFY, unix.SYS_MQ_GETSETATTR,
	unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PROCESS_MADVISE, unix.SYS_MEMBARRIER, unix.SYS_REMAP_FILE_PAGES,
	unix.SYS_PKEY_MPROTECT, unix.SYS_PKEY_FREE, unix.SYS_MSEAL,
	unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF,
}

// refused are the calls that fail, each with the error that a kernel without
// it, or one that does not trust the program, would give: what programs that
// can do without are ready for.
var refused = map[unix.Errno][]uint64{
	unix.EPERM: {
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN,
		unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_SETNS,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_ACCT, unix.SYS_VHANGUP,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
		unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_SYSLOG, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_FANOTIFY_INIT, unix.SYS_FANOTIFY_MARK,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_KCMP, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_CLOCK_ADJTIME,
	},
	unix.EOPNOTSUPP: {unix.SYS_NAME_TO_HANDLE_AT},
	unix.ENOSPC:     {unix.SYS_PKEY_ALLOC}, // as on a processor without protection keys
	unix.ENOSYS: {
		unix.SYS_IO_DESTROY, unix.SYS_IO_GETEVENTS, unix.SYS_IO_PGETEVENTS, unix.SYS_IO_SUBMIT, unix.SYS_IO_CANCEL,
		unix.SYS_FUTEX_WAITV, unix.SYS_FUTEX_WAIT, unix.SYS_FUTEX_WAKE, unix.SYS_FUTEX_REQUEUE,
		unix.SYS_MBIND, unix.SYS_SET_MEMPOLICY, unix.SYS_GET_MEMPOLICY, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_SET_MEMPOLICY_HOME_NODE,
		unix.SYS_OPENAT2, unix.SYS_CACHESTAT, unix.SYS_MEMFD_SECRET, unix.SYS_PROCESS_MRELEASE, unix.SYS_MAP_SHADOW_STACK,
		unix.SYS_MODIFY_LDT, unix.SYS_SET_THREAD_AREA, unix.SYS_GET_THREAD_AREA, unix.SYS_URETPROBE, unix.SYS_UPROBE, unix.SYS_RSEQ_SLICE_YIELD,
		unix.SYS_STATMOUNT, unix.SYS_LISTMOUNT, unix.SYS_LISTNS, unix.SYS_LSM_GET_SELF_ATTR, unix.SYS_LSM_SET_SELF_ATTR, unix.SYS_LSM_LIST_MODULES,
		unix.SYS_USTAT, unix.SYS_SYSFS, unix.SYS__SYSCTL, unix.SYS_USELIB, unix.SYS_CREATE_MODULE, unix.SYS_GET_KERNEL_SYMS, unix.SYS_QUERY_MODULE,
		unix.SYS_NFSSERVCTL, unix.SYS_GETPMSG, unix.SYS_PUTPMSG, unix.SYS_AFS_SYSCALL, unix.SYS_TUXCALL, unix.SYS_SECURITY, unix.SYS_VSERVER,
		unix.SYS_EPOLL_CTL_OLD, unix.SYS_EPOLL_WAIT_OLD,
	},
}

// unknown answers a call that nothing is known of: a kernel that is older
// than it would, too.
func unknown(x *tracer, t *thread) outcome {
	x.noted("%s made the system call %d, which this coo does not know: it was told that there is none", t.proc.name(), t.nr)
	t.answer(-int64(unix.ENOSYS))
	return goOn
}

// handlerOf returns what decides about a call that stops.
func handlerOf(nr uint64) handler {
	if c := table[nr]; c != nil {
		return c.handle
	}
	return unknown
}

// table is what is done at which call, of those that stop.
var table = func() map[uint64]*call {
	m := map[uint64]*call{}
	for _, nr := range natural {
		m[nr] = &call{nr, names[nr], "passed", pass}
	}
	for e, list := range refused {
		does := "refused"
		if e == unix.ENOSYS {
			does = "not there"
		}
		for _, nr := range list {
			m[nr] = &call{nr, names[nr], does, fails(e)}
		}
	}
	for i := range calls {
		m[calls[i].nr] = &calls[i]
	}
	return m
}()

// A Treatment is what becomes of a system call inside.
type Treatment struct {
	Number int
	Name   string
	Stops  bool   // the tracer decides about it
	Does   string // in words
}

// Treatments returns what becomes of each system call that this kernel's
// instruction set has, as far as this coo knows them. All others fail with
// ENOSYS.
func Treatments() []Treatment {
	var out []Treatment
	for nr, name := range names {
		switch c := table[uint64(nr)]; {
		case name == "":
		case slices.Contains(passes, uint64(nr)):
			out = append(out, Treatment{nr, name, false, "passed"})
		case c != nil:
			out = append(out, Treatment{nr, name, true, c.does})
		default:
			out = append(out, Treatment{nr, name, true, ""})
		}
	}
	return out
}
