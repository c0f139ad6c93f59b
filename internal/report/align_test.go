package report

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAlignProperty holds align to what it promises: every element once, in
// order, and as many equal pairs as a plain table finds.
func TestAlignProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		elements := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 14)
		old, new := elements.Draw(t, "old"), elements.Draw(t, "new")
		var gotOld, gotNew []int
		equal := 0
		for _, m := range align(old, new) {
			if m.old >= 0 {
				gotOld = append(gotOld, m.old)
			}
			if m.new >= 0 {
				gotNew = append(gotNew, m.new)
			}
			if m.old >= 0 && m.new >= 0 && old[m.old] == new[m.new] {
				equal++
			}
		}
		if !slices.Equal(gotOld, upTo(len(old))) || !slices.Equal(gotNew, upTo(len(new))) {
			t.Fatalf("align(%v, %v): positions %v and %v", old, new, gotOld, gotNew)
		}
		if want := longestCommon(old, new); equal < want {
			t.Fatalf("align(%v, %v): %d equal pairs, want %d", old, new, equal, want)
		}
	})
}

func upTo(n int) []int {
	var out []int
	for i := range n {
		out = append(out, i)
	}
	return out
}

func longestCommon(a, b []int) int {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	if a[0] == b[0] {
		return 1 + longestCommon(a[1:], b[1:])
	}
	row := make([]int, len(b)+1)
	for i := range a {
		diagonal := 0
		for j := range b {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

func TestAlignLong(t *testing.T) {
	old := upTo(50_000)
	new := slices.Insert(slices.Delete(slices.Clone(old), 40_000, 40_002), 10, -1, -2, -3)
	alone := 0
	for _, m := range align(old, new) {
		if m.old < 0 || m.new < 0 {
			alone++
		} else if old[m.old] != new[m.new] {
			t.Fatalf("%v: %d paired with %d", m, old[m.old], new[m.new])
		}
	}
	if alone != 5 {
		t.Errorf("%d elements stand alone, want 5", alone)
	}
	// Nothing in common: bounded work, and all paired by position.
	for _, m := range align(upTo(20_000), slices.Repeat([]int{-1}, 20_000)) {
		if m.old != m.new {
			t.Fatalf("%v: not by position", m)
		}
	}
}
