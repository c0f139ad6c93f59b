//go:build linux && amd64

package box

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The time is in a page of memory that every program shares with the tracer.
// Functions in the next page, which stand in for those of the kernel's vDSO,
// take it from there and let it go on, as a call does, without one. Each
// sixty-fourth reading is a call all the same, so that others get their turn.

// A clockPage is that page: 8 bytes each of the time since the start, of how
// often it was read, and of what the two kinds of clocks
// said at the start.
type clockPage struct {
	fd            int
	now, readings *int64
	lent, read    int64 // what they were when they were last written or read
}

// Where it is in every program: behind the scratch.
const (
	pageSize = 4096
	pageAddr = scratchAddr + scratchSize
	codeAddr = pageAddr + pageSize
)

// Places in the page.
const (
	pageNow      = 0
	pageReadings = 8
	pageReal     = 16
	pageBoot     = 24
)

// newClockPage makes it; nil when there cannot be one, and clocks are calls.
func newClockPage(start int64) *clockPage {
	fd, err := unix.MemfdCreate("clock", unix.MFD_CLOEXEC)
	if err != nil {
		return nil
	}
	if unix.Ftruncate(fd, 2*pageSize) != nil {
		unix.Close(fd)
		return nil
	}
	b, err := unix.Mmap(fd, 0, 2*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil
	}
	binary.LittleEndian.PutUint64(b[pageReal:], uint64(start))
	binary.LittleEndian.PutUint64(b[pageBoot:], sinceBoot)
	copy(b[pageSize:], vdsoCode)
	word := func(at int) *int64 { return (*int64)(unsafe.Pointer(&b[at])) }
	return &clockPage{fd: fd, now: word(pageNow), readings: word(pageReadings)}
}

// lendTime lets the page tell the time while a thread runs.
func (x *tracer) lendTime() {
	if p := x.page; p != nil {
		p.lent = x.now
		atomic.StoreInt64(p.now, x.now)
	}
}

// takeTime takes what has passed since then. How often a thread has looked
// counts when it makes a call, and not before: where the watch stops it, if it
// does, differs.
func (x *tracer) takeTime(t *thread) {
	p := x.page
	if p == nil {
		return
	}
	passed := atomic.LoadInt64(p.now) - p.lent
	looks := atomic.LoadInt64(p.readings) - p.read
	p.lent += passed
	p.read += looks
	x.now += passed
	t.cpu += passed
	t.proc.cpu += passed
	t.looks += looks
}

// countLooks counts readings of the page as calls.
func (x *tracer) countLooks(t *thread) {
	x.turns += int(t.looks)
	x.looked += int(t.looks)
	t.reads += t.looks
	t.looks = 0
}

// mapPage gives a new program the page, and its vDSO the functions: false
// when it has to make calls. The thread stands where it can make early ones.
func (x *tracer) mapPage(t *thread, vdso uint64) bool {
	if x.page == nil || !x.knowVDSO(t, vdso) {
		return false
	}
	t.write(scratchAddr, append([]byte(x.pageFile), 0))
	fd, err := t.early(unix.SYS_OPEN, scratchAddr, unix.O_RDWR|unix.O_CLOEXEC)
	if err != nil || fd < 0 {
		return false
	}
	ok := true
	for _, m := range []struct{ at, prot, offset uint64 }{
		{pageAddr, unix.PROT_READ | unix.PROT_WRITE, 0},
		{codeAddr, unix.PROT_READ | unix.PROT_EXEC, pageSize},
	} {
		ret, err := t.early(unix.SYS_MMAP, m.at, pageSize, m.prot, unix.MAP_SHARED|unix.MAP_FIXED_NOREPLACE, uint64(fd), m.offset)
		ok = ok && err == nil && errno(ret) == 0
	}
	if _, err := t.early(unix.SYS_CLOSE, uint64(fd)); err != nil {
		return false
	}
	return ok && x.patchVDSO(t, vdso)
}
