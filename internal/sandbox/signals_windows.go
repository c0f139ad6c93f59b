package sandbox

import "os"

// relayedSignals are passed on to the program.
var relayedSignals = []os.Signal{os.Interrupt}

func isInterrupt(s os.Signal) bool { return s == os.Interrupt }
