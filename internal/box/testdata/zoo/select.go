// Which of several ready channels select takes.
package main

import "fmt"

func main() {
	chans := make([]chan int, 4)
	for i := range chans {
		chans[i] = make(chan int, 100)
		for range 100 {
			chans[i] <- i
		}
	}
	for range 100 {
		var v int
		select {
		case v = <-chans[0]:
		case v = <-chans[1]:
		case v = <-chans[2]:
		case v = <-chans[3]:
		}
		fmt.Print(v)
	}
	fmt.Println()
}
