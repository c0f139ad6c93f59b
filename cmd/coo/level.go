package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/sandbox"
)

// level chooses the isolation level: the one that is wanted, or the best that
// is to be had.
func (a *app) level(want string) (sandbox.Level, error) {
	level := sandbox.Level(want)
	if want != "" && !slices.Contains(sandbox.Levels, level) {
		return "", usagef("--isolation=%s: give deterministic, frozen or proxied", want)
	}
	var why []string
	for _, try := range sandbox.Levels {
		if want != "" && try != level {
			continue
		}
		finding := sandbox.Probe(try)
		switch {
		case finding.OK && len(why) > 0:
			a.say("isolation %s, because %s", try, strings.Join(why, "; "))
			fallthrough
		case finding.OK:
			return try, nil
		case want != "":
			return "", withStatus(exitPolicy, &sandbox.LevelError{Finding: finding})
		}
		why = append(why, fmt.Sprintf("%s is not to be had: %s", try, finding.Why))
	}
	return "", withStatus(exitPolicy, fmt.Errorf("isolation: %s: coo doctor says more", strings.Join(why, "; ")))
}

// suits refuses flags that mean nothing at a level.
func (f *runFlags) suits(level sandbox.Level) error {
	switch {
	case level == sandbox.Deterministic:
	case f.seed != "0" || f.clock != "":
		return usagef("--seed and --clock are for missions, and for programs at --isolation=deterministic: at %s a program has its own", level)
	case f.trace != "":
		return usagef("--trace goes with --isolation=deterministic: at %s strace does it", level)
	}
	return nil
}

// programClock returns the clock of a program's run. Below level deterministic
// a program reads its own.
//
// A source that was recorded there has no reading. Who asked for nothing more
// than that its calls are frozen gets the time of now.
func (a *app) programClock(level sandbox.Level, f runFlags, s settings, sources []*freeze.Source) (freeze.Clock, error) {
	if level != sandbox.Deterministic {
		return freeze.LiveClock(), nil
	}
	if f.isolation == "" && f.calls == "frozen" && s.pinned == nil && len(sources) > 0 {
		readings, err := sources[0].Clock()
		if err != nil {
			return nil, err
		}
		if len(readings) == 0 {
			a.say("clock: it starts now, because the calls were frozen by a program with a clock of its own: --clock pins it")
			return freeze.LiveClock(), nil
		}
	}
	return clockOf(f.calls, s, sources)
}

// tellUnpassed names, when a program at level deterministic fails, variables
// that it did not get because no replay could set them: they are not recorded.
func (a *app) tellUnpassed(level sandbox.Level, env, secrets, also []string) {
	const most = 20
	if level != sandbox.Deterministic {
		return
	}
	names := slices.DeleteFunc(sandbox.Environ(env, secrets, also).Unrecorded, sandbox.OfSession)
	if len(names) == 0 {
		return
	}
	others := ""
	if n := len(names) - most; n > 0 {
		names, others = names[:most], fmt.Sprintf(" and %d more", n)
	}
	a.say("the program was not given %s%s: --env NAME records a variable, and passes it on", visible(strings.Join(names, ", ")), others)
}
