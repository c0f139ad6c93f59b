package run

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The live heap, in bytes, at which a mission is ended. That ends a run
// unsealed: how much memory a value takes is no function of the record. Single
// values are bounded much lower, and deterministically, by the mission language
// itself. A replay has more, for it holds the record too, and what could be
// recorded should not fail for memory when it is replayed.
const (
	RunMemory    = 384 << 20
	ReplayMemory = 640 << 20
)

// softMemory is where the garbage collector begins to work harder, in bytes.
const softMemory = 768 << 20

// A MemoryError ends a mission that holds too much memory.
type MemoryError struct{ Limit uint64 }

func (e *MemoryError) Error() string {
	return fmt.Sprintf("the mission holds more than %d MiB of memory", e.Limit>>20)
}

// watchMemory calls stop once when more than limit is in use. The function it
// returns ends the watch.
func watchMemory(limit uint64, stop func(error)) (end func()) {
	before := debug.SetMemoryLimit(softMemory)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				if err := overloaded(limit); err != nil {
					stop(err)
					return
				}
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		debug.SetMemoryLimit(before)
	}
}

// overloaded returns an error if the live heap is above the limit. Garbage
// does not count: where it might be garbage, it is collected first.
func overloaded(limit uint64) error {
	if heapBytes() <= limit {
		return nil
	}
	runtime.GC()
	if heapBytes() <= limit {
		return nil
	}
	return &MemoryError{limit}
}

func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
