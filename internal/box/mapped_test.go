//go:build linux && amd64

package box

import (
	"os"
	"testing"
)

// TestGap holds that mappings go where a kernel without random addresses puts
// them.
func TestGap(t *testing.T) {
	maps := []mapping{
		{from: 0x555555554000, to: 0x555555560000},
		{from: 0x7ffff7d00000, to: 0x7ffff7e00000},
		{from: 0x7ffff7e10000, to: mapTop - 0x3000},
		{from: 0x7fffffedf000, to: stackTop},
	}
	for _, c := range []struct{ got, want uint64 }{
		{gap(maps, 0x3000), mapTop - 0x3000},
		{gap(maps, 0x4000), 0x7ffff7e10000 - 0x4000},
		{gap(maps, 0x10000), 0x7ffff7e00000},
		{gap(maps, 0x11000), 0x7ffff7d00000 - 0x11000},
		{gap(maps, 1<<47), 0},
		{hugeAligned(maps, hugePage, 0), 0x7ffff7a00000},
		{hugeAligned(maps, 0x3000, 0), mapTop - 0x3000},
		{hugeAligned(maps, 2*hugePage, 0x1000), 0x7ffff7801000},
		{lowGap(maps, 0x1000), low32From},
		{lowGap(maps, low32To), 0},
	} {
		if c.got != c.want {
			t.Errorf("at %#x, want %#x", c.got, c.want)
		}
	}
	if free(maps, 0x7ffff7dff000, 0x2000) || !free(maps, 0x7ffff7e00000, 0x10000) || free(maps, ^uint64(0)-0xfff, 0x2000) {
		t.Error("free does not know what is free")
	}
}

// TestPlaces holds that the short way to read where mappings are finds what the
// long one does.
func TestPlaces(t *testing.T) {
	long, short := mappings(os.Getpid()), mapRanges(os.Getpid())
	for i := range min(len(long), len(short), 3) { // the heap may grow meanwhile
		if long[i].from != short[i].from || long[i].to != short[i].to {
			t.Errorf("mapping %d is at %#x-%#x, want %#x-%#x", i, short[i].from, short[i].to, long[i].from, long[i].to)
		}
	}
	if len(short) < 3 {
		t.Errorf("%d mappings", len(short))
	}
}
