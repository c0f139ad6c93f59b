package modelserver

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// A flusher is an encoder that can end a block so that all of it can be read.
type flusher interface {
	io.WriteCloser
	Flush() error
}

// codings are the content codings of RFC 9110 section 8.4.1 and RFC 8878 that
// are known here, the preferred one first.
var codings = []string{"zstd", "gzip", "deflate"}

// encoder returns the encoder of a coding; nil when it is not known.
func encoder(coding string, w io.Writer) flusher {
	switch coding {
	case "gzip":
		return gzip.NewWriter(w)
	case "deflate":
		return zlib.NewWriter(w)
	case "zstd":
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic("modelserver: internal error: " + err.Error())
		}
		return z
	}
	return nil
}

// compress applies a coding to the pieces of a body, so that each can be read
// as soon as it has come. One that is not known is not applied.
func compress(coding string, pieces [][]byte) [][]byte {
	var b bytes.Buffer
	w := encoder(coding, &b)
	if w == nil {
		return pieces
	}
	out := make([][]byte, 0, len(pieces))
	for i, p := range pieces {
		w.Write(p) // a bytes.Buffer takes everything
		if i < len(pieces)-1 {
			w.Flush()
		} else {
			w.Close()
		}
		out = append(out, bytes.Clone(b.Bytes()))
		b.Reset()
	}
	return out
}

// accepted is the first coding that a client takes and that is known here; ""
// when there is none.
func accepted(accept string) string {
	var taken []string
	for one := range strings.SplitSeq(accept, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(one), ";")
		if strings.TrimSpace(q) != "q=0" {
			taken = append(taken, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	for _, c := range codings {
		if slices.Contains(taken, c) {
			return c
		}
	}
	return ""
}
