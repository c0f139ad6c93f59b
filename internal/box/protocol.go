package box

import "net/netip"

// An Inode names a file as stat(2) does.
type Inode struct{ Dev, Ino uint64 }

// HostName is the name of the machine that every program sees.
const HostName = "coo"

// The tracer and the coo outside talk in turns. The tracer tells what the
// program did, one [Event] after another, in an order that is the same each
// time. When every thread waits it says [Quiet], and then does nothing until
// it is given one [Order]:
//
//	tracer   Opened{Conn:1, Host:"api.openai.com", Addr:198.18.3.4:443}
//	         Sent{Conn:1, Data:…}          all that the program has sent by now
//	         Printed{FD:1, Data:"asking\n"}
//	         Quiet{At:12000, Deadline:5000012000}
//	outside  Deliver{At:12000, Conn:1, Data:…}
//	tracer   …
//
// So the program sees something of the outside only while nothing of it runs,
// and one thing at a time.

// An EventKind says what an [Event] tells.
type EventKind string

// The kinds of events.
const (
	// Opened: the program has a connection to Addr, which it asked for by the
	// name Host if that is not empty. Conn is its number, from 1.
	Opened EventKind = "opened"
	// Sent: Data is what it has sent on Conn since it was last told.
	Sent EventKind = "sent"
	// Shut: it sends no more on Conn. It still reads.
	Shut EventKind = "shut"
	// Closed: it has left Conn. Nothing may be delivered there any more.
	Closed EventKind = "closed"
	// Printed: it has written Data to its output FD, 1 or 2, in one call.
	Printed EventKind = "printed"
	// Quiet: every thread waits. The earliest deadline of a timer or a timed
	// wait is Deadline, -1 when there is none. An order is expected.
	Quiet EventKind = "quiet"
	// Noted: Text is something the user should know, one line.
	Noted EventKind = "noted"
	// Broken: Text says why this run is not certain to be the same each time.
	Broken EventKind = "broken"
	// Used, Changed: Files are regular files that it has read, executed or
	// mapped, and opened to write; told at the end, sorted. What lies in /proc,
	// /sys and /dev is left out, and what is in its own /tmp.
	Used    EventKind = "used"
	Changed EventKind = "changed"
	// Ended: the program and all it started have ended. It is the last event.
	Ended EventKind = "ended"
)

// An Event is one thing that happened inside.
type Event struct {
	Kind EventKind
	// At is the time inside, in nanoseconds since the program began. It never
	// goes back.
	At       int64
	Conn     int64
	Host     string
	Addr     netip.AddrPort
	FD       int
	Data     []byte
	Deadline int64
	Text     string
	Files    []File // by their paths
	Status   int    // Ended: the exit status; 128 + number for a signal
	Signal   string // Ended: such as SIGKILL
}

// A File is a file that the program has used: its absolute path, as it was
// named, and which file that is inside.
type File struct {
	Path     string
	Dev, Ino uint64
}

// An OrderKind says what an [Order] wants.
type OrderKind string

// The kinds of orders.
const (
	// Deliver: at the time At (not before that of the Quiet, not after its
	// Deadline) the program gets Data on Conn; then, with Close "eof", the end
	// of what is sent to it, or, with "reset", a reset.
	Deliver OrderKind = "deliver"
	// Wake: time goes on to the Deadline, and what waits for it goes on.
	Wake OrderKind = "wake"
	// Stop: the program and all it started are killed.
	Stop OrderKind = "stop"
)

// An Order is the answer to a [Quiet].
type Order struct {
	Kind  OrderKind
	At    int64
	Conn  int64
	Data  []byte
	Close string
}
