package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/store"
)

// replay measures replays of runs of 50 to 10,000 calls, in process and as
// the command, and whether a call's cost stays the same.
func (b *bench) replay() error {
	if _, err := b.largeRun(); err != nil {
		return err
	}
	var first time.Duration
	for _, n := range []int{50, 200, 400, largeCalls} {
		dir, err := b.shortRun(n)
		if err != nil {
			return err
		}
		inProcess, err := medianOf(max(3, 4000/n), func() error { return b.replayOnce(dir) })
		if err != nil {
			return err
		}
		command, err := medianOf(max(3, 1000/n), func() error { return b.command(dir, "replay", "@last") })
		if err != nil {
			return err
		}
		each := inProcess / time.Duration(n)
		goal := ""
		if first == 0 {
			first = each
		} else {
			goal = aim("flat", each <= first*5/4)
		}
		b.rows.add("replay "+calls(n)+" in process", short(each)+" a call", "", ratio(each, first), goal)
		if n == largeCalls {
			b.rows.add("  calls a second", perSecond(each), "", "", aim("50,000/s", each <= 20*time.Microsecond))
		}
		b.rows.add("  as coo replay: verified, compared, printed", short(command/time.Duration(n))+" a call", "", "", "")
		peak, err := b.peak(dir, "replay", "@last")
		if err != nil {
			return err
		}
		b.rows.add("  peak memory of coo replay", megabytes(peak), "", "", "")
	}
	return nil
}

// shortRun returns the directory of a run of n calls.
func (b *bench) shortRun(n int) (string, error) {
	if n == largeCalls {
		return b.largeRun()
	}
	dir, _, err := b.recordShort(n)
	return dir, err
}

// lastRun opens the store in dir and reads its newest run.
func lastRun(dir string) (*store.Store, store.Handle, *flight.Run, error) {
	st, err := store.Open(dir)
	if err != nil {
		return nil, store.Handle{}, nil, err
	}
	h, err := st.Resolve("@last")
	if err != nil {
		return nil, h, nil, err
	}
	r, err := flight.LoadHandle(st, h)
	return st, h, r, err
}

// replayOnce reads the newest run of the store in dir and replays it.
func (b *bench) replayOnce(dir string) error {
	_, _, r, err := lastRun(dir)
	if err != nil {
		return err
	}
	return replay.Do(b.ctx, replay.Config{Run: r, Source: freeze.FromLoaded("bench", r), Blob: r.Blob})
}

// command runs coo in dir.
func (b *bench) command(dir string, args ...string) error {
	cmd := exec.Command(b.coo, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("coo %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// peak returns the largest resident set of a coo command, in bytes.
func (b *bench) peak(dir string, args ...string) (int64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	coo, err := filepath.Abs(b.coo)
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, append([]string{peakFlag, coo}, args...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	kb, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return kb << 10, err
}
