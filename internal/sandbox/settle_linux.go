package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// Settle waits until nothing of the program runs or wants to: until each of
// its threads sleeps and has slept since the look before. It reports whether
// that came to be within limit. A thread that sleeps until a time that it has
// chosen itself counts as one that sleeps.
func (p *Process) Settle(limit time.Duration) bool {
	b, ok := p.box.(*initBox)
	if !ok {
		return false
	}
	begin := time.Now()
	last, idle := look(b.cmd.Process.Pid)
	for {
		time.Sleep(lookAgain)
		now, still := look(b.cmd.Process.Pid)
		if idle && still && now == last {
			return true
		}
		if time.Since(begin) > limit {
			return false
		}
		last, idle = now, still
	}
}

// lookAgain is the time between two looks.
const lookAgain = 200 * time.Microsecond

// An activity is how often the threads of a program have been given a
// processor, and how many they are.
type activity struct{ slices, threads int64 }

// look returns what the threads of everything below the first process of a
// box have done so far, and whether all of them sleep: proc(5), stat and
// schedstat.
func look(first int) (a activity, idle bool) {
	idle = true
	for queue := childrenOf(first); len(queue) > 0; queue = queue[1:] {
		pid := queue[0]
		dir := "/proc/" + strconv.Itoa(pid) + "/task/"
		threads, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, t := range threads {
			if b, err := os.ReadFile(dir + t.Name() + "/stat"); err == nil {
				idle = idle && asleep(b)
			}
			if b, err := os.ReadFile(dir + t.Name() + "/schedstat"); err == nil {
				a.slices += lastField(b)
			}
			a.threads++
		}
		queue = append(queue, childrenOf(pid)...)
	}
	return a, idle
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

func lastField(b []byte) int64 {
	f := bytes.Fields(b)
	if len(f) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(f[len(f)-1]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
