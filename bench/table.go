package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// A row is one figure. Against is what it is measured against in the same
// run; aim is what was hoped for.
type row struct{ what, figure, against, ratio, aim string }

type table []row

func (t *table) add(what, figure, against, ratio, aim string) {
	*t = append(*t, row{what, figure, against, ratio, aim})
}

func (t table) print(w io.Writer, title string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "%s\tcoo\tagainst\tratio\taim\n", strings.ToUpper(title))
	for _, r := range t {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", r.what, r.figure, dash(r.against), dash(r.ratio), dash(r.aim))
	}
	tw.Flush()
	fmt.Fprintln(w)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// aim says what was aimed at and whether it is met.
func aim(text string, met bool) string {
	if met {
		return text + ": met"
	}
	return text + ": missed"
}

func ratio[N int64 | float64 | time.Duration](a, b N) string {
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}

// short formats a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%.2f µs", float64(d)/1e3)
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }

// perSecond formats how often a second something happens that takes d.
func perSecond(d time.Duration) string {
	n := int64(math.Round(float64(time.Second) / float64(d)))
	if n < 1000 {
		return fmt.Sprintf("%d/s", n)
	}
	return fmt.Sprintf("%d,%03d/s", n/1000, n%1000)
}

func median(ds []time.Duration) time.Duration {
	ds = slices.Sorted(slices.Values(ds))
	return ds[len(ds)/2]
}

// timed returns how long f took.
func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// medianOf times f n times.
func medianOf(n int, f func() error) (time.Duration, error) {
	var ds []time.Duration
	for range n {
		d, err := timed(f)
		if err != nil {
			return 0, err
		}
		ds = append(ds, d)
	}
	return median(ds), nil
}

// machine describes what the figures hold for, and what disturbs them.
func machine(dir string) string {
	load := "unknown"
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(b), " ")
	}
	return fmt.Sprintf("%s/%s, %d cores, %s, %s, load average %s at the start",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), fileSystem(dir), runtime.Version(), load)
}

// fileSystem names the file system of dir.
func fileSystem(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown file system"
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs (syncs cost nothing here)"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("file system %#x", st.Type)
}
