// Bench measures what docs/performance.md reports: coo against the disk, the
// bare server, other tools and its own aims, each pair in one run. Everything
// stays on this machine.
//
//	bench -coo FILE [-dir DIR] [-tools DIR -source DIR] [-cpuprofile FILE] [SECTION…]
//
// Sections are append, latency, replay, history, verify, pack, start, box and
// peers; without one, all of them but peers, which takes other tools, and longer.
// Run it with ./bench/run.sh.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"syscall"
)

// A bench is what the sections share.
type bench struct {
	ctx  context.Context
	coo  string // the binary
	dir  string // for stores; on the disk that is measured
	rows table

	tools, source string // directories: other tools, and what is here

	large string // directory whose store has the run of 10,000 calls; made by the first section that needs it
	long  string // directory whose store has the run of the growing history
}

var sections = []struct {
	name string
	run  func(*bench) error
}{
	{"append", (*bench).append},
	{"latency", (*bench).latency},
	{"replay", (*bench).replay},
	{"history", (*bench).history},
	{"verify", (*bench).verify},
	{"pack", (*bench).pack},
	{"start", (*bench).start},
	{"box", (*bench).box},
	{"peers", (*bench).peers},
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == peakFlag {
		os.Exit(peakOf(os.Args[2:]))
	}
	if len(os.Args) == 7 && os.Args[1] == clientFlag {
		if err := client(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := measure(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure() error {
	coo := flag.String("coo", "", "the coo binary, `FILE`")
	dir := flag.String("dir", "", "make stores in `DIR` (default: a new directory in $TMPDIR)")
	tools := flag.String("tools", "", "the other tools are in `DIR`")
	source := flag.String("source", "", "`DIR` of this program's source")
	profile := flag.String("cpuprofile", "", "write a CPU profile of this process to `FILE`")
	flag.Parse()
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	chosen := flag.Args()
	if len(chosen) == 0 {
		chosen = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "peers" })
	}
	for _, c := range chosen {
		if !slices.Contains(names, c) {
			return fmt.Errorf("no section %q: there are %v", c, names)
		}
	}
	if _, err := exec.LookPath(*coo); err != nil {
		return fmt.Errorf("-coo: %w", err)
	}
	tmp, err := os.MkdirTemp(*dir, "coo-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	b := &bench{ctx: context.Background(), coo: *coo, dir: tmp, tools: *tools, source: *source}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Printf("%s\n\n", machine(tmp))
	for _, s := range sections {
		if !slices.Contains(chosen, s.name) {
			continue
		}
		b.rows = nil
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		b.rows.print(os.Stdout, s.name)
	}
	return nil
}

// subdir makes a new directory in b.dir.
func (b *bench) subdir(name string) (string, error) {
	return os.MkdirTemp(b.dir, name+"-*")
}

// peakFlag makes bench a wrapper that runs a command and tells its largest
// resident set: the kernel counts that of the process that started a command
// as the command's own, and this one's is large.
const peakFlag = "-peak-of"

func peakOf(argv []string) int {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	fmt.Println(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	return 0
}
