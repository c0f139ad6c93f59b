// Time in Go: now, elapsed, timers, tickers.
package main

import (
	"fmt"
	"time"
)

func main() {
	begin := time.Now()
	fmt.Println(begin.UTC(), begin.UnixNano())
	ticker := time.NewTicker(3 * time.Millisecond)
	late := time.After(20 * time.Millisecond)
	for ticks := 0; ; {
		select {
		case t := <-ticker.C:
			ticks++
			fmt.Println("tick", ticks, t.Sub(begin))
		case t := <-late:
			fmt.Println("late", t.Sub(begin))
			return
		}
	}
}
