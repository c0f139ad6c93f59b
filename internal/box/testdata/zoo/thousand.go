// A thousand goroutines that sleep, lock and send.
package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

func main() {
	var group sync.WaitGroup
	done := make(chan int, 1000)
	for n := range 1000 {
		group.Go(func() {
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
			done <- n
		})
	}
	group.Wait()
	close(done)
	for n := range done {
		fmt.Print(n, " ")
	}
	fmt.Println()
}
