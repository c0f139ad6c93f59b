//go:build linux && amd64

package box

import (
	"bytes"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Where addresses are random, the tracer chooses where something is mapped
// that may be anywhere, as a kernel without random addresses does: at the top
// of the highest gap that has room for it.

const (
	hugePage  = 2 << 20
	lowMapped = 64 << 10
	low32From = 0x40000000
	low32To   = 0x80000000
)

// mapRanges returns where a thread's mappings are, and nothing else of them: it
// is asked at each call that maps something.
func mapRanges(tid int) []mapping {
	b, err := os.ReadFile(procPath(tid, "maps"))
	if err != nil {
		return nil
	}
	hex := func() (v uint64) {
		for i, c := range b {
			switch {
			case c >= '0' && c <= '9':
				v = v<<4 | uint64(c-'0')
			case c >= 'a' && c <= 'f':
				v = v<<4 | uint64(c-'a'+10)
			default:
				b = b[i+1:] // the hyphen, or the space
				return v
			}
		}
		b = nil
		return v
	}
	out := make([]mapping, 0, bytes.Count(b, []byte{'\n'}))
	for len(b) > 0 {
		out = append(out, mapping{from: hex(), to: hex()})
		_, b, _ = bytes.Cut(b, []byte{'\n'})
	}
	return out
}

// gap returns the highest place below mapTop where there is room for n bytes;
// 0: there is none.
func gap(maps []mapping, n uint64) uint64 {
	end := uint64(mapTop)
	for i := len(maps) - 1; i >= 0; i-- {
		m := maps[i]
		if m.from >= end {
			continue
		}
		if m.to < end && end-m.to >= n {
			return end - n
		}
		end = m.from
	}
	if end > lowMapped && end-lowMapped >= n {
		return end - n
	}
	return 0
}

// lowGap does the same from the bottom up, for what must be below 2 GiB:
// MAP_32BIT, mmap(2).
func lowGap(maps []mapping, n uint64) uint64 {
	at := uint64(low32From)
	for _, m := range maps {
		if m.to <= at {
			continue
		}
		if m.from >= at+n {
			break
		}
		at = m.to
	}
	if at+n > low32To {
		return 0
	}
	return at
}

// free reports whether nothing is mapped in a range.
func free(maps []mapping, from, n uint64) bool {
	if from < lowMapped || from+n < from || from+n > mapTop+(128<<20) {
		return false
	}
	for _, m := range maps {
		if m.from < from+n && from < m.to {
			return false
		}
	}
	return true
}

func wholePages(n uint64) uint64 { return (n + pageSize - 1) &^ (pageSize - 1) }

// hugeAligned returns where a mapping goes in which a huge page can begin where one
// of the file does, at that offset: thp_get_unmapped_area of the kernel's.
func hugeAligned(maps []mapping, n, offset uint64) uint64 {
	if end, first := offset+n, (offset+hugePage-1)&^(hugePage-1); end <= first || end-first < hugePage {
		return gap(maps, n)
	}
	at := gap(maps, n+hugePage)
	if at == 0 {
		return gap(maps, n)
	}
	if off := (offset - at) & (hugePage - 1); off != 0 {
		return at + off
	}
	return at + hugePage
}

// hugeFiles are the kinds of file systems that map files like that.
var hugeFiles = []int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC}

// chosen returns where a mapping of a file, or of memory, goes. Whole huge
// pages of memory begin at one, as the kernel has it from Linux 6.7 on.
func (t *thread) chosen(maps []mapping, n uint64, r *unix.PtraceRegs) uint64 {
	if r.R10&unix.MAP_ANONYMOUS != 0 {
		if n%hugePage == 0 {
			return hugeAligned(maps, n, 0)
		}
		return gap(maps, n)
	}
	var st unix.Statfs_t
	if n >= hugePage && unix.Statfs(procPath(t.tid, "fd/"+strconv.Itoa(int(int32(r.R8)))), &st) == nil && slices.Contains(hugeFiles, st.Type) {
		return hugeAligned(maps, n, r.R9)
	}
	return gap(maps, n)
}

// enterMapped chooses the place for a call that maps something.
func (x *tracer) enterMapped(t *thread, r *unix.PtraceRegs, c *change) {
	switch r.Orig_rax {
	case unix.SYS_MMAP:
		n, flags := wholePages(r.Rsi), r.R10
		if n == 0 || flags&(unix.MAP_FIXED|unix.MAP_FIXED_NOREPLACE) != 0 {
			return
		}
		maps := mapRanges(t.tid)
		at := r.Rdi &^ (pageSize - 1)
		switch {
		case at != 0 && free(maps, at, n):
		case flags&unix.MAP_32BIT != 0:
			at = lowGap(maps, n)
		default:
			at = t.chosen(maps, n, r)
		}
		if at != 0 {
			// A hint alone is not taken for what is to begin at a huge page.
			r.Rdi, r.R10, c.regs = at, flags|unix.MAP_FIXED_NOREPLACE, true
		}
	case unix.SYS_MREMAP:
		x.enterMoved(t, r, c)
	case unix.SYS_SHMAT:
		if r.Rsi != 0 {
			return
		}
		if size := x.sharedSize(int(int32(r.Rdi))); size != 0 {
			if at := gap(mapRanges(t.tid), wholePages(size)); at != 0 {
				r.Rsi, c.regs = at, true
			}
		}
	}
}

// enterMoved chooses the place for a mapping that grows and has no room to.
func (x *tracer) enterMoved(t *thread, r *unix.PtraceRegs, c *change) {
	old, was, n, flags := r.Rdi, wholePages(r.Rsi), wholePages(r.Rdx), r.R10
	if flags&unix.MREMAP_MAYMOVE == 0 || flags&unix.MREMAP_FIXED != 0 || n <= was {
		return
	}
	maps := mapRanges(t.tid)
	for _, m := range maps {
		if old >= m.from && old < m.to && old+was == m.to && free(maps, m.to, n-was) {
			return
		}
	}
	if at := gap(maps, n); at != 0 {
		r.R10, r.R8, c.regs = flags|unix.MREMAP_FIXED, at, true
	}
}

// sharedSize returns how large a piece of shared memory is: shmctl(2).
func (x *tracer) sharedSize(id int) uint64 {
	var desc unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &desc); err != nil {
		return 0
	}
	return uint64(desc.Segsz)
}
