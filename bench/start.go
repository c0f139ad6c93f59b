package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

// maxBinary is the size, in bytes, that the binary must not exceed.
const maxBinary = 16_000_000

// start measures whole commands, against the start of a process that does
// nothing.
func (b *bench) start() error {
	const n, limit = 20, 100 * time.Millisecond
	bare, err := medianOf(n, func() error { return exec.Command("true").Run() })
	if err != nil {
		return err
	}
	again, err := b.subdir("again")
	if err != nil {
		return err
	}
	b.rows.add("start a process that does nothing", short(bare), "", "", "")
	for _, r := range []struct {
		what string
		run  func() error
	}{
		{"coo version", func() error { return b.command(again, "version") }},
		{"coo run demo, in a new directory", b.freshDemo},
		{"coo run demo, once more", func() error { return b.command(again, "run", "demo") }},
		{"coo replay of the demo", func() error { return b.command(again, "replay", "@last") }},
		{"coo verify of the demo", func() error { return b.command(again, "verify", "@last") }},
	} {
		d, err := medianOf(n, r.run)
		if err != nil {
			return err
		}
		b.rows.add(r.what, short(d), short(bare)+" true", ratio(d, bare), aim("100 ms", d <= limit))
	}
	fi, err := os.Stat(b.coo)
	if err != nil {
		return err
	}
	b.rows.add("size of the binary", fmt.Sprintf("%.2f MB", float64(fi.Size())/1e6), "", "", aim("16 MB", fi.Size() <= maxBinary))
	return nil
}

// freshDemo runs the demo where there is no store yet.
func (b *bench) freshDemo() error {
	dir, err := b.subdir("demo")
	if err != nil {
		return err
	}
	return b.command(dir, "run", "demo")
}
