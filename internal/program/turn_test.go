package program

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheNextFollowsWhenTheProgramRests: while several exchanges are under
// way, what is let out waits for what was let out before.
func TestTheNextFollowsWhenTheProgramRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const busy = 30 * time.Millisecond
		turn := newTurnstile(func(time.Duration) bool { time.Sleep(busy); return true })
		start := time.Now()
		for i := range 4 {
			written, err := turn.pass(false, func() error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(start), time.Duration(i)*(busy+time.Millisecond); got != want {
				t.Errorf("the %dth passed after %v, want %v", i, got, want)
			}
			time.AfterFunc(time.Millisecond, written)
		}
	})
}

// TestAloneNobodyWaits: a program that waits for one answer at a time loses
// no time.
func TestAloneNobodyWaits(t *testing.T) {
	turn := newTurnstile(func(time.Duration) bool { t.Error("its rest was waited for"); return true })
	for range 3 {
		written, err := turn.pass(true, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		written()
	}
}

// TestPatienceTires: a program that is never at rest, or that does not read,
// is waited for less and less.
func TestPatienceTires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := newTurnstile(func(limit time.Duration) bool { time.Sleep(limit); return false })
		start := time.Now()
		for i := range 104 {
			written, err := turn.pass(false, func() error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 { // the others never read
				written()
			}
		}
		if took, want := time.Since(start), 3*rest+100*lessRest; took != want {
			t.Errorf("103 turns took %v, want %v", took, want)
		}
	})
}

func TestWhatCannotBeRecordedIsNotLetOut(t *testing.T) {
	turn := newTurnstile(func(time.Duration) bool { return true })
	full := errors.New("the disk is full")
	if written, err := turn.pass(true, func() error { return full }); !errors.Is(err, full) || written != nil {
		t.Errorf("%v, want %v", err, full)
	}
}
