// A thousand goroutines in a pipeline: maps, timers, select, files.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

func main() {
	in, out := make(chan int), make(chan string)
	var group sync.WaitGroup
	var m sync.Mutex
	seen := map[int]int{}
	for n := range 1000 {
		group.Go(func() {
			for v := range in {
				select {
				case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
				case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
					v = -v
				}
				m.Lock()
				seen[n]++
				m.Unlock()
				out <- fmt.Sprint(n, " has ", v)
			}
		})
	}
	go func() {
		for v := range 3000 {
			in <- v
		}
		close(in)
		group.Wait()
		close(out)
	}()
	log, err := os.Create("log")
	if err != nil {
		panic(err)
	}
	for line := range out {
		fmt.Fprintln(log, line)
	}
	for n, count := range seen {
		fmt.Println(n, count)
	}
	if err := log.Close(); err != nil {
		panic(err)
	}
}
