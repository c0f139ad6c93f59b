package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Exit statuses are part of the interface: published, never reused.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDiverged    = 3
	exitIntegrity   = 4
	exitPolicy      = 5
	exitNotFrozen   = 6
	exitInterrupted = 130
)

// exitTable is printed by "coo help exit-statuses".
const exitTable = `  0    ok; replay: identical; diff: no difference
  1    the mission failed, or coo refused to harm something
  2    usage: an unknown command or flag, a bad argument, a mission that does not parse
  3    diverged: a replay differs from its record, or diff found differences
  4    integrity: a run or the store is damaged
  5    isolation or policy: coo may not do what was asked, such as storing a secret
  6    a call has no frozen answer and none may be fetched
  130  interrupted
`

// A statusError ends coo with a status of its own.
type statusError struct {
	status int
	err    error
	said   bool // the message is already on stderr
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func withStatus(status int, err error) error { return &statusError{status: status, err: err} }

// silently ends coo with a status after everything was said.
func silently(status int) error {
	return &statusError{status: status, err: errors.New("exit"), said: true}
}

func usagef(format string, args ...any) error {
	return withStatus(exitUsage, fmt.Errorf(format, args...))
}

// exitStatus is the one place where errors become statuses.
func exitStatus(err error) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	return classify(err)
}

// tell says what ended coo, on stderr, once.
func tell(w io.Writer, err error) {
	if e, ok := errors.AsType[*statusError](err); ok && e.said {
		return
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "coo: interrupted")
		return
	}
	fmt.Fprintf(w, "coo: %s\n", visible(err.Error()))
}
