package report

import "slices"

// A match pairs positions of two sequences; -1 stands for none.
type match struct{ old, new int }

// maxEdits bounds the search for a common subsequence: the number of
// elements that stand on one side only.
const maxEdits = 1024

// align pairs the elements of two sequences, in order: first those of a
// longest common subsequence, then, in the gaps between them, position by
// position; what is left over stands alone. Elements are equal when their
// numbers are.
//
// Of sequences with more than maxEdits differences only the equal ends are
// paired as such.
func align(old, new []int) []match {
	var out []match
	i, j := 0, 0
	for i < len(old) && j < len(new) && old[i] == new[j] {
		out = append(out, match{i, j})
		i, j = i+1, j+1
	}
	endOld, endNew := len(old), len(new)
	for endOld > i && endNew > j && old[endOld-1] == new[endNew-1] {
		endOld, endNew = endOld-1, endNew-1
	}
	common := append(commonSubsequence(old[i:endOld], new[j:endNew]), match{endOld - i, endNew - j})
	atOld, atNew := i, j
	for _, m := range common {
		m.old, m.new = m.old+i, m.new+j
		out = appendGap(out, atOld, m.old, atNew, m.new)
		if m.old < endOld {
			out = append(out, m)
		}
		atOld, atNew = m.old+1, m.new+1
	}
	for ; endOld < len(old); endOld, endNew = endOld+1, endNew+1 {
		out = append(out, match{endOld, endNew})
	}
	return out
}

// appendGap pairs old[i:oldEnd] with new[j:newEnd], position by position.
func appendGap(out []match, i, oldEnd, j, newEnd int) []match {
	for ; i < oldEnd && j < newEnd; i, j = i+1, j+1 {
		out = append(out, match{i, j})
	}
	for ; i < oldEnd; i++ {
		out = append(out, match{i, -1})
	}
	for ; j < newEnd; j++ {
		out = append(out, match{-1, j})
	}
	return out
}

// commonSubsequence returns a longest common subsequence of old and new, or
// none when it takes too many edits to get from one to the other. The
// algorithm is the greedy one of Myers, "An O(ND) Difference Algorithm and
// Its Variations" (1986).
func commonSubsequence(old, new []int) []match {
	limit := min(len(old)+len(new), maxEdits)
	// at[k+limit+1]: how far in old one gets on diagonal k, old minus new
	// position, with d edits.
	at := make([]int, 2*limit+3)
	var trace [][]int // trace[d][k+d]: the same, kept for each d
	for d := 0; d <= limit; d++ {
		for k := -d; k <= d; k += 2 {
			here := at[k+limit:] // diagonals k-1, k, k+1
			x := here[0] + 1
			if k == -d || k != d && here[0] < here[2] {
				x = here[2]
			}
			for x < len(old) && x-k < len(new) && old[x] == new[x-k] {
				x++
			}
			here[1] = x
			if x >= len(old) && x-k >= len(new) {
				return walkBack(trace, len(old), len(new))
			}
		}
		trace = append(trace, slices.Clone(at[limit+1-d:limit+2+d]))
	}
	return nil
}

// walkBack returns the equal pairs on the way to the end of both sequences.
func walkBack(trace [][]int, x, y int) []match {
	var out []match
	diagonal := func(fromX, fromY int) {
		for x > fromX && y > fromY {
			x, y = x-1, y-1
			out = append(out, match{x, y})
		}
	}
	for d := len(trace); d > 0; d-- {
		before := trace[d-1]
		k := x - y
		i := k - 1 + d - 1 // of diagonal k-1
		if k == -d || k != d && before[i] < before[i+2] {
			diagonal(before[i+2], before[i+2]-k)
			x = before[i+2]
			y = x - k - 1
		} else {
			diagonal(before[i]+1, before[i]+1-k)
			x = before[i]
			y = x - k + 1
		}
	}
	diagonal(0, 0)
	slices.Reverse(out)
	return out
}

// numbers gives equal texts equal numbers.
type numbers map[string]int

func (n numbers) of(s string) int {
	i, ok := n[s]
	if !ok {
		i = len(n)
		n[s] = i
	}
	return i
}
