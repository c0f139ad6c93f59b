package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/pack"
)

// gigabyte is how much the packs hold that are measured.
const gigabyte = 1 << 30

// pack measures coo verify on packs of 1 GB against sha256sum on the same
// bytes, in turn.
func (b *bench) pack() error {
	for _, size := range []int64{64 << 20, gigabyte, 64 << 10} {
		n := int(gigabyte / size)
		dir, err := b.subdir("pack")
		if err != nil {
			return err
		}
		if err := writePack(filepath.Join(dir, "run.zip"), n, size); err != nil {
			return err
		}
		var cooTimes, sumTimes []time.Duration
		for range 5 {
			d, err := timed(func() error { return b.command(dir, "verify", "run.zip") })
			if err != nil {
				return err
			}
			cooTimes = append(cooTimes, d)
			if d, err = timed(func() error { return sumFile(dir, "run.zip") }); err != nil {
				return err
			}
			sumTimes = append(sumTimes, d)
		}
		ours, sums := median(cooTimes), median(sumTimes)
		peak, err := b.peak(dir, "verify", "run.zip")
		if err != nil {
			return err
		}
		what := fmt.Sprintf("verify a pack of 1 GB: %d contents", n)
		if n == 1 {
			what = "verify a pack of 1 GB: 1 content"
		}
		speed := float64(sums) / float64(ours)
		b.rows.add(what, short(ours), short(sums)+" sha256sum", ratio(ours, sums),
			aim("80 % of its speed", speed >= 0.8))
		b.rows.add("  peak memory", megabytes(peak), "", "", aim("64 MB", peak < 64e6))
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func sumFile(dir, name string) error {
	cmd := exec.Command("sha256sum", name)
	cmd.Dir = dir
	return cmd.Run()
}

// writePack writes the pack of a run that has read n files of size bytes. The
// run is made up; what is measured does not depend on what it is about.
func writePack(name string, n int, size int64) error {
	from := drawn{sizes: map[digest.Digest]int64{}, seeds: map[digest.Digest]uint64{}, small: map[digest.Digest][]byte{}}
	source := from.keep([]byte("def main(coo):\n    pass\n"))
	empty := from.keep([]byte("[]"))
	rules := from.keep([]byte("rules"))
	var l flight.Linker
	var lines [][]byte
	add := func(r flight.Record) error {
		line, err := l.Append(nil, r)
		lines = append(lines, line)
		return err
	}
	err := add(&flight.Open{
		Format: flight.Format, Epoch: flight.Epoch, Level: "script", Limits: "limits/1", Args: map[string]string{}, Seed: "0",
		Rules:   []flight.Rule{{ID: "http/1", SHA256: rules}},
		Mission: flight.Mission{Kind: "script", Main: "m.star", Files: []flight.File{{Path: "m.star", SHA256: source}}},
	})
	for i := range n {
		if err != nil {
			return err
		}
		var d digest.Digest
		if d, err = from.draw(uint64(i), size); err == nil {
			err = add(&flight.Input{Kind: "file", Name: fmt.Sprintf("data/%05d.bin", i), SHA256: &d})
		}
	}
	if err == nil {
		err = add(&flight.End{Outcome: "ok"})
	}
	if err != nil {
		return err
	}
	seal, _, _, err := l.Seal(nil, flight.SealFields{Before: empty, After: empty, Outputs: []flight.Output{}})
	if err != nil {
		return err
	}
	run, err := flight.Read(bytes.NewReader(append(bytes.Join(append(lines, seal), []byte{'\n'}), '\n')), "bench")
	if err != nil {
		return err
	}
	draft, err := pack.New(run, nil, []byte("made for a measurement\n"), from)
	if err != nil {
		return err
	}
	if err := draft.Scan(func(pack.File) (io.Writer, func() error) { return io.Discard, func() error { return nil } }); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return draft.Encode(f)
}

// drawn are contents that are made whenever they are asked for.
type drawn struct {
	sizes map[digest.Digest]int64
	seeds map[digest.Digest]uint64
	small map[digest.Digest][]byte
}

func (c drawn) keep(b []byte) digest.Digest {
	d := digest.Of(b)
	c.small[d], c.sizes[d] = b, int64(len(b))
	return d
}

func (c drawn) draw(seed uint64, size int64) (digest.Digest, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, content(seed, size)); err != nil {
		return digest.Digest{}, err
	}
	d := digest.Digest(sum.Sum(nil))
	c.seeds[d], c.sizes[d] = seed, size
	return d, nil
}

func content(seed uint64, size int64) io.Reader {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return io.LimitReader(rand.NewChaCha8(key), size)
}

// Get implements [flight.Blobs].
func (c drawn) Get(d digest.Digest) ([]byte, error) { return c.small[d], nil }

// Size implements [flight.Blobs].
func (c drawn) Size(d digest.Digest) (int64, bool, error) {
	n, ok := c.sizes[d]
	return n, ok, nil
}

// Open implements [flight.Blobs].
func (c drawn) Open(d digest.Digest) (io.Reader, error) {
	if b, ok := c.small[d]; ok {
		return bytes.NewReader(b), nil
	}
	return content(c.seeds[d], c.sizes[d]), nil
}
