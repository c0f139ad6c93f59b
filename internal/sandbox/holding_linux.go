package sandbox

import (
	"encoding/gob"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// obey does what the coo outside says, and ends everything when it has gone.
func (i *inside) obey(in *gob.Decoder) {
	for {
		var c command
		if in.Decode(&c) != nil {
			i.killAll()
			os.Exit(0)
		}
		switch c.Do {
		case "signal":
			go i.forward(syscall.Signal(c.Signal))
		case "order":
			i.ordered <- *c.Order
		case "kill":
			if !i.killed.Swap(true) {
				close(i.stopped)
			}
			go i.killAll()
		}
	}
}

// watchSignals keeps signals of the terminal, which reach every process of
// its foreground group, from ending this one, and notes them.
func (i *inside) watchSignals() {
	i.seen = map[syscall.Signal]time.Time{}
	var watched []os.Signal
	for _, s := range relayedSignals {
		if !signal.Ignored(s) {
			watched = append(watched, s)
		}
	}
	if len(watched) == 0 {
		return
	}
	c := make(chan os.Signal, 16)
	signal.Notify(c, watched...)
	go func() {
		for s := range c {
			i.mu.Lock()
			i.seen[s.(syscall.Signal)] = time.Now()
			i.mu.Unlock()
		}
	}()
}

// forward gives a signal that coo has received to everything inside, unless
// this process has it too: then the terminal has given it to the whole group.
func (i *inside) forward(s syscall.Signal) {
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if i.had(s) {
			return
		}
	}
	for _, p := range descendants() {
		syscall.Kill(p.pid, s)
	}
}

// had reports whether this process itself was just given a signal, once.
func (i *inside) had(s syscall.Signal) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	had := time.Since(i.seen[s]) < time.Second
	delete(i.seen, s)
	return had
}

// killAll ends what is inside until nothing is left: a process may start
// others while it is being ended.
func (i *inside) killAll() {
	for range 200 {
		all := descendants()
		if len(all) == 0 {
			return
		}
		for _, p := range all {
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// reap waits for every process inside, whoever started it, and returns how
// the program ended once nothing is left.
func (i *inside) reap(child int) Exit {
	var exit Exit
	var left chan []string
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil { // ECHILD: nothing is left
			break
		}
		if pid != child {
			continue
		}
		exit = exitOf(ws)
		left = make(chan []string, 1)
		go func() { left <- i.windDown() }()
	}
	if left != nil {
		exit.Left = <-left
	}
	return exit
}

// windDown ends what the program has left running: most of it, such as the
// helpers of a language's runtime, ends by itself at once.
func (i *inside) windDown() []string {
	if i.killed.Load() {
		i.killAll()
		return nil
	}
	if waitNone(grace) {
		return nil
	}
	var names []string
	for _, p := range descendants() {
		if name := p.commandLine(); name != "" {
			names = append(names, name)
		}
		syscall.Kill(p.pid, syscall.SIGTERM)
		syscall.Kill(p.pid, syscall.SIGCONT)
	}
	if !waitNone(lastGrace) {
		i.killAll()
	}
	slices.Sort(names)
	return names
}

func waitNone(limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if len(descendants()) == 0 {
			return true
		}
	}
	return false
}

func exitOf(ws syscall.WaitStatus) Exit {
	if ws.Signaled() {
		return Exit{Status: 128 + int(ws.Signal()), Signal: unix.SignalName(ws.Signal())}
	}
	return Exit{Status: ws.ExitStatus()}
}
