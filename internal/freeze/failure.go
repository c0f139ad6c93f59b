package freeze

import (
	"context"
	"errors"
	"net"

	"github.com/coo-runtime/coo/internal/coding"
)

// The failures are a small set of words, because their text is part of a
// run's identity and that of an operating system is not the same twice:
//
//	timeout     nothing came for as long as the call was willing to wait
//	unresolved  the host has no address
//	refused     no connection could be made
//	tls         the server's identity could not be verified, or it speaks no TLS
//	reset       the connection ended, or spoke no HTTP, before a head had come
//	cut         the same after the head: status and a part of the body are there
//	limit       the body is longer than is accepted: so much of it is there
//	encoding    the content coding is unknown or broken
var (
	errTimeout = errors.New("timeout")
	errLimit   = errors.New("limit")
)

// A dialError is an error of making the connection below TLS and HTTP.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// failure names what went wrong before there was a head.
func (x *exchange) failure(ctx context.Context, err error) string {
	x.mu.Lock()
	tlsErr := x.tlsErr
	x.mu.Unlock()
	switch {
	case context.Cause(ctx) == errTimeout:
		return "timeout"
	case is[*net.DNSError](err):
		return "unresolved"
	case timedOut(err):
		return "timeout"
	case is[*dialError](err):
		return "refused"
	case tlsErr != nil || alerted(err):
		return "tls"
	}
	return "reset"
}

// bodyFailure names what went wrong after the head.
func bodyFailure(ctx context.Context, err error) string {
	switch {
	case context.Cause(ctx) == errTimeout || timedOut(err):
		return "timeout"
	case errors.Is(err, errLimit):
		return "limit"
	case errors.Is(err, coding.ErrBroken):
		return "encoding"
	}
	return "cut"
}

// alerted reports whether err is an alert that the server sent after the
// handshake, as it does when it wants a client certificate.
func alerted(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "remote error"
}

func timedOut(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// cancelled returns why the caller gave the exchange up, if it did.
func cancelled(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if cause == errTimeout {
		return nil
	}
	return cause
}
