//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
)

// traced are the options that make coo write the trace of a run, or of the
// last replay, at level deterministic.
func (t *try) traced(of string) []string {
	if t.way != boxed {
		return nil
	}
	return []string{"--trace=" + t.traceOf(of)}
}

func (t *try) traceOf(of string) string { return t.out("trace." + of) }

// parted returns where the trace of the last replay parts from that of the
// run; nil when it does not.
func (t *try) parted() error {
	if t.traced("") == nil {
		return nil
	}
	recorded, err := os.ReadFile(t.traceOf("run"))
	if err != nil {
		return err
	}
	replayed, err := os.ReadFile(t.traceOf("replay"))
	if err != nil || bytes.Equal(recorded, replayed) {
		return err
	}
	return fmt.Errorf("another trace: %s", firstDifference(recorded, replayed))
}
