// Signals, and a goroutine that never yields beside one that sleeps.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	got := make(chan os.Signal, 20)
	signal.Notify(got, syscall.SIGUSR1, syscall.SIGUSR2)
	next := make(chan bool, 6)
	go func() {
		for i := range 6 {
			time.Sleep(time.Millisecond)
			syscall.Kill(os.Getpid(), []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2}[i%2])
			if i > 0 {
				<-next // two of a kind that wait are one
			}
		}
	}()
	begin := time.Now()
	for range 6 {
		fmt.Println(<-got, time.Since(begin))
		next <- true
	}
	turns, ended := 0, time.After(5*time.Millisecond)
	for n := 0; ; n++ {
		select {
		case <-ended:
			fmt.Println("turns", turns)
			return
		default:
			turns++
		}
	}
}
