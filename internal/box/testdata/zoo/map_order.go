// The order of maps, and hashes with the process's own seed.
package main

import (
	"fmt"
	"hash/maphash"
)

func main() {
	m := map[string]int{}
	for i := range 20 {
		m[fmt.Sprint("tide", i)] = i
	}
	for range 3 {
		for _, v := range m {
			fmt.Print(v, " ")
		}
		fmt.Println()
	}
	fmt.Println(maphash.String(maphash.MakeSeed(), "tide"))
	fmt.Printf("%p %p\n", m, &m)
}
