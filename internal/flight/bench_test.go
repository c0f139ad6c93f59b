package flight

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// BenchmarkAppend is the cost of a record in memory: no write, no sync.
func BenchmarkAppend(b *testing.B) {
	r, err := Create(newStore(b), "bench")
	if err != nil {
		b.Fatal(err)
	}
	script{b, r}.open()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Append(&Clock{Now: "2026-11-23T09:00:00.000Z"}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := r.Abandon("bench"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFlush is a live delivery: three blobs, two records, one write, one
// fdatasync. Compare BenchmarkBareSync, the disk's own cost on the same run.
func BenchmarkFlush(b *testing.B) {
	r, err := Create(newStore(b), "bench")
	if err != nil {
		b.Fatal(err)
	}
	s := script{b, r}
	s.open()
	var i byte
	body := bytes.Repeat([]byte("body "), 200)
	for b.Loop() {
		i++
		c := s.call("", "http://example.test/", string(append(body, i)))
		s.answer("", c, &wire.Answer{Status: 200, Body: append(body, i)})
		if err := r.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := r.Abandon("bench"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBareSync appends 3 KB to a file and syncs it.
func BenchmarkBareSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 3000)
	for b.Loop() {
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := durable.Data(f); err != nil {
			b.Fatal(err)
		}
	}
}

// calls records and seals a run of n calls.
func calls(b *testing.B, st *store.Store, n int) digest.Digest {
	return record(b, st, func(s script) SealFields {
		s.open()
		for i := range n {
			c := s.call("", "http://example.test/", fmt.Sprint("question ", i))
			s.answer("", c, &wire.Answer{Status: 200, Body: fmt.Append(nil, "answer ", i)})
		}
		s.add(&End{Outcome: "ok"})
		tree := s.blob(emptyTree)
		return SealFields{Before: tree, After: tree}
	}).ID
}

// BenchmarkLoad reads and checks the lines of 10,000 calls.
func BenchmarkLoad(b *testing.B) {
	const n = 10_000
	st := newStore(b)
	id := calls(b, st, n)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(st, id); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/call")
}

// BenchmarkVerify checks 2,000 calls and the three blobs that each has.
func BenchmarkVerify(b *testing.B) {
	const n = 2_000
	st := newStore(b)
	id := calls(b, st, n)
	for b.Loop() {
		if _, err := Verify(st, id); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/call")
}

// BenchmarkLinker links and encodes records, as a replay does.
func BenchmarkLinker(b *testing.B) {
	var l Linker
	buf, err := l.Append(nil, &Open{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if buf, err = l.Append(buf[:0], &Clock{Now: "2026-11-23T09:00:00.000Z"}); err != nil {
			b.Fatal(err)
		}
	}
}
