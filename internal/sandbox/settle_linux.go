package sandbox

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Settle waits until nothing of the program runs or wants to: until each of
// its threads sleeps, and none has run since a while before. It reports whether
// that came to be within limit. A thread that sleeps until a time that it has
// chosen itself counts as one that sleeps. It is called by one goroutine at a
// time.
func (p *Process) Settle(limit time.Duration) bool {
	b, ok := p.box.(*initBox)
	if !ok {
		return false
	}
	begin := time.Now()
	for {
		was, still := ran(b.known)
		time.Sleep(lookAgain)
		now, too := ran(b.known)
		if !still || !too || now == was {
			// The dear look, at each thread, when it may be the last.
			found, idle := look(b.cmd.Process.Pid)
			same := slices.Equal(found, b.known)
			b.known = found
			if after, still := ran(found); idle && still && same && after == was {
				return true
			}
		}
		if time.Since(begin) > limit {
			return false
		}
	}
}

// Watchable reports whether Settle can see what the program does.
func (p *Process) Watchable() bool {
	_, ok := p.box.(*initBox)
	return ok
}

// lookAgain is the time between two looks.
const lookAgain = 200 * time.Microsecond

// ran returns for how long processes have had a processor in all, as the
// clocks tell that the kernel has for each (clock_getcpuclockid(3)), whatever
// the number of their threads; still is false when one of them has ended.
func ran(pids []int) (total time.Duration, still bool) {
	for _, pid := range pids {
		const scheduled = 2 // CPUCLOCK_SCHED: nanoseconds
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
			return 0, false
		}
		total += time.Duration(t.Nano())
	}
	return total, true
}

// look returns the processes below the first one of a box, and whether all of
// their threads sleep: proc(5), stat.
func look(first int) (pids []int, idle bool) {
	idle = true
	pids = childrenOf(first)
	for i := 0; i < len(pids); i++ {
		dir := "/proc/" + strconv.Itoa(pids[i]) + "/task/"
		threads, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, t := range threads {
			if b, err := os.ReadFile(dir + t.Name() + "/stat"); err == nil {
				idle = idle && asleep(b)
			}
		}
		pids = append(pids, childrenOf(pids[i])...)
	}
	return pids, idle
}

// childrenOf returns the children of a process: proc(5), children.
func childrenOf(pid int) []int {
	dir := "/proc/" + strconv.Itoa(pid) + "/task/"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []int
	for _, t := range threads {
		b, err := os.ReadFile(dir + t.Name() + "/children")
		if err != nil {
			continue
		}
		for _, f := range bytes.Fields(b) {
			if n, err := strconv.Atoi(string(f)); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// asleep reports whether the state in a stat file is that of a thread that
// waits for something: not running, nor on its way to a disk.
func asleep(stat []byte) bool {
	i := bytes.LastIndexByte(stat, ')') // the name before may hold anything
	if i < 0 || i+2 >= len(stat) {
		return true
	}
	return bytes.IndexByte([]byte("RD"), stat[i+2]) < 0
}
