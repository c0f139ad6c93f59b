package freeze

import (
	"errors"
	"testing"
	"time"
)

// readings takes one reading of c for each floor.
func readings(t *testing.T, c Clock, floors ...int64) []int64 {
	t.Helper()
	var out []int64
	for _, f := range floors {
		now, err := c.Now(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, now)
	}
	return out
}

func TestClocks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		clock  Clock
		floors []int64
		want   []int64
	}{
		{"frozen, past its last", FrozenClock([]int64{100, 200}), []int64{0, 0, 0, 0}, []int64{100, 200, 201, 202}},
		{"frozen, moved on by a sleep", FrozenClock([]int64{100, 200}), []int64{150, 150, 500, 0}, []int64{150, 200, 500, 501}},
		{"pinned", PinnedClock(1000), []int64{0, 0, 5000, 0}, []int64{1000, 1001, 5000, 5001}},
		{"fill, frozen part", FillClock([]int64{100, 200}), []int64{0, 300}, []int64{100, 300}},
	} {
		got := readings(t, tt.clock, tt.floors...)
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: reading %d = %d, want %d", tt.name, i, got[i], tt.want[i])
			}
		}
	}
}

func TestRealClocks(t *testing.T) {
	before := time.Now().UnixMilli()
	fill := FillClock([]int64{7})
	if got := readings(t, fill, 0)[0]; got != 7 {
		t.Errorf("fill: first reading = %d, want 7", got)
	}
	for name, c := range map[string]Clock{"live": LiveClock(), "fill": fill} {
		got := readings(t, c, 0, before+1e9)
		if got[0] < before || got[0] > time.Now().UnixMilli() {
			t.Errorf("%s: reading = %d, want the real time", name, got[0])
		}
		if got[1] != before+1e9 {
			t.Errorf("%s: reading = %d, want the floor", name, got[1])
		}
	}
}

func TestFrozenClockWithoutReadings(t *testing.T) {
	_, err := FrozenClock(nil).Now(5)
	if _, isNone := errors.AsType[*NoClockError](err); !isNone {
		t.Errorf("Now = %v, want a NoClockError", err)
	}
}

func TestTimesHaveOneSpelling(t *testing.T) {
	for _, ms := range []int64{0, 1, 1795424400000, maxTime, -1} {
		got, err := ParseTime(FormatTime(ms))
		if err != nil || got != ms {
			t.Errorf("ParseTime(%q) = %d, %v, want %d", FormatTime(ms), got, err, ms)
		}
	}
	for _, s := range []string{"", "2026-11-23T09:00:00Z", "2026-11-23T09:00:00.000000Z", "2026-11-23T09:00:00.000+00:00", "2026-11-23T09:00:00,000Z", " 2026-11-23T09:00:00.000Z"} {
		if got, err := ParseTime(s); err == nil {
			t.Errorf("ParseTime(%q) = %d, want an error", s, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2026-11-23T09:00:00.000Z")
	f.Add("2026-11-23T09:00:00,000Z")
	f.Fuzz(func(t *testing.T, s string) {
		ms, err := ParseTime(s)
		if err == nil && FormatTime(ms) != s {
			t.Errorf("FormatTime(ParseTime(%q)) = %q", s, FormatTime(ms))
		}
	})
}
