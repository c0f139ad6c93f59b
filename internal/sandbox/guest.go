package sandbox

// The protocol's package is called as a program's enclosure is here.
import protocol "github.com/coo-runtime/coo/internal/box"

// A Guest is a program at level deterministic, as its tracer shows it (package
// box). It is used by one goroutine.
type Guest interface {
	// Next returns what happened next inside. After a Quiet an order is due
	// first; after Ended nothing comes any more.
	Next() (protocol.Event, error)
	// Obey gives the order that is due.
	Obey(protocol.Order) error
}

// Guest returns the program as its tracer shows it; nil at any level but
// deterministic.
func (p *Process) Guest() Guest { return p.guest }
