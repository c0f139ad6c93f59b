package program

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coo-runtime/coo/internal/freeze"
)

// through enters the gate at each of the positions, in goroutines that begin
// in the order given with a pause between them, and returns the order in
// which they came through.
func through(t *testing.T, patience time.Duration, due, arrivals []int64, pause time.Duration) (order []int64, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(patience, func(int, int64) []int64 { return slices.Clone(due) })
		defer g.close()
		var mu sync.Mutex
		var all sync.WaitGroup
		start := time.Now()
		for _, at := range arrivals {
			all.Go(func() {
				place := freeze.Place{P: 1}
				if err := g.enter(t.Context(), place, at); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, at)
				mu.Unlock()
				g.leave(place, at)
			})
			time.Sleep(pause)
			synctest.Wait()
		}
		all.Wait()
		took = time.Since(start)
	})
	return order, took
}

func TestTheGateKeepsTheRecordedOrder(t *testing.T) {
	due := []int64{2, 3, 5, 8, 13}
	for _, arrivals := range [][]int64{
		{2, 3, 5, 8, 13},
		{13, 8, 5, 3, 2},
		{5, 2, 13, 3, 8},
	} {
		got, took := through(t, time.Minute, due, arrivals, time.Second)
		if !slices.Equal(got, due) {
			t.Errorf("arrived %v, let through %v, want %v", arrivals, got, due)
		}
		if took > time.Duration(len(due))*time.Second {
			t.Errorf("arrived %v: it took %v: nobody's patience was to be tried", arrivals, took)
		}
	}
}

// TestTheGateRelents: what never comes does not hold the rest up for ever,
// and what comes late is not held up at all.
func TestTheGateRelents(t *testing.T) {
	got, took := through(t, 10*time.Second, []int64{2, 3, 5, 8}, []int64{8, 5}, time.Second)
	if want := []int64{5, 8}; !slices.Equal(got, want) {
		t.Errorf("let through %v, want %v", got, want)
	}
	if took < 10*time.Second || took > 13*time.Second {
		t.Errorf("it took %v, want patience once", took)
	}
	got, _ = through(t, time.Second, []int64{2, 3, 5}, []int64{5, 3, 2}, 3*time.Second)
	if want := []int64{5, 3, 2}; !slices.Equal(got, want) {
		t.Errorf("let through %v, want %v: each came when patience was at its end", got, want)
	}
}

// TestTheGateGivesTimeToWhoIsAtWork: a program that is at work may be about to
// ask what is due; one that never rests is not waited for without an end.
func TestTheGateGivesTimeToWhoIsAtWork(t *testing.T) {
	for _, tt := range []struct {
		works, want time.Duration
	}{
		{0, 2 * time.Second},
		{7 * time.Second, 8*time.Second + 3*restLook},
		{time.Hour, 20*time.Second + 10*restLook},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			g := newGate(2*time.Second, func(int, int64) []int64 { return []int64{2, 3} })
			defer g.close()
			g.watch(func(limit time.Duration) bool {
				if time.Since(start) > tt.works {
					return true
				}
				time.Sleep(limit)
				return false
			})
			place := freeze.Place{P: 1}
			if err := g.enter(t.Context(), place, 3); err != nil {
				t.Fatal(err)
			}
			g.leave(place, 3)
			if took := time.Since(start); took != tt.want {
				t.Errorf("at work for %v: waited for %v, want %v", tt.works, took, tt.want)
			}
		})
	}
}

func TestTheGateEndsWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(time.Hour, func(int, int64) []int64 { return []int64{2, 3} })
		defer g.close()
		ctx, cancel := context.WithCancelCause(t.Context())
		over := errors.New("the run is over")
		time.AfterFunc(time.Second, func() { cancel(over) })
		if err := g.enter(ctx, freeze.Place{P: 1}, 3); !errors.Is(err, over) {
			t.Errorf("%v, want %v", err, over)
		}
	})
}

func TestALiveAnswerHasNoPlace(t *testing.T) {
	g := newGate(time.Hour, func(int, int64) []int64 { t.Error("asked for the places of a live answer"); return nil })
	defer g.close()
	if err := g.enter(t.Context(), freeze.Place{Rank: -1}, 7); err != nil {
		t.Error(err)
	}
	g.leave(freeze.Place{Rank: -1}, 7)
}
