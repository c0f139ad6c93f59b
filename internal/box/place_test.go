//go:build linux && amd64

package box

import (
	"math/rand/v2"
	"testing"
)

// TestWay holds that nothing is lost on the way, wherever the kernel has put
// the stack, the loader and its own pages: mremap(2) unmaps what is where
// something is moved to, and refuses to move something onto itself.
func TestWay(t *testing.T) {
	const p = pageSize
	random := rand.New(rand.NewPCG(1, 2))
	direct, aside := 0, 0
	for range 20000 {
		// As near the end as they come: elsewhere nothing is in the way.
		stack := mapTop - 0x80*p + random.Uint64N(0x8100)*p
		loader := stack - 0x100*p - random.Uint64N(0x200)*p
		maps := []mapping{
			{from: loader, to: loader + 2*p},
			{from: loader + 2*p, to: loader + 0x20*p},
			{from: stack, to: stack + 0x21*p, path: "[stack]"},
			{from: stack + 0x30*p, to: stack + 0x34*p, path: "[vvar]"},
			{from: stack + 0x34*p, to: stack + 0x36*p, path: "[vdso]"},
		}
		place := func(from, to int, end uint64) block {
			return block{maps[from].from, maps[to].to, end - maps[to].to}
		}
		blocks := []block{place(0, 1, mapTop), place(2, 2, stackTop), place(3, 4, mapTop-0x20*p)}

		at := map[uint64]uint64{} // what is where, page by page
		for _, m := range maps {
			for a := m.from; a < m.to; a += p {
				at[a] = a
			}
		}
		list := way(maps, blocks)
		for _, m := range list {
			taken := map[uint64]uint64{}
			for i := uint64(0); i < m.size; i += p {
				if was, ok := at[m.from+i]; ok {
					taken[m.to+i] = was
				}
				delete(at, m.from+i)
			}
			for i := uint64(0); i < m.size; i += p {
				if _, ok := at[m.to+i]; ok || m.to+i >= m.from && m.to+i < m.from+m.size {
					t.Fatalf("stack at %#x: %x lands on something", stack, m)
				}
			}
			for a, was := range taken {
				at[a] = was
			}
		}
		n := 0
		for _, m := range maps {
			for a := m.from; a < m.to; a += p {
				if n++; at[moved(blocks, a)] != a {
					t.Fatalf("stack at %#x: the page at %#x is not at %#x", stack, a, moved(blocks, a))
				}
			}
		}
		if len(at) != n {
			t.Fatalf("stack at %#x: %d pages became %d", stack, n, len(at))
		}
		if len(list) > len(maps) {
			aside++
		} else {
			direct++
		}
	}
	if direct < 100 || aside < 100 {
		t.Errorf("%d moved at once, %d by way of aside: both were to be tried", direct, aside)
	}
}
