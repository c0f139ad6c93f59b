// Goroutines that race for a mutex, a channel and a counter without a lock.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

func main() {
	var m sync.Mutex
	var group sync.WaitGroup
	var order []int
	racy := 0
	got := make(chan int)
	for n := range 10 {
		group.Go(func() {
			for i := range 20 {
				v := racy
				if i%5 == 0 {
					time.Sleep(time.Duration(n) * time.Microsecond)
				}
				racy = v + 1
				m.Lock()
				order = append(order, n)
				m.Unlock()
				got <- n
			}
		})
	}
	var taken []int
	for range 200 {
		taken = append(taken, <-got)
	}
	group.Wait()
	fmt.Println(order, taken, racy, runtime.NumCPU(), runtime.GOMAXPROCS(0))
}
