package run

import (
	"errors"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A mission that holds more than memoryLimit ends unsealed: how much memory
// a value takes is no function of the record. Single values are bounded much
// lower, and deterministically, by the mission language itself.
const memoryLimit = 384 << 20

// ErrMemory ends a run whose mission holds too much memory.
var ErrMemory = errors.New("the mission holds more than 384 MiB of memory: nothing was sealed")

// watchMemory calls stop once when more than memoryLimit is in use. The
// function it returns ends the watch.
func watchMemory(stop func(error)) (end func()) {
	before := debug.SetMemoryLimit(2 * memoryLimit)
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
				if overloaded() {
					stop(ErrMemory)
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

// overloaded reports whether the live heap is above the limit. Garbage does
// not count: where it might be garbage, it is collected first.
func overloaded() bool {
	if heapBytes() <= memoryLimit {
		return false
	}
	runtime.GC()
	return heapBytes() > memoryLimit
}

func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
