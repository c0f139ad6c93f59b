//go:build linux && amd64

package box

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// A handler decides about a call: it lets the kernel make it, answers it, or
// parks the thread.
type handler func(x *tracer, t *thread) outcome

// A call is a row of the table of docs/sandbox.md.
type call struct {
	nr     uint64
	name   string
	does   string // in words
	handle handler
}

// passes are the calls that do not stop: what they do and say follows from
// what the program has done.
var passes = []uint64{
	unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_BRK, unix.SYS_MADVISE, unix.SYS_MSYNC,
	unix.SYS_MLOCK, unix.SYS_MUNLOCK, unix.SYS_MLOCK2, unix.SYS_MLOCKALL, unix.SYS_MUNLOCKALL,
	unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_LSEEK, unix.SYS_DUP, unix.SYS_DUP2, unix.SYS_DUP3, unix.SYS_PIPE, unix.SYS_PIPE2,
	unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPENDING, unix.SYS_SIGALTSTACK,
	unix.SYS_SET_ROBUST_LIST, unix.SYS_GET_ROBUST_LIST, unix.SYS_ARCH_PRCTL,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
	unix.SYS_GETRESUID, unix.SYS_GETRESGID, unix.SYS_GETGROUPS, unix.SYS_GETPGRP, unix.SYS_GETPGID, unix.SYS_GETSID,
	unix.SYS_SETPGID, unix.SYS_SETSID, unix.SYS_UMASK,
	unix.SYS_GETCWD, unix.SYS_CHDIR, unix.SYS_FCHDIR,
	unix.SYS_CHMOD, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_CHOWN, unix.SYS_FCHOWN, unix.SYS_LCHOWN, unix.SYS_FCHOWNAT,
	unix.SYS_FADVISE64,
	unix.SYS_ACCESS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READAHEAD,
	unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_SYNC_FILE_RANGE,
	unix.SYS_SOCKETPAIR, unix.SYS_LISTEN, unix.SYS_SHUTDOWN,
	unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EVENTFD, unix.SYS_EVENTFD2, unix.SYS_MEMFD_CREATE,
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_FGETXATTR,
	unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR, unix.SYS_FLISTXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR,
}

// calls are those that stop and have a handler of their own.
var calls = []call{
	{unix.SYS_FUTEX, "futex", "answered: queues of the tracer's", futex},

	{unix.SYS_CLOCK_GETTIME, "clock_gettime", "answered: virtual time", clockGettime},
	{unix.SYS_CLOCK_GETRES, "clock_getres", "answered: a nanosecond", clockGetres},
	{unix.SYS_GETTIMEOFDAY, "gettimeofday", "answered: virtual time", gettimeofday},
	{unix.SYS_TIME, "time", "answered: virtual time", timeOfDay},
	{unix.SYS_TIMES, "times", "answered: virtual time", cpuTimes},
	{unix.SYS_GETRUSAGE, "getrusage", "answered: virtual time", getrusage},
	{unix.SYS_NANOSLEEP, "nanosleep", "waits in virtual time", nanosleep},
	{unix.SYS_CLOCK_NANOSLEEP, "clock_nanosleep", "waits in virtual time", clockNanosleep},
	{unix.SYS_SETITIMER, "setitimer", "answered: virtual time", setitimer},
	{unix.SYS_GETITIMER, "getitimer", "answered: virtual time", getitimer},
	{unix.SYS_ALARM, "alarm", "answered: virtual time", alarm},
	{unix.SYS_TIMER_CREATE, "timer_create", "answered: virtual time", timerCreate},
	{unix.SYS_TIMER_SETTIME, "timer_settime", "answered: virtual time", timerCall},
	{unix.SYS_TIMER_GETTIME, "timer_gettime", "answered: virtual time", timerCall},
	{unix.SYS_TIMER_GETOVERRUN, "timer_getoverrun", "answered", timerCall},
	{unix.SYS_TIMER_DELETE, "timer_delete", "answered", timerCall},
	{unix.SYS_TIMERFD_CREATE, "timerfd_create", "an eventfd that the tracer counts up", timerfdCreate},
	{unix.SYS_TIMERFD_SETTIME, "timerfd_settime", "answered: virtual time", timerfdCall},
	{unix.SYS_TIMERFD_GETTIME, "timerfd_gettime", "answered: virtual time", timerfdCall},

	{unix.SYS_GETRANDOM, "getrandom", "answered: the run's seed", getrandom},

	{unix.SYS_SCHED_YIELD, "sched_yield", "answered: the next thread", schedYield},
	{unix.SYS_SCHED_GETAFFINITY, "sched_getaffinity", "answered: one processor", getAffinity},
	{unix.SYS_SCHED_SETAFFINITY, "sched_setaffinity", "answered, and ignored", returns(0)},
	{unix.SYS_GETCPU, "getcpu", "answered: processor 0", getcpu},
	{unix.SYS_UNAME, "uname", "answered: a fixed machine", uname},
	{unix.SYS_SYSINFO, "sysinfo", "answered: a fixed machine", sysinfo},
	{unix.SYS_SET_TID_ADDRESS, "set_tid_address", "passed, and noted", setTIDAddress},

	{unix.SYS_READ, "read", "passed when it does not wait; /dev/urandom: the seed", reads},
	{unix.SYS_READV, "readv", "as read", reads},
	{unix.SYS_PREAD64, "pread64", "passed", pass},
	{unix.SYS_WRITE, "write", "passed when it does not wait; output: told", writes},
	{unix.SYS_WRITEV, "writev", "as write", writes},
	{unix.SYS_RECVFROM, "recvfrom", "passed when it does not wait", receives},
	{unix.SYS_RECVMSG, "recvmsg", "passed when it does not wait", receives},
	{unix.SYS_RECVMMSG, "recvmmsg", "passed when it does not wait", receives},
	{unix.SYS_ACCEPT, "accept", "passed when it does not wait", receives},
	{unix.SYS_ACCEPT4, "accept4", "passed when it does not wait", receives},
	{unix.SYS_SENDTO, "sendto", "passed when it does not wait", sendsData},
	{unix.SYS_SENDMSG, "sendmsg", "passed when it does not wait", sendsData},
	{unix.SYS_SENDMMSG, "sendmmsg", "passed when it does not wait", sendsData},
	{unix.SYS_SENDFILE, "sendfile", "between files passed, else refused", splices(0, 1)},
	{unix.SYS_SPLICE, "splice", "between files passed, else refused", splices(0, 2)},
	{unix.SYS_TEE, "tee", "refused", splices(0, 1)},
	{unix.SYS_VMSPLICE, "vmsplice", "refused", splices(0)},
	{unix.SYS_COPY_FILE_RANGE, "copy_file_range", "between files passed, else refused", splices(0, 2)},
	{unix.SYS_FLOCK, "flock", "passed when it does not wait", locks},
	{unix.SYS_FCNTL, "fcntl", "passed when it does not wait", locks},
	{unix.SYS_OPEN, "open", "a FIFO: passed when it does not wait", opens},
	{unix.SYS_OPENAT, "openat", "as open", opens},
	{unix.SYS_OPENAT2, "openat2", "not there: openat is", fails(unix.ENOSYS)},
	{unix.SYS_CREAT, "creat", "as open", opens},

	{unix.SYS_STAT, "stat", "answered: own numbers, virtual times", stats},
	{unix.SYS_LSTAT, "lstat", "as stat", stats},
	{unix.SYS_FSTAT, "fstat", "as stat", stats},
	{unix.SYS_NEWFSTATAT, "newfstatat", "as stat", stats},
	{unix.SYS_STATX, "statx", "as stat", stats},
	{unix.SYS_GETDENTS64, "getdents64", "answered: in the order of names", getdents},
	{unix.SYS_GETDENTS, "getdents", "not there: getdents64 is", fails(unix.ENOSYS)},
	{unix.SYS_MKDIR, "mkdir", "passed, and its time noted", makes(-1, 0)},
	{unix.SYS_MKDIRAT, "mkdirat", "as mkdir", makes(0, 1)},
	{unix.SYS_MKNOD, "mknod", "as mkdir", makes(-1, 0)},
	{unix.SYS_MKNODAT, "mknodat", "as mkdir", makes(0, 1)},
	{unix.SYS_SYMLINK, "symlink", "as mkdir", makes(-1, 1)},
	{unix.SYS_SYMLINKAT, "symlinkat", "as mkdir", makes(1, 2)},
	{unix.SYS_LINK, "link", "as mkdir", links},
	{unix.SYS_LINKAT, "linkat", "as mkdir", links},
	{unix.SYS_UNLINK, "unlink", "as mkdir", removes(-1, 0)},
	{unix.SYS_UNLINKAT, "unlinkat", "as mkdir", removes(0, 1)},
	{unix.SYS_RMDIR, "rmdir", "as mkdir", removes(-1, 0)},
	{unix.SYS_RENAME, "rename", "as mkdir", renames},
	{unix.SYS_RENAMEAT, "renameat", "as mkdir", renames},
	{unix.SYS_RENAMEAT2, "renameat2", "as mkdir", renames},
	{unix.SYS_TRUNCATE, "truncate", "as mkdir", resizes},
	{unix.SYS_FTRUNCATE, "ftruncate", "as mkdir", writesFile(0)},
	{unix.SYS_FALLOCATE, "fallocate", "as mkdir", writesFile(0)},
	{unix.SYS_PWRITE64, "pwrite64", "as mkdir", writesFile(0)},
	{unix.SYS_PWRITEV, "pwritev", "as mkdir", writesFile(0)},
	{unix.SYS_PWRITEV2, "pwritev2", "as mkdir", writesFile(0)},
	{unix.SYS_UTIMENSAT, "utimensat", "as mkdir", setsTimes},
	{unix.SYS_UTIME, "utime", "as mkdir", setsTimes},
	{unix.SYS_UTIMES, "utimes", "as mkdir", setsTimes},
	{unix.SYS_FUTIMESAT, "futimesat", "as mkdir", setsTimes},

	{unix.SYS_SOCKET, "socket", "passed for Unix, IPv4, IPv6 and netlink", sockets},

	{unix.SYS_CONNECT, "connect", "outwards: a connection to coo, else passed", connects},
	{unix.SYS_SETSOCKOPT, "setsockopt", "of a connection to coo: TCP's are ignored", setsockopt},
	{unix.SYS_GETSOCKOPT, "getsockopt", "of a connection to coo: TCP's are answered", getsockopt},
	{unix.SYS_GETSOCKNAME, "getsockname", "of a connection to coo: answered", sockname},
	{unix.SYS_GETPEERNAME, "getpeername", "of a connection to coo: answered", sockname},

	{unix.SYS_POLL, "poll", "answered, or waits in virtual time", polls},
	{unix.SYS_PPOLL, "ppoll", "answered, or waits in virtual time", polls},
	{unix.SYS_SELECT, "select", "passed when something is ready", selects},
	{unix.SYS_PSELECT6, "pselect6", "passed when something is ready", selects},
	{unix.SYS_EPOLL_WAIT, "epoll_wait", "passed when something is ready", epolls},
	{unix.SYS_EPOLL_PWAIT, "epoll_pwait", "passed when something is ready", epolls},
	{unix.SYS_EPOLL_PWAIT2, "epoll_pwait2", "passed when something is ready", epolls},

	{unix.SYS_EXECVE, "execve", "passed, and made ready", execve},
	{unix.SYS_EXECVEAT, "execveat", "passed, and made ready", execve},
	{unix.SYS_EXIT, "exit", "passed, and waited for", exitThread},
	{unix.SYS_EXIT_GROUP, "exit_group", "passed, and waited for", exitGroup},
	{unix.SYS_WAIT4, "wait4", "passed when it does not wait; times are 0", wait4},
	{unix.SYS_WAITID, "waitid", "passed when it does not wait; times are 0", waitid},

	{unix.SYS_RT_SIGACTION, "rt_sigaction", "passed, and noted", rtSigaction},
	{unix.SYS_RT_SIGSUSPEND, "rt_sigsuspend", "passed when there is a signal", rtSigsuspend},
	{unix.SYS_RT_SIGTIMEDWAIT, "rt_sigtimedwait", "passed when there is a signal", rtSigtimedwait},
	{unix.SYS_PAUSE, "pause", "waits", pause},
	{unix.SYS_KILL, "kill", "passed, and who waits is told", sends},
	{unix.SYS_TKILL, "tkill", "as kill", sends},
	{unix.SYS_TGKILL, "tgkill", "as kill", sends},
	{unix.SYS_RT_SIGQUEUEINFO, "rt_sigqueueinfo", "as kill", sends},
	{unix.SYS_RT_TGSIGQUEUEINFO, "rt_tgsigqueueinfo", "as kill", sends},
	{unix.SYS_PIDFD_SEND_SIGNAL, "pidfd_send_signal", "as kill", sends},

	{unix.SYS_CHROOT, "chroot", "passed, and noted", moves},
	{unix.SYS_PIVOT_ROOT, "pivot_root", "as chroot", moves},
	{unix.SYS_UNSHARE, "unshare", "as chroot", moves},
	{unix.SYS_SETNS, "setns", "as chroot", moves},
	{unix.SYS_MOUNT, "mount", "as chroot", moves},
	{unix.SYS_UMOUNT2, "umount2", "as chroot", moves},
	{unix.SYS_MOVE_MOUNT, "move_mount", "as chroot", moves},
	{unix.SYS_SETUID, "setuid", "as chroot", moves},
	{unix.SYS_SETREUID, "setreuid", "as chroot", moves},
	{unix.SYS_SETRESUID, "setresuid", "as chroot", moves},
	{unix.SYS_SETFSUID, "setfsuid", "as chroot", moves},
	{unix.SYS_SETGID, "setgid", "as chroot", moves},
	{unix.SYS_SETREGID, "setregid", "as chroot", moves},
	{unix.SYS_SETRESGID, "setresgid", "as chroot", moves},
	{unix.SYS_SETFSGID, "setfsgid", "as chroot", moves},
	{unix.SYS_SETGROUPS, "setgroups", "as chroot", moves},
	{unix.SYS_CAPSET, "capset", "as chroot", moves},

	{unix.SYS_CLONE3, "clone3", "not there: clone is", fails(unix.ENOSYS)},
	{unix.SYS_RSEQ, "rseq", "not there", fails(unix.ENOSYS)},
	{unix.SYS_IO_URING_SETUP, "io_uring_setup", "not there", fails(unix.ENOSYS)},
	{unix.SYS_IO_URING_ENTER, "io_uring_enter", "not there", fails(unix.ENOSYS)},
	{unix.SYS_IO_URING_REGISTER, "io_uring_register", "not there", fails(unix.ENOSYS)},
	{unix.SYS_IO_SETUP, "io_setup", "not there", fails(unix.ENOSYS)},
	{unix.SYS_USERFAULTFD, "userfaultfd", "refused", fails(unix.EPERM)},
	{unix.SYS_PERF_EVENT_OPEN, "perf_event_open", "refused", fails(unix.EACCES)},
	{unix.SYS_PTRACE, "ptrace", "refused", fails(unix.EPERM)},
	{unix.SYS_PROCESS_VM_READV, "process_vm_readv", "refused", fails(unix.EPERM)},
	{unix.SYS_PROCESS_VM_WRITEV, "process_vm_writev", "refused", fails(unix.EPERM)},
	{unix.SYS_BPF, "bpf", "refused", fails(unix.EPERM)},
	{unix.SYS_KEYCTL, "keyctl", "not there", fails(unix.ENOSYS)},
	{unix.SYS_ADD_KEY, "add_key", "not there", fails(unix.ENOSYS)},
	{unix.SYS_REQUEST_KEY, "request_key", "not there", fails(unix.ENOSYS)},
	{unix.SYS_CLOCK_SETTIME, "clock_settime", "refused", fails(unix.EPERM)},
	{unix.SYS_SETTIMEOFDAY, "settimeofday", "refused", fails(unix.EPERM)},
	{unix.SYS_ADJTIMEX, "adjtimex", "refused", fails(unix.EPERM)},
}

// handlers by number.
var table = func() map[uint64]*call {
	m := map[uint64]*call{}
	for i := range calls {
		m[calls[i].nr] = &calls[i]
	}
	return m
}()

func handlerOf(nr uint64) handler {
	if c := table[nr]; c != nil {
		return c.handle
	}
	return pass
}

func callName(nr uint64) string {
	if c := table[nr]; c != nil {
		return c.name
	}
	return "call_" + strconv.FormatUint(nr, 10)
}
