// Package coding undoes the content codings of HTTP (RFC 9110, section 8.4):
// gzip, deflate, br and zstd, as in
//
//	Content-Encoding: gzip
//
// It reads hostile input: how many codings may be nested and how much memory
// each may ask for is bounded. How long the result may be is the caller's
// business. Nothing is held back: what a sender flushed can be read.
package coding

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// maxCodings is the number of codings one answer may be wrapped in. Nobody
// sends more than one; each is another chance of a decompression bomb.
const maxCodings = 3

// maxWindow is the largest window a zstd coding may ask for (RFC 9659).
const maxWindow = 8 << 20

// ErrBroken reports a coding that is unknown, nested too deep or broken.
var ErrBroken = errors.New("content coding: unknown or broken")

// Parse splits a Content-Encoding header (RFC 9110, section 8.4) into the
// codings that were applied, in order. A coding that cannot be undone here is
// [ErrBroken].
func Parse(values []string) ([]string, error) {
	var codings []string
	for name := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		switch name {
		case "", "identity":
			continue
		case "x-gzip":
			name = "gzip"
		case "gzip", "deflate", "br", "zstd":
		default:
			return nil, ErrBroken
		}
		codings = append(codings, name)
	}
	if len(codings) > maxCodings {
		return nil, ErrBroken
	}
	return codings, nil
}

// Decode returns a reader of what r holds before the codings were applied,
// and a function that lets go of what the reader holds. A body of no bytes at
// all stays one. The reader hands on what it has as soon as it has it, so that
// the chunks of a stream stay apart.
//
// An error of a coding is [ErrBroken], one of r comes back as it was; a body
// that ends before its coding does is [io.ErrUnexpectedEOF].
func Decode(r io.Reader, codings []string) (io.Reader, func(), error) {
	closers := func() {}
	if len(codings) == 0 {
		return r, closers, nil
	}
	b := bufio.NewReader(r)
	if _, err := b.Peek(1); err == io.EOF {
		return b, closers, nil
	}
	r = sourceReader{b}
	for i := len(codings) - 1; i >= 0; i-- {
		next, done, err := undo(r, codings[i])
		if err != nil {
			closers()
			return nil, nil, codingError(err)
		}
		before := closers
		closers = func() { done(); before() }
		r = codingReader{next}
	}
	return r, closers, nil
}

// undo returns a reader that undoes one coding.
func undo(r io.Reader, coding string) (io.Reader, func(), error) {
	switch coding {
	case "gzip":
		z, err := gzip.NewReader(r)
		return z, func() {}, err
	case "br":
		return brotli.NewReader(r), func() {}, nil
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	// "deflate" is zlib by RFC 9110, and bare deflate from many servers.
	b := bufio.NewReader(r)
	if head, err := b.Peek(2); err == nil && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		z, err := zlib.NewReader(b)
		return z, func() {}, err
	}
	return flate.NewReader(b), func() {}, nil
}

// A codingReader tells what is wrong with the coding from what is wrong with
// the connection below it.
type codingReader struct{ r io.Reader }

func (c codingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	return n, codingError(err)
}

// codingError turns the complaints of a decoder into ErrBroken and leaves the
// others alone: io.EOF, a body that ends too early, errors of the connection.
func codingError(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if source, ok := errors.AsType[*sourceError](err); ok {
		return source
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	return ErrBroken
}

// A sourceReader marks the errors of what is decoded: a decoder may wrap them.
type sourceReader struct{ r io.Reader }

func (s sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = &sourceError{err}
	}
	return n, err
}

type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }
