package freeze

import (
	"fmt"
	"sync"
	"time"
)

// timeLayout is RFC 3339 in UTC with exactly three decimals, the one spelling
// of a clock reading.
const timeLayout = "2006-01-02T15:04:05.000Z"

// maxTime is the last millisecond of the year 9999, the last that RFC 3339
// can spell.
const maxTime = 253402300799999

// FormatTime returns the spelling of a clock reading, given in milliseconds
// since 1970, as a clock record holds it: "2026-11-23T09:00:00.000Z".
func FormatTime(unixMilli int64) string {
	return time.UnixMilli(unixMilli).UTC().Format(timeLayout)
}

// ParseTime is the inverse of [FormatTime]; it accepts no other spelling.
func ParseTime(s string) (unixMilli int64, err error) {
	t, err := time.Parse(timeLayout, s)
	if err != nil || t.Format(timeLayout) != s {
		return 0, fmt.Errorf("malformed clock reading %.40q", s)
	}
	return t.UnixMilli(), nil
}

// A Clock gives a run its readings of the time. The run decides when a
// reading is due; floor is the time the mission knows already, moved on by
// its sleeps, and no reading is below it.
type Clock interface {
	Now(floor int64) (unixMilli int64, err error)
}

// LiveClock returns a clock that tells the real time.
func LiveClock() Clock { return liveClock{} }

type liveClock struct{}

func (liveClock) Now(floor int64) (int64, error) {
	return min(max(time.Now().UnixMilli(), floor), maxTime), nil
}

// FrozenClock returns a clock that gives readings in order and, past the last
// one, the last plus one millisecond each time. With no readings at all it
// returns a [*NoClockError].
func FrozenClock(readings []int64) Clock { return &frozenClock{readings: readings} }

type frozenClock struct {
	mu       sync.Mutex // guards all below
	readings []int64    // those to come
	last     int64
	started  bool
}

func (c *frozenClock) Now(floor int64) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.readings) > 0:
		c.last, c.readings = c.readings[0], c.readings[1:]
	case c.started:
		c.last++
	default:
		return 0, &NoClockError{}
	}
	c.started = true
	c.last = min(max(c.last, floor), maxTime)
	return c.last, nil
}

// FillClock returns a clock that gives readings in order and, past the last
// one, the real time.
func FillClock(readings []int64) Clock { return &fillClock{readings: readings} }

type fillClock struct {
	mu       sync.Mutex // guards readings
	readings []int64    // those to come
}

func (c *fillClock) Now(floor int64) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.readings) == 0 {
		return liveClock{}.Now(floor)
	}
	now := c.readings[0]
	c.readings = c.readings[1:]
	return max(now, floor), nil
}

// PinnedClock returns a clock whose first reading is start, in milliseconds
// since 1970, and each later one a millisecond more.
func PinnedClock(start int64) Clock { return FrozenClock([]int64{start}) }
