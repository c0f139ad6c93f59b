// What the runtime of Go counts, and when finalizers run.
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

func main() {
	dead := 0
	var kept [][]byte
	for i := range 2000 {
		b := make([]byte, 4096)
		b[0] = byte(i)
		runtime.SetFinalizer(&b[0], func(*byte) { dead++ })
		if i%10 == 0 {
			kept = append(kept, b)
		}
	}
	runtime.GC()
	time.Sleep(5 * time.Millisecond)
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	fmt.Println(dead, len(kept), s.HeapAlloc, s.Sys, s.Mallocs, s.NumGC, s.PauseTotalNs, s.LastGC)
	var g debug.GCStats
	debug.ReadGCStats(&g)
	fmt.Println(g.NumGC, g.PauseTotal, runtime.NumGoroutine())
	fmt.Println(string(debug.Stack()))
}
