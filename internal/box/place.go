//go:build linux && amd64

package box

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Where personality(2) may not switch random addresses off, as under the
// filter of a container, what the kernel has mapped for a new program is moved
// to where it would be without, before the first instruction; and what is
// mapped later goes where the tracer says (mappings.go).

// Where a kernel without random addresses puts things.
const (
	mapTop    = 0x7ffff7fff000 // below it what is mapped, from the top down
	programAt = 0x555555554000
	// mover is where there is code and room for the calls that move: behind
	// the page of the clock and its code.
	mover     = codeAddr + pageSize
	moverRoom = mover + pageSize
	// asideAt is far from all that a kernel maps by itself: programs are
	// below 0x100000000 or above 0x550000000000, and all else is above those.
	asideAt   = 0x100000000000
	asideRoom = 1 << 40 // for each block
)

// A block is a part of a new program that is moved as a whole.
type block struct {
	from, to uint64
	by       uint64 // how far, modulo 2^64
}

func (b *block) has(at uint64) bool { return at >= b.from && at < b.to }

// moved returns where an address is afterwards.
func moved(blocks []block, at uint64) uint64 {
	for _, b := range blocks {
		if b.has(at) {
			return at + b.by
		}
	}
	return at
}

// place moves a program that stands before its first instruction.
func (x *tracer) place(t *thread) error {
	aux, err := t.auxValues(t.regs.Rsp)
	if err != nil {
		return err
	}
	maps := mappings(t.tid)
	blocks, brk, err := t.blocks(aux, maps)
	if err != nil {
		return err
	}
	restore, err := t.pokeCode()
	if err != nil {
		return err
	}
	if _, err := t.surely("room to move", unix.SYS_MMAP, mover, pageSize, unix.PROT_READ|unix.PROT_EXEC,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0); err != nil {
		return err
	}
	if _, err := t.surely("room to move", unix.SYS_MMAP, moverRoom, pageSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0); err != nil {
		return err
	}
	if err := restore(); err != nil {
		return err
	}
	if err := t.force(mover, syscallCode); err != nil {
		return err
	}
	was := t.regs
	t.regs.Rip = mover
	// A kernel that is not told where things are is asked before they move.
	if _, err := t.surely("where the program is", unix.SYS_PRCTL, setMM, setMapSize, moverRoom, 0, 0); err != nil {
		t.regs = was
		return err
	}
	for _, m := range way(maps, blocks) {
		ret, err := t.surely(fmt.Sprintf("mapping %#x moved to %#x", m.from, m.to), unix.SYS_MREMAP, m.from, m.size, m.size,
			unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, m.to)
		if err != nil {
			return err
		}
		if uint64(ret) != m.to {
			return fmt.Errorf("mapping %#x moved to %#x, not %#x", m.from, ret, m.to)
		}
	}
	if err := t.tellMoved(blocks, brk); err != nil {
		return err
	}
	if _, err := t.surely("room to move", unix.SYS_MUNMAP, mover, 2*pageSize); err != nil {
		return err
	}
	t.regs = was
	t.regs.Rip, t.regs.Rsp = moved(blocks, was.Rip), moved(blocks, was.Rsp)
	return t.movePointers(blocks)
}

// A move is that of one mapping.
type move struct{ from, to, size uint64 }

// way returns the moves that bring blocks to their places, in order. The place of
// one may be where another is, or overlap with its own: the kernel put a stack
// there once in some thousand programs. All go aside first then, for mremap(2)
// unmaps what is in its way.
func way(maps []mapping, blocks []block) []move {
	aside := make([]block, len(blocks))
	inTheWay := false
	for i, b := range blocks {
		aside[i] = block{b.from, b.to, asideAt + uint64(i)*asideRoom - b.from}
		for _, m := range maps {
			inTheWay = inTheWay || b.by != 0 && m.from < b.to+b.by && b.from+b.by < m.to
		}
	}
	var list []move
	if !inTheWay {
		aside = nil
	}
	for _, m := range maps {
		if to := moved(aside, m.from); to != m.from {
			list = append(list, move{m.from, to, m.to - m.from})
		}
	}
	for _, m := range maps {
		if at, to := moved(aside, m.from), moved(blocks, m.from); to != at {
			list = append(list, move{at, to, m.to - m.from})
		}
	}
	return list
}

// auxValues returns the auxiliary vector of a new program, by kind.
func (t *thread) auxValues(at uint64) (map[uint64]uint64, error) {
	v, ok := t.auxAt(at)
	if !ok {
		return nil, fmt.Errorf("the stack at %#x cannot be read", at)
	}
	aux := map[uint64]uint64{}
	for {
		kind, ok := t.word(v)
		value, ok2 := t.word(v + 8)
		if !ok || !ok2 {
			return nil, fmt.Errorf("the stack at %#x cannot be read", v)
		}
		if kind == auxNull {
			return aux, nil
		}
		aux[kind] = value
		v += 16
	}
}

// auxAt returns where it begins: behind argc, the arguments, the variables.
func (t *thread) auxAt(at uint64) (uint64, bool) {
	argc, ok := t.word(at)
	if !ok {
		return 0, false
	}
	for at += 8 * (argc + 2); ; {
		v, ok := t.word(at)
		at += 8
		if !ok || v == 0 {
			return at, ok
		}
	}
}

// More entries of the auxiliary vector.
const (
	auxHeaders = 3 // AT_PHDR
	auxCount   = 5 // AT_PHNUM
	auxBase    = 7 // AT_BASE
	auxEntry   = 9 // AT_ENTRY
)

// span is what the segments of a file take, by its program headers in memory.
func (t *thread) segments(at uint64, n int) (low, high, align, self uint64, err error) {
	const size = 56
	b := t.read(at, n*size)
	if len(b) < n*size {
		return 0, 0, 0, 0, fmt.Errorf("program headers at %#x cannot be read", at)
	}
	low = ^uint64(0)
	for i := range n {
		var h elf.Prog64
		if err := binary.Read(bytes.NewReader(b[i*size:]), binary.LittleEndian, &h); err != nil {
			return 0, 0, 0, 0, err
		}
		switch elf.ProgType(h.Type) {
		case elf.PT_LOAD:
			low = min(low, h.Vaddr&^(pageSize-1))
			high = max(high, (h.Vaddr+h.Memsz+pageSize-1)&^(pageSize-1))
			align = max(align, h.Align)
		case elf.PT_PHDR:
			self = h.Vaddr
		}
	}
	return low, high, align, self, nil
}

// blocks returns what is to be moved, and where the program's memory for
// brk(2) begins then.
func (t *thread) blocks(aux map[uint64]uint64, maps []mapping) (list []block, brk uint64, err error) {
	top := uint64(mapTop)
	low, high, align, self, err := t.segments(aux[auxHeaders], int(aux[auxCount]))
	if err != nil {
		return nil, 0, err
	}
	base := aux[auxBase]
	bias := uint64(0)
	switch {
	case self != 0:
		bias = aux[auxHeaders] - self
	case low < pageSize: // position-independent, without a segment for its headers
		bias = aux[auxHeaders] &^ (pageSize - 1)
	}
	if base != 0 {
		const header = 64
		h := t.read(base, header)
		if len(h) < header {
			return nil, 0, fmt.Errorf("the loader at %#x cannot be read", base)
		}
		l, u, _, _, err := t.segments(base+binary.LittleEndian.Uint64(h[32:]), int(binary.LittleEndian.Uint16(h[56:])))
		if err != nil {
			return nil, 0, err
		}
		top -= u - l
		list = append(list, block{base + l, base + u, top - (base + l)})
	}
	brk = bias + high
	if bias != 0 {
		to := uint64(programAt) &^ (max(align, pageSize) - 1)
		if base == 0 {
			top -= high - low
			to = top &^ (max(align, pageSize) - 1)
			brk = programAt
		} else {
			brk = to + high
		}
		list = append(list, block{bias + low, bias + high, to - (bias + low)})
	}
	var kernel block
	for _, m := range maps {
		switch {
		case m.path == "[stack]":
			list = append(list, block{m.from, m.to, stackTop - m.to})
		case strings.HasPrefix(m.path, "[vvar"), m.path == "[vdso]":
			if kernel.from == 0 {
				kernel.from = m.from
			}
			kernel.to = m.to
		}
	}
	if kernel.from != 0 {
		kernel.by = top - kernel.to
		list = append(list, kernel)
	}
	return list, brk, nil
}

// PR_SET_MM and its PR_SET_MM_MAP and PR_SET_MM_MAP_SIZE, prctl(2), and the
// size of struct prctl_mm_map.
const (
	setMM      = 35
	setMap     = 14
	setMapSize = 15
	mapSize    = 104
)

// tellMoved tells the kernel where parts of the program are now: PR_SET_MM,
// prctl(2). struct prctl_mm_map: eleven addresses, the auxiliary vector and
// its size, and a descriptor.
func (t *thread) tellMoved(blocks []block, brk uint64) error {
	stat := procFile(t.tid, "stat")
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	field := func(n int) uint64 { // as proc(5) numbers them
		if n-3 >= len(f) {
			return 0
		}
		v, _ := strconv.ParseUint(f[n-3], 10, 64)
		return v
	}
	// The end of what is moved belongs to it as well.
	at := func(n int) uint64 {
		v := field(n)
		for _, b := range blocks {
			if v >= b.from && v <= b.to {
				return v + b.by
			}
		}
		return v
	}
	b := make([]byte, 0, mapSize)
	for _, v := range []uint64{at(26), at(27), at(45), at(46), brk, brk, at(28), at(48), at(49), at(50), at(51), 0} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, ^uint32(0))
	t.write(moverRoom, b)
	_, err := t.surely("where the program is", unix.SYS_PRCTL, setMM, setMap, moverRoom, mapSize, 0)
	return err
}

// movePointers changes the pointers on a stack that was moved: to arguments and
// variables, and in the auxiliary vector.
func (t *thread) movePointers(blocks []block) error {
	at := t.regs.Rsp
	aux, ok := t.auxAt(at)
	if !ok {
		return fmt.Errorf("the stack at %#x cannot be read", at)
	}
	for at += 8; at < aux; at += 8 {
		if v, _ := t.word(at); v != 0 {
			t.setWord(at, moved(blocks, v))
		}
	}
	for ; ; aux += 16 {
		kind, ok := t.word(aux)
		value, _ := t.word(aux + 8)
		switch {
		case !ok:
			return fmt.Errorf("the stack at %#x cannot be read", aux)
		case kind == auxNull:
			return nil
		}
		switch kind {
		case auxHeaders, auxBase, auxEntry, auxVDSO, auxRandom, auxPlatform, auxExecName:
			t.setWord(aux+8, moved(blocks, value))
		}
	}
}
