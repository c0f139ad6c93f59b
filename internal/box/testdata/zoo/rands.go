// Random numbers of Go.
package main

import (
	crand "crypto/rand"
	"fmt"
	"math/rand"
	randv2 "math/rand/v2"
)

func main() {
	b := make([]byte, 16)
	crand.Read(b)
	fmt.Printf("%x %s\n", b, crand.Text())
	fmt.Println(rand.Int(), rand.Perm(10))
	fmt.Println(randv2.Uint64(), randv2.N(1000))
}
