package sandbox

// startPlain starts a program in the machine's own network, held by a process
// of coo's that ends all of it.
func startPlain(c Command) (holder, error) { return startBox(c, ordersOf(c)) }
