package sandbox

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/coo-runtime/coo/internal/box"
)

// probeDeterministic says whether this machine has level deterministic: it
// runs a program at that level that does nothing.
func probeDeterministic() Finding {
	f := Finding{Level: Deterministic}
	var broken []string
	bare, err := trial(func(why string) { broken = append(broken, why) })
	level, ok := errors.AsType[*LevelError](err)
	switch {
	case err == nil:
		if bare != nil {
			broken = append([]string{"without namespaces, by rewriting what the program asks, because " + bare.Why}, broken...)
			f.Remedy = bare.Remedy
		}
		f.OK, f.Note = true, strings.Join(broken, "; ")
	case ok: // what level frozen needs, it needs too
		f.Why, f.Remedy = level.Finding.Why, level.Finding.Remedy
	default:
		f.Why, f.Remedy = untraced(err)
	}
	return f
}

// mostTrial is how long the trial may take on a busy machine.
const mostTrial = 20 * time.Second

// trial runs this executable in a box, and ends it at once.
// It returns why there are no namespaces, nil when there are.
func trial(broken func(string)) (bare *Finding, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), mostTrial)
	defer cancel()
	p, err := Start(ctx, Command{Level: Deterministic, Argv: []string{trialName}, Exe: exe, Dir: "/"})
	if err != nil {
		return nil, err
	}
	bare = p.bare
	if err := p.Run(); err != nil {
		p.Kill()
		return nil, err
	}
	g := p.Guest()
	for {
		e, err := g.Next()
		if err != nil {
			p.Kill()
			p.Wait() //nolint:errcheck // it says the same
			return nil, err
		}
		switch e.Kind {
		case box.Broken, box.Noted:
			broken(e.Text)
		case box.Quiet:
			o := box.Order{Kind: box.Wake}
			if e.Deadline < 0 {
				o.Kind = box.Stop
			}
			if err := g.Obey(o); err != nil {
				return nil, err
			}
		case box.Ended:
			exit, err := p.Wait()
			if err == nil && exit.Status != 0 {
				err = errors.New("a program that does nothing was ended: " + exit.Signal)
			}
			return bare, err
		}
	}
}

// untraced says why a program could not be traced, and what to do about it.
func untraced(err error) (why, remedy string) {
	why = err.Error()
	switch scope := sysctl("/proc/sys/kernel/yama/ptrace_scope"); {
	case scope == "2":
		return "ptrace is for administrators only (kernel.yama.ptrace_scope=2)", "sysctl -w kernel.yama.ptrace_scope=1"
	case scope == "3":
		return "ptrace is switched off until the next start (kernel.yama.ptrace_scope=3)",
			"set kernel.yama.ptrace_scope=1 in /etc/sysctl.d, and start the machine anew"
	case inContainer():
		return "the container forbids ptrace: " + why, "start it with --cap-add SYS_PTRACE or --security-opt seccomp=unconfined"
	case seccompOn():
		return "a seccomp filter forbids ptrace: " + why, "start coo outside of what installed it"
	}
	return why, ""
}
