// Package box runs an unmodified Linux program so that it does the same every
// time: level "deterministic".
//
// Everything that a program learns from the kernel, it learns by a system
// call, and at each that matters the program stops and the tracer decides
// what it learns: ptrace(2), with a seccomp filter that lets calls pass which
// say the same each time. One thread runs at a time, from one such call to the
// next; so which thread does what before which other follows from the calls
// alone, and never from the machine's processors or its load. Time passes by
// calls as well, a microsecond each, and jumps when all threads wait: a sleep
// of an hour takes no time at all.
//
// # A thread
//
//	      clone, fork, vfork
//	             │
//	             ▼          slice over, sched_yield
//	┌──────▶ runnable ◀───────────────────────────┐
//	│            │ first of the queue             │
//	│            ▼                                │
//	│        running ── a call that may pass ─────┤ goes on
//	│            │                                │
//	│            │ a call that would wait:        │ a call that is answered
//	│            │ futex, read, poll, sleep, wait │ by the tracer
//	│            ▼                                │
//	└───────── parked ──▶ what it waits for is there, its deadline has
//	             │         passed, or a signal ends the wait
//	             ▼
//	           gone ◀── exit, exit_group, a signal that kills
//
// A parked thread stands before its call: the kernel has not seen it yet. What
// it waits for is looked at from outside, and the call is made, or answered,
// only when it does not wait.
//
// # When every thread is parked
//
//  1. Descriptors are looked at, in the order in which their threads parked:
//     those that are ready go on.
//  2. Else the coo outside is told, and may deliver something (protocol.go).
//  3. Else time goes on to the earliest deadline, and one thread is woken.
//  4. Else nothing can ever happen: the program is stuck, and each thread is
//     named with what it waits for.
//
// # Where things are
//
//	box.go      the start of a program, its end       futex.go   futexes
//	tracer.go   stops, and what becomes of them       files.go   descriptors that may block
//	sched.go    who is next                           wait.go    children
//	table.go    what is done at which call            signal.go  signals
//	filter.go   which calls stop at all               clock.go   clocks and sleeps
//	exec.go     before a program's first instruction  random.go  randomness
//	inject.go   calls in a program's name, memory     ident.go   what machine this is
//	page.go     the time without a call               vdso.go    functions that read it
//	poll.go     waiting for several descriptors       timers.go  timers and alarms
//	birth.go    threads and processes that are made   robust.go  locks whose owner has ended
//	job.go      stopping and continuing               ipc.go     queues and semaphores
//	net.go      connections to the outside            inname.go  what only a program can ask
//	watch.go    a thread that makes no calls          spin.go    whether it only waits
//	processor.go where they all run                   stranger.go programs outside
//	stuck.go    what everything waits for             honest.go  what is told, once
//	rest.go     every other call                      prctl.go, devices.go, socket.go: some of them
//	manifest.go which files were used                 protocol.go, confine.go, names.go, proc.go
//
// What a program sees, which is the same on every machine:
//
//	inodes.go   numbers and times of files            stat.go    the state of a file
//	changes.go  what changes them                     open.go    files that are opened
//	dirents.go  directories                           disk.go    file systems, terminals
//	procfs.go   /proc: which file is told how         machine.go what it tells of the machine
//	procself.go what it tells of a process            procnet.go and of its sockets
//	begin.go    what a program inherits, its stack    limits.go  limits and priorities
//	ports.go    ports of sockets                      inotify.go changes that are told
//	netlink.go  network interfaces                    terminals.go its own
//
// What stands for namespaces where they are forbidden:
//
//	bare.go     a call is changed, and its result     ids.go     numbers of processes
//	views.go    what a path leads to                  paths.go   paths in calls
//	inner.go    addresses of sockets                  addrs.go   addresses in calls
//	procids.go  numbers in /proc                      senders.go, owners.go: numbers elsewhere
//	interfaces.go what there is                         innerports.go: ports that are taken
//	sysv.go     shared memory, semaphores, messages   view.go
//	place.go    a new program's addresses             mapped.go  and those of what it maps
package box
