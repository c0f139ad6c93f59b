package mission

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"go.starlark.net/starlark"
)

// Random values are a pure function of the seed, the branch and how many
// blocks the branch has drawn. Block k of a branch is
//
//	SHA-256("coo.random/1\n" + seed + "\n" + path + "\n" + k)
//
// with k in decimal, from 0, and path "" in the main branch, "0.1" in branch 1
// of its first fork, "0.1/2.0" in branch 0 of the third fork in there. Every
// draw begins a new block and takes big-endian 64-bit words from it:
//
//   - uniform below n: with w the words in turn, the first w < 2^64 - 2^64 % n
//     gives w % n; after four words the next block. So every value is equally
//     likely.
//   - float: the upper 53 bits of the first word, over 2^53.
//   - UUID: the first 16 bytes, with version 4 and variant 10 put in.
func (b *branch) block() [sha256.Size]byte {
	k := b.draws
	b.draws++
	return sha256.Sum256(fmt.Appendf(nil, "coo.random/1\n%s\n%s\n%d", b.x.opts.Seed, b.path, k))
}

// below returns a number below n, or any number when n is 0.
func (b *branch) below(n uint64) uint64 {
	for {
		block := b.block()
		for i := 0; i < len(block); i += 8 {
			w := binary.BigEndian.Uint64(block[i:])
			if n == 0 {
				return w
			}
			// 2^64 % n, in 64 bits.
			if excess := -n % n; excess == 0 || w < -excess {
				return w % n
			}
		}
	}
}

func randomInt(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var lo, hi int64
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "lo", &lo, "hi", &hi); err != nil {
		return nil, err
	}
	if lo > hi {
		return nil, fmt.Errorf("coo.random.int: %d is greater than %d", lo, hi)
	}
	n := uint64(hi) - uint64(lo) + 1 // 0 when it is all of 2^64
	v := new(big.Int).SetUint64(branchOf(thread).below(n))
	return starlark.MakeBigInt(v.Add(v, big.NewInt(lo))), nil
}

func randomFloat(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs); err != nil {
		return nil, err
	}
	block := branchOf(thread).block()
	w := binary.BigEndian.Uint64(block[:8])
	return starlark.Float(float64(w>>11) / (1 << 53)), nil
}

func randomChoice(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var seq starlark.Value
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "seq", &seq); err != nil {
		return nil, err
	}
	s, ok := seq.(starlark.Indexable)
	if !ok {
		return nil, fmt.Errorf("coo.random.choice: got %s, want a sequence", seq.Type())
	}
	if s.Len() == 0 {
		return nil, errors.New("coo.random.choice: the sequence is empty")
	}
	return s.Index(int(branchOf(thread).below(uint64(s.Len())))), nil
}

// randomShuffle returns a new list: Fisher-Yates from the end.
func randomShuffle(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var seq starlark.Iterable
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "seq", &seq); err != nil {
		return nil, err
	}
	elems, _, err := keyed(thread, fn, starlark.Tuple{seq}, nil)
	if err != nil {
		return nil, err
	}
	b := branchOf(thread)
	for i := len(elems) - 1; i > 0; i-- {
		j := b.below(uint64(i) + 1)
		elems[i], elems[j] = elems[j], elems[i]
	}
	return starlark.NewList(elems), nil
}

func cooUUID(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs); err != nil {
		return nil, err
	}
	u := branchOf(thread).block()
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return starlark.String(fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])), nil
}
